// Convolution of images of few channels, 2 x 2 max-pooling and an optional ReLU as one operation. What is not the
// largest of its window is never written.
//
// Sums are in float32. In bfloat16 each pixel is rounded once, before the pooling, as PyTorch does.

#include "planes.h"

#ifdef IN_FLOAT32

namespace {

// Weights as [block][line of the kernel][step of PIXELS columns][output of the block][PIXELS].
template <class T>
std::unique_ptr<typename T::Stored[]> pack(const float* weights, const Geometry& g, int64_t steps) {
  std::unique_ptr<typename T::Stored[]> packed(new typename T::Stored[g.outputs * g.lines() * steps * T::PIXELS]);
  auto* to = packed.get();
  for (int64_t block = 0; block < g.outputs; block += BLOCK)
    for (int64_t line = 0; line < g.lines(); line++)
      for (int64_t step = 0; step < steps; step++)
        for (int64_t o = block; o < block + BLOCK; o++)
          for (int64_t w = step * T::PIXELS; w < (step + 1) * T::PIXELS; w++)
            *to++ = w < g.kernel_width ? T::narrow(weights[g.weight_at(o, line, w)]) : 0;
  return packed;
}

// The largest of the four pixels of a window for 16 outputs, and which it was: of equal ones the first, of NaN any.
template <class T>
INLINE void pool(const __m512 (&pixels)[4], typename T::Stored* output, uint8_t* taken, bool relu) {
  __m512 largest = T::round(pixels[0]);
  __m512i position = _mm512_setzero_si512();
  #pragma GCC unroll 4
  for (int at = 1; at < 4; at++) {
    const __m512 value = T::round(pixels[at]);
    const __mmask16 better =
        _mm512_cmp_ps_mask(value, largest, _CMP_GT_OQ) | _mm512_cmp_ps_mask(value, value, _CMP_UNORD_Q);
    largest = _mm512_mask_mov_ps(largest, better, value);
    position = _mm512_mask_mov_epi32(position, better, _mm512_set1_epi32(at));
  }
  if (relu) {
    const __mmask16 below = _mm512_cmp_ps_mask(largest, _mm512_setzero_ps(), _CMP_LE_OQ);
    largest = _mm512_mask_mov_ps(largest, below, _mm512_setzero_ps());
    position = _mm512_mask_mov_epi32(position, below, _mm512_set1_epi32(NONE));
  }
  T::store(output, largest);
  _mm_storeu_si128((__m128i*)taken, _mm512_cvtepi32_epi8(position));
}

// Windows that lie side by side, for a block of outputs.
template <class T, int KERNEL, int WINDOWS>
INLINE void convolve(const typename T::Stored* image, const typename T::Stored* packed, const float* bias,
                     typename T::Stored* output, uint8_t* taken, const Geometry& g) {
  constexpr int STEPS = (KERNEL + T::PIXELS - 1) / T::PIXELS;
  __m512 sums[WINDOWS][2][4];
  #pragma GCC unroll 16
  for (int i = 0; i < WINDOWS * 8; i++)
    sums[i / 8][i / 4 % 2][i % 4] = bias ? _mm512_loadu_ps(bias + i / 4 % 2 * 16) : _mm512_setzero_ps();
  for (int64_t c = 0; c < g.channels; c++) {
    for (int64_t h = 0; h < g.kernel_height; h++) {
      const auto* from = image + c * g.plane() + h * g.line();
      #pragma GCC unroll 8
      for (int step = 0; step < STEPS; step++, packed += T::PIXELS * BLOCK) {
        const __m512i one = _mm512_loadu_si512(packed), two = _mm512_loadu_si512(packed + T::PIXELS * 16);
        #pragma GCC unroll 8
        for (int i = 0; i < WINDOWS * 4; i++) {
          const int window = i / 4, at = i % 4;
          const auto* first = from + at / 2 * g.line() + at % 2 + 2 * window + T::PIXELS * step;
          const __m512i pixel = (step + 1) * T::PIXELS <= KERNEL ? T::template spread<true>(first)
                                                                 : T::template spread<false>(first);
          sums[window][0][at] = T::multiply_add(sums[window][0][at], one, pixel);
          sums[window][1][at] = T::multiply_add(sums[window][1][at], two, pixel);
        }
      }
    }
  }
  #pragma GCC unroll 4
  for (int i = 0; i < WINDOWS * 2; i++) {
    const int64_t to = i / 2 * g.outputs + i % 2 * 16;
    pool<T>(sums[i / 2][i % 2], output + to, taken + to, g.relu);
  }
}

template <class T, int KERNEL>
void forward(const void* images, const float* weights, const float* bias, typename T::Stored* output, uint8_t* taken,
             const Geometry g) {
  constexpr int STEPS = (KERNEL + T::PIXELS - 1) / T::PIXELS;
  const auto packed = pack<T>(weights, g, STEPS);
  share(g.images * g.high, g.steps(), [&](int64_t first, int64_t end) {
    Planes<T> planes(1, g);
    for (int64_t at = first; at < end; at++) {
      if (at == first || at % g.high == 0) planes.lay(0, images, at / g.high, g);
      const auto* image = planes.first + at % g.high * 2 * g.line();
      for (int64_t w = 0; w < g.wide; w += 2) {
        for (int64_t block = 0; block < g.outputs; block += BLOCK) {
          const auto* lanes = packed.get() + block * g.lines() * STEPS * T::PIXELS;
          const float* added = bias ? bias + block : nullptr;
          const int64_t to = (at * g.wide + w) * g.outputs + block;
          if (w + 1 < g.wide)
            convolve<T, KERNEL, 2>(image + 2 * w, lanes, added, output + to, taken + to, g);
          else
            convolve<T, KERNEL, 1>(image + 2 * w, lanes, added, output + to, taken + to, g);
        }
      }
    }
  });
}

template <class T>
void forward_of(const void* images, const float* weights, const float* bias, typename T::Stored* output,
                uint8_t* taken, const Geometry& g) {
  const auto kernel = g.kernel_width == 3 ? forward<T, 3> : g.kernel_width == 5 ? forward<T, 5> : forward<T, 7>;
  kernel(images, weights, bias, output, taken, g);
}

}  // namespace

extern "C" {
const char* lacks_float32() { return nullptr; }
void convolve_pool_float32(const void* images, const float* weights, const float* bias, float* output, uint8_t* taken,
                           const Geometry* g) {
  forward_of<Float32>(images, weights, bias, output, taken, *g);
}
}
#else
extern "C" const char* lacks_float32() { return "this processor has no AVX-512"; }
#endif

#ifdef IN_BFLOAT16
extern "C" {
const char* lacks_bfloat16() { return nullptr; }
void convolve_pool_bfloat16(const void* images, const float* weights, const float* bias, uint16_t* output,
                            uint8_t* taken, const Geometry* g) {
  forward_of<BFloat16>(images, weights, bias, output, taken, *g);
}
}
#else
extern "C" const char* lacks_bfloat16() {
#ifdef __AMX_BF16__
  return "with this processor's AMX they are faster in bfloat16";
#else
  return "this processor has no AVX-512 for bfloat16";
#endif
}
#endif
