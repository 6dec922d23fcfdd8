// Max-pooling of channels_last images with an optional ReLU behind it: forward and backward, float32 and bfloat16.
//
// Against PyTorch's: one byte an output element remembers which pixel of the window was taken (PyTorch: eight), the
// ReLU is no pass of its own, and the backward pass writes each gradient once instead of zeroing all of them first.
// The numbers are the same, bit for bit: of equal pixels the first is taken, and a NaN is passed on. Windows have 2 x 2
// or 3 x 3 pixels, at most 2 x 2 of them share a pixel, and at least 32 channels: CompiledMaxPool2d sees to it.
//
// Plain functions on plain arrays: without PyTorch's headers they compile in a second instead of twenty.

#include "common.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int64_t BLOCK = 32;     // channels handled together

struct Geometry {
  int64_t images, height, width, channels, out_height, out_width;
  int64_t window_height, window_width, stride_height, stride_width, pad_height, pad_width, relu;
};

struct Span {
  int64_t first, end;
};

struct Float32 {
  using Stored = float;
  static INLINE float load(float value) { return value; }
  static INLINE float store(float value) { return value; }
};

struct BFloat16 {
  using Stored = uint16_t;
  static INLINE float load(uint16_t value) {
    uint32_t bits = uint32_t(value) << 16;
    float wide;
    std::memcpy(&wide, &bits, 4);
    return wide;
  }
  static INLINE uint16_t store(float value) {  // to the nearest, ties to even; a NaN stays one
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return uint16_t(value != value ? 0x7fc0 : rounded);
  }
};

// The largest of a window that lies wholly within the image, for a block of channels of one output pixel.
template <class T, int HEIGHT, int WIDTH>
INLINE void take(const typename T::Stored* __restrict pixels, typename T::Stored* __restrict output,
                 uint8_t* __restrict taken, int64_t line, int64_t channels, bool relu) {
  const float floor = relu ? 0.0f : -INFINITY;
  const int32_t below = relu ? NONE : 0;
  #pragma omp simd
  for (int64_t c = 0; c < BLOCK; c++) {
    float largest = T::load(pixels[c]);
    int32_t position = 0;
    #pragma GCC unroll 16
    for (int at = 1; at < HEIGHT * WIDTH; at++) {
      float value = T::load(pixels[at / WIDTH * line + at % WIDTH * channels + c]);
      bool better = (value > largest) | (value != value);
      largest = better ? value : largest;
      position = better ? at : position;
    }
    position = (largest <= floor) & relu ? below : position;
    largest = largest < floor ? floor : largest;
    output[c] = T::store(largest);
    taken[c] = uint8_t(position);
  }
}

// The same for what of a window lies within the image.
template <class T>
INLINE void take_part(const typename T::Stored* __restrict image, typename T::Stored* __restrict output,
                     uint8_t* __restrict taken, const Geometry& g, int64_t row, int64_t column) {
  const int64_t top = most(0, -row), bottom = least(g.window_height, g.height - row);
  const int64_t left = most(0, -column), right = least(g.window_width, g.width - column);
  float largest[BLOCK];
  int32_t position[BLOCK];
  #pragma omp simd
  for (int64_t c = 0; c < BLOCK; c++) {
    largest[c] = -INFINITY;
    position[c] = int32_t(top * g.window_width + left);
  }
  for (int64_t h = top; h < bottom; h++) {
    for (int64_t w = left; w < right; w++) {
      const typename T::Stored* pixel = image + ((row + h) * g.width + column + w) * g.channels;
      const int32_t here = int32_t(h * g.window_width + w);
      #pragma omp simd
      for (int64_t c = 0; c < BLOCK; c++) {
        float value = T::load(pixel[c]);
        bool better = (value > largest[c]) | (value != value);
        largest[c] = better ? value : largest[c];
        position[c] = better ? here : position[c];
      }
    }
  }
  for (int64_t c = 0; c < BLOCK; c++) {
    output[c] = T::store(g.relu && largest[c] < 0.0f ? 0.0f : largest[c]);
    taken[c] = uint8_t(g.relu && largest[c] <= 0.0f ? NONE : position[c]);
  }
}

