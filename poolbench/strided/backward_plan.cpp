#include "backward_plan.h"

#include <numeric>
#include <utility>

namespace poolbench::pool {
namespace {

// Whether all outputs of an average count alike along this axis; `count` is then what they count.
bool counts_alike(const Axis& axis, bool include_padding, std::int64_t& count) {
  count = include_padding ? axis.counted(0) : axis.taps(0).count;
  if (axis.adaptive()) return axis.in % axis.out == 0;
  if (axis.out == 1) return true;
  const std::int64_t last = axis.out - 1;
  if (include_padding) return count == axis.window && axis.counted(last) == axis.window;
  return axis.lo == 0 && axis.taps(last).count == axis.window;
}

// One window over the whole axis.
bool is_full(const Axis& axis) {
  return axis.out == 1 && axis.window == axis.in && axis.lo == 0 && axis.dilation == 1;
}

bool is_absent(const Axis& axis) { return axis.in == 1 && axis.out == 1 && axis.window == 1 && axis.lo == 0; }

// Two axes that are pooled as a whole and lie behind each other become one: offsets count on alike.
void merge_full(Axis& outer, std::int64_t& outer_window, Axis& axis, std::int64_t& window) {
  if (!is_full(outer) || !is_full(axis) || outer.in == 1) return;
  if (axis.in == 1) {
    std::swap(outer, axis);
    std::swap(outer_window, window);
    return;
  }
  if (outer.in_step != axis.in * axis.in_step) return;
  axis.in *= outer.in;
  axis.window = axis.stride = window = axis.in;
  outer = Axis{};
  outer_window = 1;
}

bool follow(const Outer& outer, const Outer& inner) {
  return outer.in_step == inner.count * inner.in_step && outer.out_step == inner.count * inner.out_step &&
         outer.index_step == inner.count * inner.index_step;
}

void merge_outer(Outer& outer, Outer& inner) {
  if (outer.count == 1) return;
  if (inner.count == 1) {
    std::swap(outer, inner);
  } else if (follow(outer, inner)) {
    inner.count *= outer.count;
    outer = Outer{};
  }
}

}  // namespace

std::int64_t largest_window(const Axis& axis) {
  if (!axis.adaptive()) return axis.window;
  const std::int64_t whole = axis.in / axis.out, rest = axis.in % axis.out;
  if (rest == 0) return whole;
  // Windows begin at multiples of in / out, whose fractions are all the multiples of gcd(rest, out) / out.
  return whole + (rest == std::gcd(rest, axis.out) ? 1 : 2);
}

TrainingPlan make_plan(const Training& training) {
  const Problem& problem = training.problem;
  TrainingPlan plan{};
  plan.training = &training;
  plan.pass = training.pass;
  plan.op = problem.op;
  plan.type = problem.type;
  plan.in = training.in;
  plan.out = training.out;
  plan.offsets = training.offsets;
  plan.offset_size = training.offset_size;
  plan.include_padding = problem.include_padding;
  plan.outer[0] = problem.batch;
  plan.outer[1] = problem.channels;
  Axis axes[3] = {problem.axes[0], problem.axes[1], problem.axes[2]};
  bool counts[3] = {false, false, false};
  std::int64_t windows[3];
  plan.scale = 1;
  if (problem.op == Op::kAvg && problem.divisor != 0) plan.scale = 1.0 / static_cast<double>(problem.divisor);
  for (int i = 0; i < 3; ++i) {
    Axis& axis = axes[i];
    if (problem.op == Op::kAvg && problem.divisor == 0) {
      std::int64_t own;
      counts[i] = !counts_alike(axis, problem.include_padding, own);
      if (!counts[i]) plan.scale /= static_cast<double>(own);
    }
    if (axis.adaptive() && axis.in % axis.out == 0) axis.window = axis.stride = axis.in / axis.out;
    if (axis.in == 1) axis.in_step = 0;  // whatever it was: it is never taken
    if (axis.out == 1) axis.out_step = axis.index_step = 0;
    windows[i] = largest_window(axis);
  }
  for (Outer& outer : plan.outer) {
    if (outer.count == 1) outer = Outer{};
  }
  if (!counts[0] && !counts[1]) merge_full(axes[0], windows[0], axes[1], windows[1]);
  if (!counts[1] && !counts[2]) merge_full(axes[1], windows[1], axes[2], windows[2]);
  if (!counts[0] && !counts[2] && is_absent(axes[1])) merge_full(axes[0], windows[0], axes[2], windows[2]);

  plan.inner = 1;
  const std::int64_t size = size_of(problem.type);
  Outer& channels = plan.outer[1];
  const bool keeps = problem.op == Op::kMax;
  if (channels.count > 1 && channels.in_step == size && channels.out_step == size &&
      (!keeps || channels.index_step == training.offset_size)) {
    plan.inner = channels.count;
    channels = Outer{};
  }
  merge_outer(plan.outer[0], plan.outer[1]);
  // Rows that are pooled by themselves are rows of one plane.
  if (is_absent(axes[0]) && is_absent(axes[1]) && plan.outer[1].count > 1) {
    const Outer rows = plan.outer[1];
    axes[1] = Axis{};  // with one position, any stride was right
    axes[1].in = axes[1].out = rows.count;
    axes[1].in_step = rows.in_step;
    axes[1].out_step = rows.out_step;
    axes[1].index_step = rows.index_step;
    plan.outer[1] = plan.outer[0];
    plan.outer[0] = Outer{};
  }
  plan.d = axes[0];
  plan.h = axes[1];
  plan.w = axes[2];
  plan.window_d = windows[0];
  plan.window_h = windows[1];
  plan.window_w = windows[2];
  plan.counts_d = counts[0];
  plan.counts_h = counts[1];
  plan.counts_w = counts[2];
  return plan;
}

}  // namespace poolbench::pool
