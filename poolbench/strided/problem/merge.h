// The steps by which a plan gets simpler: an axis in simpler words, two axes as one, an axis moved out.
#pragma once

#include <utility>

#include "problem/plan.h"

namespace poolbench::pool {

inline void make_identity(Axis& axis) {
  axis.window = axis.stride = axis.dilation = 1;
  axis.lo = axis.hi = 0;
}

inline void make_full(Axis& axis) {
  axis.window = axis.stride = axis.positions;
  axis.dilation = 1;
  axis.lo = axis.hi = 0;
}

inline void make_windowed(Axis& axis) {
  if (!axis.adaptive() || axis.positions % axis.windows != 0) return;
  axis.window = axis.stride = axis.positions / axis.windows;
  axis.dilation = 1;
  axis.lo = axis.hi = 0;
}

// Says the same in the simplest words. `base` moves where outputs begin behind the first position.
inline void simplify(Axis& axis, std::int64_t size, const char*& base) {
  make_windowed(axis);
  if (axis.windows == 1 && !axis.adaptive()) {
    const Axis::Taps taps = axis.taps(0);
    if (taps.count == 0) return;  // an average of padding alone
    base += taps.first * axis.in_step;
    axis.in_step *= axis.dilation;
    axis.positions = taps.count;
    make_full(axis);
  } else if (axis.window == 1 && axis.lo == 0 && (axis.windows - 1) * axis.stride < axis.positions &&
             !(axis.in_step == size && axis.stride > 1 && axis.stride <= 4)) {
    // Small steps within contiguous rows are better left to the kernels.
    axis.in_step *= axis.stride;
    axis.positions = axis.windows;
    make_identity(axis);
  }
  if (axis.positions == 1 && axis.windows == 1) axis.in_step = axis.out_step = 0;
}

// Makes one axis of `outer` and the `axis` inside it, where both are identities and lie behind each other in memory.
inline bool merge_identities(Axis& outer, Axis& axis) {
  if (!is_identity(outer) || !is_identity(axis) || is_single(outer)) return false;
  if (is_single(axis)) {
    std::swap(outer, axis);
    return true;
  }
  if (outer.in_step != axis.positions * axis.in_step || outer.out_step != axis.windows * axis.out_step) {
    return false;
  }
  axis.positions = axis.windows = axis.positions * outer.positions;
  outer = Axis{};
  return true;
}

// Where nothing is pooled, what lies side by side in all arrays is as good as channels that do: `axis`, the only one, and
// then the channels whose rows lie behind each other. Long rows are as fast by themselves.
inline void make_inner(Plan& plan, Axis& axis, std::int64_t size) {
  constexpr std::int64_t kLong = 1024;
  if (plan.inner != 1 || axis.positions >= kLong || !is_identity(axis) || axis.in_step != size || axis.out_step != size) return;
  plan.inner = axis.positions;
  plan.inner_in_step = plan.inner_out_step = size;
  axis = Axis{};
  Outer& channels = plan.outer[1];
  if (channels.in_step != plan.inner * size || channels.out_step != plan.inner * size) return;
  plan.inner *= channels.count;
  channels = Outer{};
}

// Makes one axis of two that are summed up, or searched, as a whole. Offsets count on alike.
inline bool merge_full(const Plan& plan, Axis& outer, Axis& axis) {
  if (!is_full(outer) || !is_full(axis) || outer.positions == 1) return false;
  if (axis.positions == 1) {
    std::swap(outer, axis);
    return true;
  }
  if (plan.position_step(outer) != axis.positions * plan.position_step(axis)) return false;
  axis.positions *= outer.positions;
  make_full(axis);
  outer = Axis{};
  return true;
}

inline bool merge_outer(Outer& outer, Outer& inner) {
  if (outer.count == 1) return false;
  if (inner.count == 1) {
    std::swap(outer, inner);
    return true;
  }
  if (outer.in_step != inner.count * inner.in_step || outer.out_step != inner.count * inner.out_step ||
      outer.offset_step != inner.count * inner.offset_step) {
    return false;
  }
  inner.count *= outer.count;
  outer = Outer{};
  return true;
}

// Moves an identity axis out to the axes that are not pooled.
inline bool move_out(Plan& plan, Axis& axis) {
  if (!is_identity(axis) || is_single(axis)) return false;
  Outer& last = plan.outer[1];
  if (last.count > 1 && last.in_step == axis.positions * axis.in_step &&
      last.out_step == axis.windows * axis.out_step) {
    last.count *= axis.positions;
    last.in_step = axis.in_step;
    last.out_step = axis.out_step;
  } else if (plan.outer[0].count == 1) {
    plan.outer[0] = last;
    last = Outer{axis.positions, axis.in_step, axis.out_step, 0};
    if (plan.outer[0].count == 1) plan.outer[0] = Outer{};
  } else {
    return false;
  }
  axis = Axis{};
  return true;
}

// Rows of several planes are pooled as if they were one plane's, where rows are pooled by themselves.
inline void make_plane_of_rows(Plan& plan, Axis& h) {
  Outer& rows = plan.outer[1];
  if (!is_single(h) || rows.count == 1) return;
  h = Axis{};
  h.positions = h.windows = rows.count;
  h.in_step = rows.in_step;
  h.out_step = rows.out_step;
  h.offset_step = rows.offset_step;
  rows = plan.outer[0];
  plan.outer[0] = Outer{};
}

}  // namespace poolbench::pool