// The gradients of the four pixels of a window of 2 x 2 that shares none with another, for a block of channels.
template <class T>
INLINE void give_four(const typename T::Stored* __restrict gradient, const uint8_t* __restrict taken,
                      typename T::Stored* __restrict input, int64_t line, int64_t channels) {
  using Stored = typename T::Stored;
  #pragma omp simd
  for (int64_t c = 0; c < BLOCK; c++) {
    const Stored value = gradient[c];
    const Stored place = taken[c];
    input[c] = place == Stored(0) ? value : Stored(0);
    input[c + channels] = place == Stored(1) ? value : Stored(0);
    input[c + line] = place == Stored(2) ? value : Stored(0);
    input[c + line + channels] = place == Stored(3) ? value : Stored(0);
  }
}

// The gradient of one input pixel that ROWS x COLUMNS windows hold, for a block of channels: the sum over those that
// took it, rounded after each as PyTorch does. `here` is its place in the first window; each next window of a row has
// it `step_width` places further left, each next row of windows `step_height` places higher.
template <class T, int ROWS, int COLUMNS>
INLINE void give(const typename T::Stored* __restrict gradient, const uint8_t* __restrict taken,
                 typename T::Stored* __restrict input, int64_t line, int64_t channels, int32_t here,
                 int32_t step_height, int32_t step_width) {
  using Stored = typename T::Stored;
  #pragma omp simd
  for (int64_t c = 0; c < BLOCK; c++) {
    Stored sum = taken[c] == uint8_t(here) ? gradient[c] : Stored(0);
    #pragma GCC unroll 4
    for (int at = 1; at < ROWS * COLUMNS; at++) {
      const int64_t from = at / COLUMNS * line + at % COLUMNS * channels + c;
      const auto place = uint8_t(here - at / COLUMNS * step_height - at % COLUMNS * step_width);
      const Stored added = T::store(T::load(sum) + T::load(gradient[from]));
      sum = taken[from] == place ? added : sum;
    }
    input[c] = sum;
  }
}

// Blocks of channels of a pixel. Where they do not divide the channels the last block begins earlier, and does some of
// the work of the one before again.
template <class Body>
INLINE void in_blocks(int64_t channels, const Body& body) {
  for (int64_t c = 0; c + BLOCK <= channels; c += BLOCK) body(c);
  if (channels % BLOCK) body(channels - BLOCK);
}

template <class T>
void forward_line(const typename T::Stored* input, typename T::Stored* output, uint8_t* taken, const Geometry g,
                  int64_t out_line) {
  const bool two = g.window_height == 2;
  const int64_t line = g.width * g.channels, row = out_line % g.out_height * g.stride_height - g.pad_height;
  const bool row_within = row >= 0 && row + g.window_height <= g.height;
  const auto* image = input + out_line / g.out_height * g.height * line;
  for (int64_t w = 0; w < g.out_width; w++) {
    const int64_t column = w * g.stride_width - g.pad_width, to = (out_line * g.out_width + w) * g.channels;
    const bool within = row_within && column >= 0 && column + g.window_width <= g.width;
    const int64_t from = row * line + column * g.channels;
    in_blocks(g.channels, [&](int64_t c) __attribute__((always_inline)) {
      auto* out = output + to + c;
      auto* place = taken + to + c;
      if (!within)
        take_part<T>(image + c, out, place, g, row, column);
      else if (two)
        take<T, 2, 2>(image + from + c, out, place, line, g.channels, g.relu);
      else
        take<T, 3, 3>(image + from + c, out, place, line, g.channels, g.relu);
    });
  }
}

template <class T>
void forward(const typename T::Stored* input, typename T::Stored* output, uint8_t* taken, const Geometry& g) {
  share(g.images * g.out_height, g.images * g.height * g.width * g.channels, [&](int64_t first, int64_t end) {
    for (int64_t line = first; line < end; line++) forward_line<T>(input, output, taken, g, line);
  });
}

// Windows of 2 x 2 that share no pixel. Each line of them fills its two lines of the input, and what lies in no window
// beside and below them.
template <class T>
void backward_line_of_fours(const typename T::Stored* gradient, const uint8_t* taken, typename T::Stored* input,
                            const Geometry g, int64_t out_line) {
  const int64_t line = g.width * g.channels, row = out_line % g.out_height * 2;
  auto* lines = input + (out_line / g.out_height * g.height + row) * line;
  for (int64_t w = 0; w < g.out_width; w++) {
    const int64_t from = (out_line * g.out_width + w) * g.channels, to = 2 * w * g.channels;
    in_blocks(g.channels, [&](int64_t c) __attribute__((always_inline)) {
      give_four<T>(gradient + from + c, taken + from + c, lines + to + c, line, g.channels);
    });
  }
  const int64_t filled = 2 * g.out_width * g.channels;
  for (int64_t below = 0; below < 2; below++)
    std::memset(lines + below * line + filled, 0, (line - filled) * sizeof(*input));
  if (row + 3 == g.height) std::memset(lines + 2 * line, 0, line * sizeof(*input));
}

