// Gradients of the weights and biases of a convolution that a max-pooling follows, from those of the pooled output.
//
// Of a window only one pixel has a gradient. Each output takes what that pixel saw of an image from a register that
// holds the lines of the image there, so that a window of 2 x 2 takes a quarter of the multiplications, and the gradient
// before the pooling need not be known.
//
// Sums are in float32 and not rounded, where PyTorch rounds those of a bfloat16 convolution. Each thread sums for its
// share of the images in a part of its own; the parts are added in their order.

#include "planes.h"

#ifdef IN_FLOAT32

namespace {

constexpr int64_t BAND = 512;  // vectors spread at once: two thirds of a first cache of 48 KiB

INLINE void add(float* sums, __m512 added) { _mm512_storeu_ps(sums, _mm512_add_ps(_mm512_loadu_ps(sums), added)); }

// The gradients of a line of windows for a block of outputs as [step of PIXELS windows][gradients, places][half]. Places
// are those of the pixel in `accumulate`'s register.
template <class T>
struct Spreader {
  const typename T::Stored* gradient;
  const uint8_t* taken;
  __m512i place_of;  // for each pixel of a window

  Spreader(const typename T::Stored* gradient, const uint8_t* taken, const Geometry& g)
      : gradient(gradient), taken(taken) {
    alignas(64) int32_t places[16] = {};
    for (int64_t at = 0; at < g.window * g.window; at++)
      places[at] = int32_t(at / g.window * T::LINE + at % g.window);
    place_of = _mm512_load_si512(places);
  }

  static int64_t vectors(const Geometry& g) { return (g.wide + T::PIXELS - 1) / T::PIXELS * 4; }

  // Gradients of 16 outputs of a window as 32 bits, and their places.
  INLINE void window(int64_t at, __m512i& values, __m512i& places) const {
    const __m512i pixel = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)(taken + at)));
    const __mmask16 some = _mm512_cmpneq_epi32_mask(pixel, _mm512_set1_epi32(NONE));
    places = _mm512_permutexvar_epi32(pixel, place_of);  // of NONE's the last of 16: 0
    if constexpr (T::PIXELS == 1)
      values = _mm512_maskz_loadu_epi32(some, gradient + at);
    else
      values = _mm512_maskz_cvtepu16_epi32(some, _mm256_loadu_si256((const __m256i*)(gradient + at)));
  }

  INLINE void line(int64_t line, int64_t block, __m512i* to, __m512 (&biases)[2], const Geometry& g) const {
    const __m512i one = T::PIXELS == 1 ? _mm512_castps_si512(_mm512_set1_ps(1)) : _mm512_set1_epi32(0x3f803f80);
    for (int64_t w = 0; w < g.wide; w += T::PIXELS, to += 4) {
      #pragma GCC unroll 2
      for (int half = 0; half < 2; half++) {
        const int64_t from = (line * g.wide + w) * g.outputs + block + 16 * half;
        __m512i values, places;
        window(from, values, places);
        if (T::PIXELS == 2 && w + 1 < g.wide) {
          __m512i next_values, next_places;
          window(from + g.outputs, next_values, next_places);
          next_places = _mm512_add_epi32(next_places, _mm512_set1_epi32(int32_t(g.stride_width)));
          values = _mm512_or_si512(values, _mm512_slli_epi32(next_values, 16));
          places = _mm512_or_si512(places, _mm512_slli_epi32(next_places, 16));
        }
        biases[half] = T::multiply_add(biases[half], values, one);
        to[half] = values;
        to[2 + half] = places;
      }
    }
  }
};

// Add to the sums [LINES][KERNEL][BLOCK] of lines of the kernel what lines `first` to `end` of windows give, whose images
// begin with the first one.
template <class T, int WINDOW, int KERNEL, int LINES>
INLINE void accumulate(float* sums, const __m512i* spread, const typename T::Stored* planes, int64_t line,
                       int64_t first, int64_t end, const Geometry& g) {
  constexpr int64_t COUNT = LINES * KERNEL * 2;
  __m512 kept[COUNT];
  int64_t offset[LINES];
  #pragma GCC unroll 32
  for (int i = 0; i < COUNT; i++) kept[i] = _mm512_setzero_ps();
  for (int l = 0; l < LINES; l++)
    offset[l] = g.offset(line + l) - g.pool_pad_height * g.line() - g.pool_pad_width;
  for (int64_t at = first; at < end; at++) {
    const auto* image = planes + at / g.high * g.channels * g.plane() + at % g.high * g.stride_height * g.line();
    for (int64_t w = 0; w < g.wide; w += T::PIXELS, spread += 4, image += T::PIXELS * g.stride_width) {
      const __m512i values[2] = {_mm512_load_si512(spread), _mm512_load_si512(spread + 1)};
      __m512i places[2] = {_mm512_load_si512(spread + 2), _mm512_load_si512(spread + 3)}, two[LINES], third[LINES];
      #pragma GCC unroll 4
      for (int l = 0; l < LINES; l++) {
        const auto* from = image + offset[l];
        const auto load = [](const void* at) { return _mm256_loadu_si256((const __m256i*)at); };
        two[l] = _mm512_inserti64x4(_mm512_castsi256_si512(load(from)), load(from + g.line()), 1);
        third[l] = WINDOW == 2 ? two[l] : _mm512_castsi256_si512(load(from + 2 * g.line()));
      }
      #pragma GCC unroll 8
      for (int k = 0; k < KERNEL; k++) {
        #pragma GCC unroll 8
        for (int i = 0; i < LINES * 2; i++) {
          __m512& sum = kept[(i / 2 * KERNEL + k) * 2 + i % 2];
          sum = T::multiply_add(sum, values[i % 2], T::template pick<WINDOW>(two[i / 2], third[i / 2], places[i % 2]));
        }
        for (int half = 0; half < 2; half++) places[half] = T::next(places[half]);
      }
    }
  }
  #pragma GCC unroll 32
  for (int i = 0; i < COUNT; i++) add(sums + (line * KERNEL * 2 + i) * 16, kept[i]);
}

