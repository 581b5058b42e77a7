#include "plan.h"

#include <utility>

namespace poolbench::pool {
namespace {

void make_identity(Axis& axis) {
  axis.window = axis.stride = axis.dilation = 1;
  axis.lo = axis.hi = 0;
}

void make_full(Axis& axis) {
  axis.window = axis.stride = axis.in;
  axis.dilation = 1;
  axis.lo = axis.hi = 0;
}

// Whether all outputs of an average count alike along this axis; `count` is then what they count.
bool counts_alike(const Axis& axis, bool include_padding, std::int64_t& count) {
  count = include_padding ? axis.counted(0) : axis.taps(0).count;
  if (axis.adaptive()) {
    if (axis.in % axis.out == 0) return true;
    for (std::int64_t o = 1; o < axis.out; ++o) {
      if (axis.taps(o).count != count) return false;
    }
    return true;
  }
  if (axis.out == 1) return true;
  const std::int64_t last = axis.out - 1;
  if (include_padding) return count == axis.window && axis.counted(last) == axis.window;
  return axis.lo == 0 && axis.taps(last).count == axis.window;
}

// Says the same in the simplest words. `base` moves where outputs begin behind the first position.
void simplify(Axis& axis, std::int64_t size, const char*& base) {
  if (axis.adaptive() && axis.in % axis.out == 0) {
    axis.window = axis.stride = axis.in / axis.out;
    axis.dilation = 1;
    axis.lo = axis.hi = 0;
  }
  if (axis.out == 1 && !axis.adaptive()) {
    const Axis::Taps taps = axis.taps(0);
    if (taps.count == 0) return;  // an average of padding alone
    base += taps.first * axis.in_step;
    axis.in_step *= axis.dilation;
    axis.in = taps.count;
    make_full(axis);
  } else if (axis.window == 1 && axis.lo == 0 && (axis.out - 1) * axis.stride < axis.in &&
             !(axis.in_step == size && axis.stride > 1 && axis.stride <= 4)) {
    // Small steps within contiguous rows are better left to the kernels.
    axis.in_step *= axis.stride;
    axis.in = axis.out;
    make_identity(axis);
  }
  if (axis.in == 1 && axis.out == 1) axis.in_step = axis.out_step = 0;
}

// Makes one axis of `outer` and the `axis` inside it, where both are identities and lie behind each other in memory.
bool merge_identities(Axis& outer, Axis& axis) {
  if (!is_identity(outer) || !is_identity(axis) || is_single(outer)) return false;
  if (is_single(axis)) {
    std::swap(outer, axis);
    return true;
  }
  if (outer.in_step != axis.in * axis.in_step || outer.out_step != axis.out * axis.out_step) {
    return false;
  }
  axis.in = axis.out = axis.in * outer.in;
  outer = Axis{};
  return true;
}

// The same for axes that are summed up, or searched, as a whole.
bool merge_full(Axis& outer, Axis& axis) {
  if (!is_full(outer) || !is_full(axis) || outer.in == 1) return false;
  if (axis.in == 1) {
    std::swap(outer, axis);
    return true;
  }
  if (outer.in_step != axis.in * axis.in_step) return false;
  axis.in *= outer.in;
  make_full(axis);
  outer = Axis{};
  return true;
}

bool merge_outer(Outer& outer, Outer& inner) {
  if (outer.count == 1) return false;
  if (inner.count == 1) {
    std::swap(outer, inner);
    return true;
  }
  if (outer.in_step != inner.count * inner.in_step || outer.out_step != inner.count * inner.out_step) return false;
  inner.count *= outer.count;
  outer = Outer{};
  return true;
}

// An axis goes with whether its outputs count differently.
void swap_axes(Axis* axes, bool* counts, int a, int b) {
  std::swap(axes[a], axes[b]);
  std::swap(counts[a], counts[b]);
}

// Moves an identity axis out to the axes that are not pooled.
bool move_out(Plan& plan, Axis& axis) {
  if (!is_identity(axis) || is_single(axis)) return false;
  Outer& last = plan.outer[1];
  if (last.count > 1 && last.in_step == axis.in * axis.in_step && last.out_step == axis.out * axis.out_step) {
    last.count *= axis.in;
    last.in_step = axis.in_step;
    last.out_step = axis.out_step;
  } else if (plan.outer[0].count == 1) {
    plan.outer[0] = last;
    last = Outer{axis.in, axis.in_step, axis.out_step, 0};
    if (plan.outer[0].count == 1) plan.outer[0] = Outer{};
  } else {
    return false;
  }
  axis = Axis{};
  return true;
}

}  // namespace

Plan make_plan(const Problem& problem) {
  Plan plan{};
  plan.problem = &problem;
  plan.op = problem.op;
  plan.type = problem.type;
  plan.in = problem.in;
  plan.out = problem.out;
  plan.outer[0] = problem.batch;
  plan.outer[1] = problem.channels;
  plan.include_padding = problem.include_padding;
  Axis axes[3] = {problem.axes[0], problem.axes[1], problem.axes[2]};
  bool counts[3] = {false, false, false};
  plan.scale = 1;
  if (problem.op == Op::kAvg) {
    if (problem.divisor != 0) {
      plan.scale = 1.0 / static_cast<double>(problem.divisor);
    } else {
      double count = 1;
      for (int i = 0; i < 3; ++i) {
        std::int64_t own;
        if (counts_alike(axes[i], problem.include_padding, own)) {
          count *= static_cast<double>(own);
        } else {
          counts[i] = true;
        }
      }
      plan.scale = 1.0 / count;
    }
  }
  const std::int64_t size = size_of(problem.type);
  for (int i = 0; i < 3; ++i) {
    if (!counts[i]) simplify(axes[i], size, plan.in);
  }

  // Which axis is innermost: one whose elements touch each other, if there is one.
  plan.inner = 1;
  plan.inner_in_step = plan.inner_out_step = 0;
  const bool w_touches = axes[2].in_step == size && axes[2].in > 1;
  Outer& channels = plan.outer[1];
  if (!w_touches && channels.count > 1 && channels.in_step == size && channels.out_step == size) {
    plan.inner = channels.count;
    plan.inner_in_step = plan.inner_out_step = size;
    channels = Outer{};
  } else if (!w_touches) {
    for (int i = 1; i >= 0; --i) {
      if (axes[i].in_step == size && axes[i].in > 1) {
        swap_axes(axes, counts, i, 2);
        break;
      }
    }
  }
  if (plan.outer[0].count == 1) plan.outer[0] = Outer{};

  // Push what is pooled inwards, and what is not outwards.
  if (!counts[0] && !counts[1]) merge_full(axes[0], axes[1]);
  if (!counts[1] && !counts[2] && merge_full(axes[1], axes[2])) {
    if (!counts[0]) merge_full(axes[0], axes[2]);
  }
  if (is_single(axes[2]) && !is_single(axes[1])) {
    swap_axes(axes, counts, 1, 2);
  }
  if (is_single(axes[2]) && !is_single(axes[0])) {
    swap_axes(axes, counts, 0, 2);
  }
  if (is_identity(axes[1]) && !is_identity(axes[0])) {
    swap_axes(axes, counts, 0, 1);
  }
  merge_identities(axes[1], axes[2]);
  if (is_identity(axes[0]) && is_single(axes[1])) merge_identities(axes[0], axes[2]);
  if (plan.inner > 1 && is_identity(axes[2]) && axes[2].in > 1 && axes[2].in_step == plan.inner * size &&
      axes[2].out_step == plan.inner * size) {
    plan.inner *= axes[2].in;
    axes[2] = axes[1];
    counts[2] = counts[1];
    axes[1] = axes[0];
    counts[1] = counts[0];
    axes[0] = Axis{};
    counts[0] = false;
  }
  merge_outer(plan.outer[0], plan.outer[1]);
  move_out(plan, axes[0]);
  merge_outer(plan.outer[0], plan.outer[1]);
  // Rows of several planes are pooled as if they were one plane's, where rows are pooled by themselves.
  if (is_identity(axes[1])) {
    if (move_out(plan, axes[1])) merge_outer(plan.outer[0], plan.outer[1]);
    if (is_single(axes[1]) && plan.outer[1].count > 1) {
      Outer& rows = plan.outer[1];
      axes[1] = Axis{};
      axes[1].in = axes[1].out = rows.count;
      axes[1].in_step = rows.in_step;
      axes[1].out_step = rows.out_step;
      rows = plan.outer[0];
      plan.outer[0] = Outer{};
    }
  }
  plan.d = axes[0];
  plan.h = axes[1];
  plan.w = axes[2];
  plan.counts_d = counts[0];
  plan.counts_h = counts[1];
  plan.counts_w = counts[2];
  return plan;
}

}  // namespace poolbench::pool
