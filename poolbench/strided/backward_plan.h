// A training problem in the form that its kernels work on, and what a kernel is to their dispatcher.
#pragma once

#include <cstdint>

#include "backward.h"

namespace poolbench::pool {

// As Plan is for pooling alone. But the places of a window's elements must keep their numbers, and inputs that no window
// reads must get a gradient of zero, so less can be simplified.
struct TrainingPlan {
  const Training* training;
  Pass pass;
  Op op;
  Type type;
  char* in;
  char* out;
  char* offsets;
  int offset_size;
  Outer outer[2];
  Axis d, h, w;
  std::int64_t window_d, window_h, window_w;  // the largest windows: how offsets count
  // Elements that lie side by side at each position in all arrays, each pooled by itself: the channels of NHWC.
  // 1 where there are none such.
  std::int64_t inner;
  // For averages: what all outputs are multiplied by, and whether those along an axis differ in what they count.
  double scale;
  bool counts_d, counts_h, counts_w;
  bool include_padding;

  double factor(const Axis& axis, std::int64_t o) const {
    const std::int64_t count = include_padding ? axis.counted(o) : axis.taps(o).count;
    return count > 0 ? 1.0 / static_cast<double>(count) : 0.0;  // a window of nothing has no input to tell
  }
  double row_factor(std::int64_t od, std::int64_t oh) const {
    return scale * (counts_d ? factor(d, od) : 1.0) * (counts_h ? factor(h, oh) : 1.0);
  }

  std::int64_t planes() const { return outer[0].count * outer[1].count; }
  std::int64_t in_start(std::int64_t plane) const {
    return plane / outer[1].count * outer[0].in_step + plane % outer[1].count * outer[1].in_step;
  }
  std::int64_t out_start(std::int64_t plane) const {
    return plane / outer[1].count * outer[0].out_step + plane % outer[1].count * outer[1].out_step;
  }
  std::int64_t offsets_start(std::int64_t plane) const {
    return plane / outer[1].count * outer[0].index_step + plane % outer[1].count * outer[1].index_step;
  }
};

TrainingPlan make_plan(const Training& training);

// The outputs [first, last] that may read position `at`; none where first > last.
struct Readers {
  std::int64_t first, last;
};

inline Readers readers(const Axis& axis, std::int64_t at) {
  if (axis.adaptive()) return {at * axis.out / axis.in, ((at + 1) * axis.out + axis.in - 1) / axis.in - 1};
  const std::int64_t behind = at + axis.lo - (axis.window - 1) * axis.dilation;
  const bool by_one = axis.stride == 1;  // a division takes longer than a short row
  const std::int64_t first = behind <= 0 ? 0 : by_one ? behind : (behind + axis.stride - 1) / axis.stride;
  const std::int64_t last = by_one ? at + axis.lo : (at + axis.lo) / axis.stride;
  return {first, last < axis.out ? last : axis.out - 1};
}

// Which element of its window output `o` reads at position `at`, or -1 where it doesn't read it.
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

// The element of the window that output `o` reads first, padding counted.
inline std::int64_t first_tap(const Axis& axis, std::int64_t o) {
  if (axis.adaptive()) return 0;
  const std::int64_t start = o * axis.stride - axis.lo;
  return start >= 0 ? 0 : (-start + axis.dilation - 1) / axis.dilation;
}

// Where element `tap` of the window of output `o` lies.
inline std::int64_t position_of(const Axis& axis, std::int64_t o, std::int64_t tap) {
  return axis.adaptive() ? o * axis.in / axis.out + tap : o * axis.stride - axis.lo + tap * axis.dilation;
}

inline std::int64_t load_offset(const char* at, int size) {
  std::uint8_t byte;
  std::uint16_t word;
  std::int32_t whole;
  switch (size) {
    case 1: __builtin_memcpy(&byte, at, 1); return byte;
    case 2: __builtin_memcpy(&word, at, 2); return word;
    default: __builtin_memcpy(&whole, at, 4); return whole;
  }
}

inline void store_offset(char* at, int size, std::int64_t offset) {
  const auto byte = static_cast<std::uint8_t>(offset);
  const auto word = static_cast<std::uint16_t>(offset);
  const auto whole = static_cast<std::int32_t>(offset);
  switch (size) {
    case 1: __builtin_memcpy(at, &byte, 1); break;
    case 2: __builtin_memcpy(at, &word, 2); break;
    default: __builtin_memcpy(at, &whole, 4);
  }
}

// A kernel does a range of units of a plan; no two units write the same element.
struct TrainingKernel {
  Pass pass;
  Variant variant;
  bool (*fits)(const TrainingPlan&);
  std::int64_t (*units)(const TrainingPlan&);
  void (*run)(const TrainingPlan&, std::int64_t first, std::int64_t last);
};

// A list of kernels, the preferred ones first.
struct TrainingList {
  const TrainingKernel* kernels;
  int count;
};

TrainingList scalar_training();
TrainingList baseline_training();  // NEON on AArch64
#if defined(__x86_64__)
TrainingList avx2_training();
TrainingList avx512_training();
#endif

}  // namespace poolbench::pool
