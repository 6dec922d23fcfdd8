// Images as the convolutions read them: each channel a plane, with zeros around it.
#pragma once

#include "convolution.h"

#ifdef IN_FLOAT32

// Four pixels of four channels, from pixel by pixel to channel by channel.
INLINE void transpose(const float* from, int64_t pixel, float* to, int64_t plane) {
  __m128 lines[4];
  for (int i = 0; i < 4; i++) lines[i] = _mm_loadu_ps(from + i * pixel);
  _MM_TRANSPOSE4_PS(lines[0], lines[1], lines[2], lines[3]);
  for (int i = 0; i < 4; i++) _mm_storeu_ps(to + i * plane, lines[i]);
}

// Eight pixels of eight channels.
INLINE void transpose(const uint16_t* from, int64_t pixel, uint16_t* to, int64_t plane) {
  __m128i in[8], twos[8], fours[8];
  #pragma GCC unroll 8
  for (int i = 0; i < 8; i++) in[i] = _mm_loadu_si128((const __m128i*)(from + i * pixel));
  #pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {  // pixels 2i and 2i + 1 of channels 0 to 3, and of 4 to 7
    twos[i] = _mm_unpacklo_epi16(in[2 * i], in[2 * i + 1]);
    twos[i + 4] = _mm_unpackhi_epi16(in[2 * i], in[2 * i + 1]);
  }
  #pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {  // pixels 0 to 3 of channels 0 and 1, of 2 and 3; pixels 4 to 7 of them; the rest
    fours[2 * i] = _mm_unpacklo_epi32(twos[2 * i], twos[2 * i + 1]);
    fours[2 * i + 1] = _mm_unpackhi_epi32(twos[2 * i], twos[2 * i + 1]);
  }
  #pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    const int at = i / 2 * 4 + i % 2;
    _mm_storeu_si128((__m128i*)(to + 2 * i * plane), _mm_unpacklo_epi64(fours[at], fours[at + 2]));
    _mm_storeu_si128((__m128i*)(to + (2 * i + 1) * plane), _mm_unpackhi_epi64(fours[at], fours[at + 2]));
  }
}

// Room for some images as [image][channel][row][column].
template <class T>
struct Planes {
  using Stored = typename T::Stored;
  std::unique_ptr<Stored[]> memory;
  Stored* first;

  // The kernels read, and ignore or multiply by zero, pixels of up to three lines before the first and behind the last.
  Planes(int64_t images, const Geometry& g) {
    const int64_t beside = 3 * g.line() + 64, size = images * g.channels * g.plane() + 2 * beside;
    memory.reset(new Stored[size]());
    first = memory.get() + beside;
  }

  // Write an image; the zeros around it stay.
  void lay(int64_t at, const void* images, int64_t image, const Geometry& g) {
    if (g.float32 || std::is_same_v<Stored, float>)
      lay_from((const float*)images + image * g.input.outer, at, g);
    else
      lay_from((const Stored*)images + image * g.input.outer, at, g);
  }

 private:
  template <class In>
  void lay_from(const In* image, int64_t at, const Geometry& g) {
    Stored* to = first + at * g.channels * g.plane() + g.pad_height * g.line() + g.pad_width;
    for (int64_t h = 0; h < g.height; h++) lay_line(image + h * g.input.row, to + h * g.line(), g);
  }

  template <class In>
  static INLINE void lay_line(const In* from, Stored* to, const Geometry& g) {
    constexpr int64_t SIDE = 16 / sizeof(In);
    int64_t transposed = 0;
    if constexpr (sizeof(In) == sizeof(Stored))
      if (g.input.channel == 1 && g.channels % SIDE == 0)
        for (; transposed + SIDE <= g.width; transposed += SIDE)
          for (int64_t c = 0; c < g.channels; c += SIDE)
            transpose(from + transposed * g.input.column + c, g.input.column, to + c * g.plane() + transposed, g.plane());
    for (int64_t c = 0; c < g.channels; c++)
      for (int64_t w = transposed; w < g.width; w++)
        to[c * g.plane() + w] = T::narrow(from[c * g.input.channel + w * g.input.column]);
  }
};

#endif
