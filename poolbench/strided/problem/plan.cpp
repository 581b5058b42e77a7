#include "problem/plan.h"

#include <numeric>
#include <utility>

#include "problem/merge.h"

namespace poolbench::pool {
namespace {

// Whether all windows of an average count alike along this axis; `count` is then what they count.
bool counts_alike(const Axis& axis, bool include_padding, Pass pass, std::int64_t& count) {
  count = include_padding ? axis.counted(0) : axis.taps(0).count;
  if (axis.adaptive()) {
    if (axis.positions % axis.windows == 0) return true;
    if (pass == Pass::kGradient) return false;  // windows of one length may overlap by different lengths
    for (std::int64_t o = 1; o < axis.windows; ++o) {
      if (axis.taps(o).count != count) return false;
    }
    return true;
  }
  if (axis.windows == 1) return true;
  const std::int64_t last = axis.windows - 1;
  if (include_padding) return count == axis.window && axis.counted(last) == axis.window;
  return axis.lo == 0 && axis.taps(last).count == axis.window;
}

// An axis goes with whether its outputs count differently.
void swap_axes(Axis* axes, bool* counts, int a, int b) {
  std::swap(axes[a], axes[b]);
  std::swap(counts[a], counts[b]);
}

// What an average's sums are multiplied by, and along which axes it differs.
void find_factors(const Problem& problem, Plan& plan, bool* counts) {
  plan.scale = 1;
  if (problem.op != Op::kAvg) return;
  if (problem.divisor != 0) {
    plan.scale = 1.0 / static_cast<double>(problem.divisor);
    return;
  }
  double count = 1;
  for (int i = 0; i < 3; ++i) {
    std::int64_t own;
    counts[i] = !counts_alike(problem.axes[i], problem.include_padding, problem.pass, own);
    if (counts[i]) continue;
    count *= static_cast<double>(own);
    plan.scale /= static_cast<double>(own);
  }
  // A sum is divided once. A gradient's shares are told axis by axis, in whichever order its kernel likes.
  if (problem.pass != Pass::kGradient) plan.scale = 1.0 / count;
}

// Whether the channels can be the innermost elements of every position, in all arrays of the pass.
bool channels_touch(const Plan& plan, const Outer& channels, std::int64_t size) {
  return channels.count > 1 && channels.in_step == size && channels.out_step == size &&
         (plan.offsets == nullptr || channels.offset_step == plan.offset_size);
}

// With one position, or one window, a step is never taken, whatever it was.
void clear_idle_steps(const Plan& plan, Axis& axis) {
  const bool writes_positions = plan.pass == Pass::kGradient;
  if (axis.positions == 1) (writes_positions ? axis.out_step : axis.in_step) = 0;
  if (axis.windows == 1) (writes_positions ? axis.in_step : axis.out_step) = axis.offset_step = 0;
}

// What keeping places, and telling gradients to them, allows.
void plan_with_places(Plan& plan, Axis* axes, const bool* counts) {
  for (int i = 0; i < 3; ++i) {
    make_windowed(axes[i]);
    clear_idle_steps(plan, axes[i]);
  }
  for (Outer& outer : plan.outer) {
    if (outer.count == 1) outer = Outer{};
  }
  plan.window_d = largest_window(axes[0]);
  plan.window_h = largest_window(axes[1]);
  plan.window_w = largest_window(axes[2]);
  const auto merge = [&](int outer, int inner, std::int64_t& outer_window, std::int64_t& window) {
    if (counts[outer] || counts[inner] || !is_full(axes[outer]) || !is_full(axes[inner])) return;
    if (!merge_full(plan, axes[outer], axes[inner])) return;
    window = axes[inner].window;
    outer_window = axes[outer].window;
  };
  merge(0, 1, plan.window_d, plan.window_h);
  merge(1, 2, plan.window_h, plan.window_w);
  if (is_single(axes[1])) merge(0, 2, plan.window_d, plan.window_w);

  if (channels_touch(plan, plan.outer[1], size_of(plan.type))) {
    plan.inner = plan.outer[1].count;
    plan.outer[1] = Outer{};
  } else if (plan.op == Op::kAvg && is_identity(axes[0]) && is_identity(axes[1]) && is_identity(axes[2])) {
    merge_identities(axes[1], axes[2]);
    if (is_single(axes[1])) merge_identities(axes[0], axes[2]);
    if (is_single(axes[0]) && is_single(axes[1])) make_inner(plan, axes[2], size_of(plan.type));
  }
}

// What is left to do with the outer axes.
void place_outer_with_places(Plan& plan, Axis* axes) {
  merge_outer(plan.outer[0], plan.outer[1]);
  if (is_single(axes[0])) make_plane_of_rows(plan, axes[1]);
}

// What pooling alone allows: positions that no window reads are left out, axes are swapped, and those that are not pooled
// join the channels.
void plan_alone(Plan& plan, Axis* axes, bool* counts) {
  const std::int64_t size = size_of(plan.type);
  for (int i = 0; i < 3; ++i) {
    if (!counts[i]) simplify(axes[i], size, plan.in);
  }

  // Which axis is innermost: one whose elements touch each other, if there is one.
  const bool w_touches = axes[2].in_step == size && axes[2].positions > 1;
  if (!w_touches && channels_touch(plan, plan.outer[1], size)) {
    plan.inner = plan.outer[1].count;
    plan.inner_in_step = plan.inner_out_step = size;
    plan.outer[1] = Outer{};
  } else if (!w_touches) {
    for (int i = 1; i >= 0; --i) {
      if (axes[i].in_step == size && axes[i].positions > 1) {
        swap_axes(axes, counts, i, 2);
        break;
      }
    }
  }
  if (plan.outer[0].count == 1) plan.outer[0] = Outer{};

  // Push what is pooled inwards, and what is not outwards.
  if (!counts[0] && !counts[1]) merge_full(plan, axes[0], axes[1]);
  if (!counts[1] && !counts[2] && merge_full(plan, axes[1], axes[2])) {
    if (!counts[0]) merge_full(plan, axes[0], axes[2]);
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
  if (is_single(axes[0]) && is_single(axes[1])) make_inner(plan, axes[2], size);
  if (plan.inner > 1 && is_identity(axes[2]) && axes[2].positions > 1 && axes[2].in_step == plan.inner * size &&
      axes[2].out_step == plan.inner * size) {
    plan.inner *= axes[2].positions;
    axes[2] = axes[1];
    counts[2] = counts[1];
    axes[1] = axes[0];
    counts[1] = counts[0];
    axes[0] = Axis{};
    counts[0] = false;
  }
}

void place_outer_alone(Plan& plan, Axis* axes) {
  merge_outer(plan.outer[0], plan.outer[1]);
  move_out(plan, axes[0]);
  merge_outer(plan.outer[0], plan.outer[1]);
  if (is_identity(axes[1])) {
    if (move_out(plan, axes[1])) merge_outer(plan.outer[0], plan.outer[1]);
    make_plane_of_rows(plan, axes[1]);
  }
}

// A plan whose pooled axes are done. Of the outer ones the first, the batch, has had no part in it yet.
struct Draft {
  Plan plan{};
  Axis axes[3];
  bool counts[3] = {false, false, false};
};

void make_draft(const Problem& problem, Draft& draft) {
  Plan& plan = draft.plan;
  plan.problem = &problem;
  plan.pass = problem.pass;
  plan.op = problem.op;
  plan.type = problem.type;
  plan.in = problem.in;
  plan.out = problem.out;
  plan.offsets = problem.offsets;
  plan.offset_size = problem.offset_size;
  plan.outer[0] = problem.batch;
  plan.outer[1] = problem.channels;
  plan.inner = 1;
  plan.include_padding = problem.include_padding;
  for (int i = 0; i < 3; ++i) draft.axes[i] = problem.axes[i];
  find_factors(problem, plan, draft.counts);
  if (problem.pass == Pass::kPool) {
    plan_alone(plan, draft.axes, draft.counts);
  } else {
    plan_with_places(plan, draft.axes, draft.counts);
  }
}

void finish(Draft& draft) {
  Plan& plan = draft.plan;
  if (plan.pass == Pass::kPool) {
    place_outer_alone(plan, draft.axes);
  } else {
    place_outer_with_places(plan, draft.axes);
  }
  plan.d = draft.axes[0];
  plan.h = draft.axes[1];
  plan.w = draft.axes[2];
  plan.counts_d = draft.counts[0];
  plan.counts_h = draft.counts[1];
  plan.counts_w = draft.counts[2];
}

}  // namespace

std::int64_t largest_window(const Axis& axis) {
  if (!axis.adaptive()) return axis.window;
  const std::int64_t whole = axis.positions / axis.windows, rest = axis.positions % axis.windows;
  if (rest == 0) return whole;
  // Windows begin at multiples of positions / windows, whose fractions are all the multiples of gcd(rest, windows) /
  // windows.
  return whole + (rest == std::gcd(rest, axis.windows) ? 1 : 2);
}

Plan make_plan(const Problem& problem) {
  Draft draft;
  make_draft(problem, draft);
  finish(draft);
  return draft.plan;
}

BatchPlans make_batch_plans(const Problem& problem) {
  Draft batch;
  make_draft(problem, batch);
  Draft sample = batch;
  sample.plan.outer[0] = Outer{};
  finish(batch);
  finish(sample);
  return {batch.plan, sample.plan};
}

}  // namespace poolbench::pool
