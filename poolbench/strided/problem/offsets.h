// Where in its window a maximum lies, and which windows read a position: what a keep and its gradient agree on.
#pragma once

#include <cstdint>

#include "problem/problem.h"

namespace poolbench::pool {

// The windows [first, last] that may read position `at`; none where first > last.
struct Readers {
  std::int64_t first, last;
};

inline Readers readers(const Axis& axis, std::int64_t at) {
  if (axis.adaptive()) {
    return {at * axis.windows / axis.positions, ((at + 1) * axis.windows + axis.positions - 1) / axis.positions - 1};
  }
  const std::int64_t behind = at + axis.lo - (axis.window - 1) * axis.dilation;
  const bool by_one = axis.stride == 1;  // a division takes longer than a short row
  const std::int64_t first = behind <= 0 ? 0 : by_one ? behind : (behind + axis.stride - 1) / axis.stride;
  const std::int64_t last = by_one ? at + axis.lo : (at + axis.lo) / axis.stride;
  return {first, last < axis.windows ? last : axis.windows - 1};
}

// The most windows that read one position along an axis.
inline std::int64_t most_readers(const Axis& axis) {
  const std::int64_t most = axis.adaptive() ? (axis.windows + axis.positions - 1) / axis.positions + 1
                                            : (axis.window - 1) * axis.dilation / axis.stride + 1;
  return most < axis.windows ? most : axis.windows;
}

// Which element of its window `o` reads at position `at`, or -1 where it doesn't read it.
inline std::int64_t tap_at(const Axis& axis, std::int64_t o, std::int64_t at) {
  if (axis.adaptive()) {
    const Axis::Taps taps = axis.taps(o);
    return at >= taps.first && at < taps.first + taps.count ? at - taps.first : -1;
  }
  const std::int64_t behind = at + axis.lo - o * axis.stride;
  if (behind < 0 || behind > (axis.window - 1) * axis.dilation) return -1;
  if (axis.dilation == 1) return behind;
  return behind % axis.dilation == 0 ? behind / axis.dilation : -1;
}

// The element that window `o` reads first, padding counted.
inline std::int64_t first_tap(const Axis& axis, std::int64_t o) {
  if (axis.adaptive()) return 0;
  const std::int64_t start = o * axis.stride - axis.lo;
  return start >= 0 ? 0 : (-start + axis.dilation - 1) / axis.dilation;
}

// Where element `tap` of window `o` lies.
inline std::int64_t position_of(const Axis& axis, std::int64_t o, std::int64_t tap) {
  return axis.adaptive() ? o * axis.positions / axis.windows + tap : o * axis.stride - axis.lo + tap * axis.dilation;
}

// The length of an axis's largest window.
std::int64_t largest_window(const Axis& axis);

// How many bytes an offset takes where windows have so many elements. Only the scalar kernels know the last one.
constexpr int offset_size_for(std::int64_t window) {
  return window <= 256 ? 1 : window <= 65536 ? 2 : window <= INT32_MAX ? 4 : 8;
}

inline std::int64_t load_offset(const char* at, int size) {
  std::uint8_t byte;
  std::uint16_t word;
  std::int32_t whole;
  std::int64_t wide;
  switch (size) {
    case 1: __builtin_memcpy(&byte, at, 1); return byte;
    case 2: __builtin_memcpy(&word, at, 2); return word;
    case 4: __builtin_memcpy(&whole, at, 4); return whole;
    default: __builtin_memcpy(&wide, at, 8); return wide;
  }
}

inline void store_offset(char* at, int size, std::int64_t offset) {
  const auto byte = static_cast<std::uint8_t>(offset);
  const auto word = static_cast<std::uint16_t>(offset);
  const auto whole = static_cast<std::int32_t>(offset);
  switch (size) {
    case 1: __builtin_memcpy(at, &byte, 1); break;
    case 2: __builtin_memcpy(at, &word, 2); break;
    case 4: __builtin_memcpy(at, &whole, 4); break;
    default: __builtin_memcpy(at, &offset, 8);
  }
}

}  // namespace poolbench::pool
