// A problem brought into the form that the kernels work on: as few axes as possible, each as simple as possible.
#pragma once

#include <cstdint>

#include "problem.h"

namespace poolbench::pool {

struct Plan {
  const Problem* problem;   // as it was given: what the scalar kernels work on
  Op op;
  Type type;
  const char* in;
  char* out;
  Outer outer[2];
  Axis d, h, w;
  // Elements that lie side by side at each position, each pooled by itself: the channels of NHWC. 1 where w is
  // innermost.
  std::int64_t inner;
  std::int64_t inner_in_step, inner_out_step;

  // An average's factor is `scale` times, for each axis whose `counts` says so, 1 / (what its output counts).
  double scale;
  bool counts_d, counts_h, counts_w;
  bool include_padding;

  std::int64_t counted(const Axis& axis, std::int64_t o) const {
    return include_padding ? axis.counted(o) : axis.taps(o).count;
  }
  double factor(const Axis& axis, std::int64_t o) const { return 1.0 / static_cast<double>(counted(axis, o)); }
};

Plan make_plan(const Problem& problem);

// Each output reads its own position alone.
inline bool is_identity(const Axis& axis) {
  return axis.in == axis.out && axis.window == 1 && axis.stride == 1 && axis.lo == 0;
}

// One output, which reads every position.
inline bool is_full(const Axis& axis) { return axis.out == 1 && axis.window == axis.in && axis.lo == 0 && axis.dilation == 1; }

inline bool is_single(const Axis& axis) { return axis.in == 1 && is_identity(axis); }

}  // namespace poolbench::pool
