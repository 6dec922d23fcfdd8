// What the kernels of convolutions share: their geometry, and how 16 outputs are computed at once with AVX-512.
#pragma once

#include "common.h"

#if defined(__AVX512F__) && defined(__AVX512VL__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#define IN_FLOAT32 1
#endif
#if defined(IN_FLOAT32) && defined(__AVX512BF16__) && !defined(__AMX_BF16__)  // PyTorch's are faster with AMX
#define IN_BFLOAT16 1
#endif

#ifdef IN_FLOAT32

#include <immintrin.h>

#include <cstring>
#include <memory>
#include <type_traits>

constexpr int64_t BLOCK = 32;  // outputs computed together, in two halves of 16

struct Strides {
  int64_t outer, channel, row, column;  // outer: from image to image, or from output to output
};

struct Geometry {
  int64_t images, channels, height, width;
  int64_t float32;  // whether the images are; else they are of the kernel's type
  Strides input;
  int64_t outputs, kernel_height, kernel_width;
  Strides weight;
  int64_t pad_height, pad_width;
  int64_t window, stride_height, stride_width, pool_pad_height, pool_pad_width, relu;
  int64_t high, wide;  // the pooled output
  int64_t slots;       // gradients of weights are summed in so many parts, each by one thread

  int64_t line() const { return width + 2 * pad_width; }
  int64_t plane() const { return (height + 2 * pad_height) * line(); }
  int64_t lines() const { return channels * kernel_height; }  // of a kernel
  int64_t offset(int64_t line_of_kernel) const {
    return line_of_kernel / kernel_height * plane() + line_of_kernel % kernel_height * line();
  }
  int64_t weight_at(int64_t output, int64_t line_of_kernel, int64_t column) const {
    return output * weight.outer + line_of_kernel / kernel_height * weight.channel +
           line_of_kernel % kernel_height * weight.row + column * weight.column;
  }
  int64_t steps() const { return images * high * wide * outputs / 16 * lines() * kernel_width; }  // or more
};

struct Float32 {
  using Stored = float;
  static constexpr int PIXELS = 1;  // multiplied at once in a lane
  static constexpr int LINE = 8;    // pixels of half a register

  static INLINE float narrow(float value) { return value; }
  static INLINE __m512 round(__m512 values) { return values; }
  static INLINE void store(float* to, __m512 values) { _mm512_storeu_ps(to, values); }
  template <bool WHOLE>
  static INLINE __m512i spread(const float* pixel) {
    return _mm512_castps_si512(_mm512_set1_ps(*pixel));
  }
  static INLINE __m512 multiply_add(__m512 sums, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sums);
  }
  template <int WINDOW>
  static INLINE __m512i pick(__m512i two_lines, __m512i third, __m512i places) {
    if constexpr (WINDOW == 2) return _mm512_permutexvar_epi32(places, two_lines);
    return _mm512_permutex2var_epi32(two_lines, places, third);
  }
  static INLINE __m512i next(__m512i places) { return _mm512_add_epi32(places, _mm512_set1_epi32(1)); }
};

#ifdef IN_BFLOAT16

// One instruction multiplies pairs and adds both products in float32. What is paired for a convolution are pixels that
// lie side by side: each channel is a plane of its own, where a pair may begin at any pixel. No number of channels is too
// small for that; PyTorch's convolutions (oneDNN) pair channels, and reach half of the processor's speed where there are
// three.
struct BFloat16 {
  using Stored = uint16_t;
  static constexpr int PIXELS = 2;
  static constexpr int LINE = 16;

  static INLINE uint16_t narrow(float value) {
    return uint16_t(_mm_cvtsi128_si32((__m128i)_mm_cvtneps_pbh(_mm_set_ss(value))));
  }
  static INLINE uint16_t narrow(uint16_t value) { return value; }
  static INLINE __m512 round(__m512 values) {
    const __m512i rounded = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(values));
    return _mm512_castsi512_ps(_mm512_slli_epi32(rounded, 16));
  }
  static INLINE void store(uint16_t* to, __m512 values) {
    _mm256_storeu_si256((__m256i*)to, (__m256i)_mm512_cvtneps_pbh(values));
  }
  // A pair in every lane; or only its first pixel, as zero times what is no number would be none.
  template <bool WHOLE>
  static INLINE __m512i spread(const uint16_t* pixel) {
    if constexpr (!WHOLE) return _mm512_maskz_set1_epi16(0x55555555, int16_t(*pixel));
    int32_t pair;
    std::memcpy(&pair, pixel, 4);
    return _mm512_set1_epi32(pair);
  }
  static INLINE __m512 multiply_add(__m512 sums, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sums, (__m512bh)a, (__m512bh)b);
  }
  template <int WINDOW>
  static INLINE __m512i pick(__m512i two_lines, __m512i third, __m512i places) {
    if constexpr (WINDOW == 2) return _mm512_permutexvar_epi16(places, two_lines);
    return _mm512_permutex2var_epi16(two_lines, places, third);
  }
  static INLINE __m512i next(__m512i places) { return _mm512_add_epi16(places, _mm512_set1_epi16(1)); }
};

#endif
#endif
