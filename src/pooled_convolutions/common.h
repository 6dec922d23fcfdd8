// What all kernels share: the threads of PyTorch's OpenMP, whose functions they are given, since a second pool would fight
// the first for the cores; and how a pooling tells which pixel it took.
#pragma once

#include <cstdint>

#define INLINE inline __attribute__((always_inline))

// OpenMP's own functions, as compilers call them for `#pragma omp parallel`.
using Task = void (*)(void*);
inline void (*omp_team)(Task, void*, unsigned, unsigned) = nullptr;
inline int (*omp_size)() = nullptr;
inline int (*omp_member)() = nullptr;

constexpr int64_t ALONE = 16384;  // steps of work below which waking threads would take longer

// Of a window, pixel 0 to 8 was taken; or none, as the ReLU let nothing through, and no pixel gets a gradient.
constexpr int32_t NONE = 255;

INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

// Call body(first, end) on shares of the lines, one for each thread; in this thread alone where there is little to do.
template <class Body>
void share(int64_t lines, int64_t work, const Body& body) {
  if (work < ALONE) return body(0, lines);
  struct Shared {
    const Body& body;
    int64_t lines;
  } shared{body, lines};
  omp_team(
      [](void* data) {
        auto& [body, lines] = *static_cast<Shared*>(data);
        const int64_t size = omp_size(), member = omp_member();
        body(lines * member / size, lines * (member + 1) / size);
      },
      &shared, 0, 0);
}
