// Combining what lies at equal distances behind several places.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

// The elements at `at`, `at` + step, …: kVectors vectors of each.
template <class O, int kTaps, int kVectors>
POOL_INLINE void combine_row(const char* at, std::int64_t step, std::int64_t taps, VecFor<O> (&row)[kVectors]) {
  constexpr std::int64_t kVector = O::kCount * static_cast<std::int64_t>(sizeof(typename O::Stored));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) row[v] = O::load(at + v * kVector);
#pragma GCC unroll 4
  for (std::int64_t k = 1; k < (kTaps > 0 ? kTaps : taps); ++k) {
    at += step;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) row[v] = O::combine(row[v], O::load(at + v * kVector));
  }
}

// Row by row and then the rows, so that chains of additions stay short. Several vectors side by side: then no sum waits
// for the one before it, and where the rows lie a power of two apart, and so in few lines of the first-level cache, what
// a line holds is used before another takes its place.
template <class O, int kTaps, int kVectors, class Sink>
POOL_INLINE void combine_columns(const char* const* bases, std::int64_t count, std::int64_t offset, std::int64_t step,
                                 std::int64_t taps, std::int64_t x, Sink& sink) {
  offset += x * static_cast<std::int64_t>(sizeof(typename O::Stored));
  VecFor<O> all[kVectors], row[kVectors];
  combine_row<O, kTaps>(bases[0] + offset, step, taps, all);
  for (std::int64_t i = 1; i < count; ++i) {
    combine_row<O, kTaps>(bases[i] + offset, step, taps, row);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) all[v] = O::combine(all[v], row[v]);
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) sink.whole(x + v * O::kCount, all[v]);
}

// Combines the rows bases[i] + offset + k * step, for k < taps (kTaps, if that is not 0).
template <class O, int kTaps, class Sink>
POOL_INLINE void combine_grid(const char* const* bases, std::int64_t count, std::int64_t offset, std::int64_t step,
                              std::int64_t taps, std::int64_t n, Sink& sink) {
  constexpr std::int64_t kSize = sizeof(typename O::Stored);
  if (kTaps > 0) taps = kTaps;
  std::int64_t x = 0;
  for (; x + 4 * O::kCount <= n; x += 4 * O::kCount) {
    combine_columns<O, kTaps, 4>(bases, count, offset, step, taps, x, sink);
  }
  for (; x + O::kCount <= n; x += O::kCount) {
    combine_columns<O, kTaps, 1>(bases, count, offset, step, taps, x, sink);
  }
  if (x < n) {
    const int rest = static_cast<int>(n - x);
    VecFor<O> acc = O::neutral();
    for (std::int64_t i = 0; i < count; ++i) {
      const char* at = bases[i] + offset + x * kSize;
      for (std::int64_t k = 0; k < taps; ++k) acc = O::combine(acc, O::load_part(at + k * step, rest));
    }
    sink.part(x, acc, rest);
  }
}

POOL_END
