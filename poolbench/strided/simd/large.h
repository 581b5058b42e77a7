// What large arrays need: whether they are asked for ahead of time, and in which order their rows are done.
#pragma once

#include "simd/lines.h"

POOL_BEGIN

// Bytes of the input, or of its gradient, where rows are one piece each; otherwise 0.
template <class S>
std::int64_t contiguous_bytes(const Plan& p) {
  const std::int64_t size = p.inner * Elements<S>::kSize;
  return p.position_step(p.w) == size ? p.planes() * p.d.positions * p.h.positions * p.w.positions * size : 0;
}

// Whether the input, or its gradient, is asked for ahead of time.
template <class S>
bool asks_ahead(const Plan& p) {
  return contiguous_bytes<S>(p) >= kAskedBytes;
}

// Whether the arrays of a training step are so large that they come from memory, and go there: the input and its gradient
// are twice this, and what lies between as much again. Then what is read by turns with them is asked for too, and what
// is written may go around the caches.
template <class S>
bool is_large(const Plan& p) {
  constexpr std::int64_t kLargeBytes = std::int64_t{4} << 20;
  return contiguous_bytes<S>(p) >= kLargeBytes;
}

// The order in which rows are done where the channels lie innermost. Where windows overlap along d, rows that lie behind
// each other along d come first, as many as a core's own cache holds of what they read: then each row that is read comes
// from farther away once, not once for each plane of outputs that reads it.
struct RowOrder {
  std::int64_t d, h;  // rows along each axis
  std::int64_t band;  // rows along d that are done before the next ones along h

  // `overlap` is how many rows of outputs along d read one row, or the other way round, and `row` what one costs in
  // bytes, with all that are read along h beside it: nothing where a part of a plane has no windows.
  RowOrder(std::int64_t rows_d, std::int64_t rows_h, std::int64_t overlap, std::int64_t row)
      : d(rows_d), h(rows_h),
        band(overlap > 1 && row > 0 ? std::max<std::int64_t>(kCached / row - (overlap - 1), 1) : 1) {}

  struct Row {
    std::int64_t d, h;
  };
  POOL_INLINE Row at(std::int64_t row) const {
    if (band == 1) return {row / h, row % h};
    const std::int64_t first = row / (band * h) * band, size = std::min(band, d - first), rest = row % (band * h);
    return {first + rest % size, rest / size};
  }

 private:
  static constexpr std::int64_t kCached = 640 << 10;  // of the 1 or 2 MiB that a core has to itself
};

POOL_END