// Along one side, which windows hold each pixel.
std::vector<Span> windows(int64_t pixels, int64_t window, int64_t stride, int64_t pad, int64_t outputs) {
  std::vector<Span> spans(pixels);
  for (int64_t at = 0; at < pixels; at++) {
    const int64_t padded = at + pad;
    spans[at].first = padded < window ? 0 : (padded - window) / stride + 1;
    spans[at].end = most(spans[at].first, least(padded / stride + 1, outputs));
  }
  return spans;
}

template <class T>
void backward_line(const typename T::Stored* gradient, const uint8_t* taken, typename T::Stored* input,
                   const Geometry g, int64_t in_line, const Span high, const Span* columns) {
  const int64_t line = g.out_width * g.channels, tall = high.end - high.first;
  const int64_t row = in_line / g.height * g.out_height + high.first;
  const int64_t row_place = (in_line % g.height + g.pad_height - high.first * g.stride_height) * g.window_width;
  const auto down = int32_t(g.stride_height * g.window_width), right = int32_t(g.stride_width);
  for (int64_t w = 0; w < g.width; w++) {
    const Span wide = columns[w];
    const int64_t broad = wide.end - wide.first, to = (in_line * g.width + w) * g.channels;
    const int64_t from = row * line + wide.first * g.channels;
    const auto here = int32_t(row_place + w + g.pad_width - wide.first * g.stride_width);
    in_blocks(g.channels, [&](int64_t c) __attribute__((always_inline)) {
      const auto* value = gradient + from + c;
      const uint8_t* place = taken + from + c;
      auto* out = input + to + c;
      if (tall == 1 && broad == 1)
        give<T, 1, 1>(value, place, out, line, g.channels, here, down, right);
      else if (tall == 1 && broad == 2)
        give<T, 1, 2>(value, place, out, line, g.channels, here, down, right);
      else if (tall == 2 && broad == 1)
        give<T, 2, 1>(value, place, out, line, g.channels, here, down, right);
      else if (tall == 2 && broad == 2)
        give<T, 2, 2>(value, place, out, line, g.channels, here, down, right);
      else  // in no window
        std::memset(out, 0, BLOCK * sizeof(*out));
    });
  }
}

template <class T>
void backward(const typename T::Stored* gradient, const uint8_t* taken, typename T::Stored* input, const Geometry& g) {
  const int64_t elements = g.images * g.height * g.width * g.channels;
  const bool fours = g.window_height == 2 && g.stride_height == 2 && g.stride_width == 2 &&
                     !g.pad_height && !g.pad_width && g.out_height == g.height / 2 && g.out_width == g.width / 2;
  if (fours) {
    share(g.images * g.out_height, elements, [&](int64_t first, int64_t end) {
      for (int64_t line = first; line < end; line++) backward_line_of_fours<T>(gradient, taken, input, g, line);
    });
    return;
  }
  const auto rows = windows(g.height, g.window_height, g.stride_height, g.pad_height, g.out_height);
  const auto columns = windows(g.width, g.window_width, g.stride_width, g.pad_width, g.out_width);
  share(g.images * g.height, elements, [&](int64_t first, int64_t end) {
    for (int64_t line = first; line < end; line++)
      backward_line<T>(gradient, taken, input, g, line, rows[line % g.height], columns.data());
  });
}

}  // namespace

extern "C" {
void forward_float32(const float* input, float* output, uint8_t* taken, const Geometry* geometry) {
  forward<Float32>(input, output, taken, *geometry);
}
void forward_bfloat16(const uint16_t* input, uint16_t* output, uint8_t* taken, const Geometry* geometry) {
  forward<BFloat16>(input, output, taken, *geometry);
}
void backward_float32(const float* gradient, const uint8_t* taken, float* input, const Geometry* geometry) {
  backward<Float32>(gradient, taken, input, *geometry);
}
void backward_bfloat16(const uint16_t* gradient, const uint8_t* taken, uint16_t* input, const Geometry* geometry) {
  backward<BFloat16>(gradient, taken, input, *geometry);
}
}
