// A problem brought into the form that the kernels work on: as few axes as possible, each as simple as possible.
#pragma once

#include <cstdint>

#include "problem/offsets.h"
#include "problem/problem.h"

namespace poolbench::pool {

struct Plan {
  const Problem* problem;   // as it was given: what the scalar kernels of pool and keep work on
  Pass pass;
  Op op;
  Type type;
  const char* in;
  char* out;
  char* offsets;
  int offset_size;
  Outer outer[2];
  Axis d, h, w;
  std::int64_t window_d, window_h, window_w;  // the largest windows: how offsets count
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
  double factor(const Axis& axis, std::int64_t o) const {
    const std::int64_t count = counted(axis, o);
    return count > 0 ? 1.0 / static_cast<double>(count) : 0.0;  // a window of nothing has nothing to sum or to tell
  }
  double row_factor(std::int64_t od, std::int64_t oh) const {
    return scale * (counts_d ? factor(d, od) : 1.0) * (counts_h ? factor(h, oh) : 1.0);
  }

  // The step along an axis in the array that has a value for each position, and in that which has one for each window.
  std::int64_t position_step(const Axis& axis) const { return pass == Pass::kGradient ? axis.out_step : axis.in_step; }
  std::int64_t window_step(const Axis& axis) const { return pass == Pass::kGradient ? axis.in_step : axis.out_step; }

  std::int64_t planes() const { return outer[0].count * outer[1].count; }
  std::int64_t in_start(std::int64_t plane) const {
    return plane / outer[1].count * outer[0].in_step + plane % outer[1].count * outer[1].in_step;
  }
  std::int64_t out_start(std::int64_t plane) const {
    return plane / outer[1].count * outer[0].out_step + plane % outer[1].count * outer[1].out_step;
  }
  std::int64_t offsets_start(std::int64_t plane) const {
    return plane / outer[1].count * outer[0].offset_step + plane % outer[1].count * outer[1].offset_step;
  }
};

// A pass that keeps places, or tells gradients to them, allows less than pooling alone: the elements of windows must keep
// their numbers, and positions that no window reads must get a gradient of zero.
Plan make_plan(const Problem& problem);

// What make_plan says of a batch and of its first sample alone, for less than twice the work. Both name the batch as
// their problem.
struct BatchPlans {
  Plan batch, sample;
};
BatchPlans make_batch_plans(const Problem& problem);

// One plane of outputs: which one of the two outer axes and of d it is, where it begins, and where the input begins
// that all planes of the same n and c read: along d, windows reach over several planes of it.
struct Plane {
  std::int64_t n, c, od;
  const char* in;
  char* out;
};

inline std::int64_t plane_count(const Plan& p) { return p.outer[0].count * p.outer[1].count * p.d.windows; }

// Bytes of the input, or as many as it would have without what lies between its rows.
inline std::int64_t input_bytes(const Plan& p, std::int64_t size) {
  return p.outer[0].count * p.outer[1].count * p.d.positions * p.h.positions * p.w.positions * p.inner * size;
}

inline void find_memory(const Plan& p, Plane& plane) {
  plane.in = p.in + plane.n * p.outer[0].in_step + plane.c * p.outer[1].in_step;
  plane.out = p.out + plane.n * p.outer[0].out_step + plane.c * p.outer[1].out_step + plane.od * p.d.out_step;
}

inline char* offsets_of(const Plan& p, const Plane& plane) {
  return p.offsets + plane.n * p.outer[0].offset_step + plane.c * p.outer[1].offset_step + plane.od * p.d.offset_step;
}

// The planes are counted along d, then c, then n. What an engine counts within a plane is its own affair.
inline Plane plane_at(const Plan& p, std::int64_t number) {
  Plane plane;
  plane.od = number % p.d.windows;
  number /= p.d.windows;
  plane.c = number % p.outer[1].count;
  plane.n = number / p.outer[1].count;
  find_memory(p, plane);
  return plane;
}

// Goes on to the plane behind this one, without dividing.
inline void next_plane(const Plan& p, Plane& plane) {
  if (++plane.od == p.d.windows) {
    plane.od = 0;
    if (++plane.c == p.outer[1].count) {
      plane.c = 0;
      ++plane.n;
    }
  }
  find_memory(p, plane);
}

// Each output reads its own position alone.
inline bool is_identity(const Axis& axis) {
  return axis.positions == axis.windows && axis.window == 1 && axis.stride == 1 && axis.lo == 0;
}

// One output, which reads every position.
inline bool is_full(const Axis& axis) {
  return axis.windows == 1 && axis.window == axis.positions && axis.lo == 0 && axis.dilation == 1;
}

inline bool is_single(const Axis& axis) { return axis.positions == 1 && is_identity(axis); }

}  // namespace poolbench::pool