// Sums of a part: weights as [block][line of the kernel][KERNEL][BLOCK], then biases.
template <class T, int WINDOW, int KERNEL>
void sum_up(const void* images, const Spreader<T>& spreader, float* sums, int64_t first, int64_t end,
            const Geometry& g) {
  constexpr int LINES = WINDOW == 2 || KERNEL > 3 ? 12 / KERNEL : 3;  // what the 32 registers hold
  const int64_t vectors = Spreader<T>::vectors(g), band = most(1, BAND / vectors);
  const int64_t group = most(1, band / g.high);
  std::unique_ptr<char[]> memory(new char[(band * vectors + 1) * 64]);
  auto* spread = (__m512i*)((uintptr_t(memory.get()) + 63) / 64 * 64);
  Planes<T> planes(group, g);
  for (; first < end; first += group) {
    const int64_t count = least(group, end - first), lines = count * g.high;
    for (int64_t at = 0; at < count; at++) planes.lay(at, images, first + at, g);
    for (int64_t from = 0; from < lines; from += band) {
      const int64_t to = least(lines, from + band);
      for (int64_t block = 0; block < g.outputs; block += BLOCK) {
        __m512 biases[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
        for (int64_t at = from; at < to; at++)
          spreader.line(first * g.high + at, block, spread + (at - from) * vectors, biases, g);
        for (int half = 0; half < 2; half++)
          add(sums + g.outputs * g.lines() * KERNEL + block + 16 * half, biases[half]);
        float* weights = sums + block * g.lines() * KERNEL;
        int64_t line = 0;
        for (; line + LINES <= g.lines(); line += LINES)
          accumulate<T, WINDOW, KERNEL, LINES>(weights, spread, planes.first, line, from, to, g);
        for (; line < g.lines(); line++)
          accumulate<T, WINDOW, KERNEL, 1>(weights, spread, planes.first, line, from, to, g);
      }
    }
  }
}

template <class T, int WINDOW, int KERNEL>
void backward(const void* images, const Spreader<T>& spreader, float* weights, float* biases, float* parts,
              const Geometry g) {
  const int64_t of_weights = g.outputs * g.lines() * KERNEL, size = of_weights + g.outputs;
  share(g.slots, g.steps(), [&](int64_t slot, int64_t end) {
    for (; slot < end; slot++) {
      std::memset(parts + slot * size, 0, size * sizeof(float));
      sum_up<T, WINDOW, KERNEL>(images, spreader, parts + slot * size, g.images * slot / g.slots,
                                g.images * (slot + 1) / g.slots, g);
    }
  });
  const auto total = [&](int64_t at) __attribute__((always_inline)) {
    __m512 sum = _mm512_loadu_ps(parts + at);
    for (int64_t slot = 1; slot < g.slots; slot++) sum = _mm512_add_ps(sum, _mm512_loadu_ps(parts + slot * size + at));
    return sum;
  };
  share(of_weights / BLOCK, g.slots * size, [&](int64_t first, int64_t end) {
    for (int64_t at = first; at < end; at++) {
      float* to = weights + g.weight_at(at / KERNEL / g.lines() * BLOCK, at / KERNEL % g.lines(), at % KERNEL);
      alignas(64) float sums[BLOCK];
      for (int half = 0; half < 2; half++) _mm512_store_ps(sums + 16 * half, total(at * BLOCK + 16 * half));
      for (int64_t o = 0; o < BLOCK; o++) to[o * g.weight.outer] = sums[o];
    }
  });
  for (int64_t o = 0; biases && o < g.outputs; o += 16) _mm512_storeu_ps(biases + o, total(of_weights + o));
}

template <class T>
void backward_of(const void* images, const typename T::Stored* gradient, const uint8_t* taken, float* weights,
                 float* biases, float* parts, const Geometry& g) {
  const bool two = g.window == 2;
  const auto kernel = g.kernel_width == 3   ? two ? backward<T, 2, 3> : backward<T, 3, 3>
                      : g.kernel_width == 5 ? two ? backward<T, 2, 5> : backward<T, 3, 5>
                                            : backward<T, 2, 7>;
  kernel(images, Spreader<T>(gradient, taken, g), weights, biases, parts, g);
}

}  // namespace

extern "C" {
void gradients_float32(const void* images, const float* gradient, const uint8_t* taken, float* weights, float* biases,
                       float* parts, const Geometry* g) {
  backward_of<Float32>(images, gradient, taken, weights, biases, parts, *g);
}
#ifdef IN_BFLOAT16
void gradients_bfloat16(const void* images, const uint16_t* gradient, const uint8_t* taken, float* weights,
                        float* biases, float* parts, const Geometry* g) {
  backward_of<BFloat16>(images, gradient, taken, weights, biases, parts, *g);
}
#endif
}

#endif
