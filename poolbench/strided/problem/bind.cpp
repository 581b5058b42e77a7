#include "problem/bind.h"

#include <algorithm>

#include "problem/offsets.h"

namespace poolbench::pool {
namespace {

using Int = std::int64_t;

// Takes the steps of an array of the output's shape over to each axis of the problem, into the members that are named.
void set_steps(Resolved& resolved, const Int* steps, Int Outer::*outer_step, Int Axis::*axis_step) {
  Problem& problem = resolved.problem;
  if (resolved.dims > resolved.rank + 1) problem.batch.*outer_step = steps[0];
  problem.channels.*outer_step = steps[resolved.channels_axis];
  for (int i = 0; i < resolved.rank; ++i) {
    problem.axes[3 - resolved.rank + i].*axis_step = steps[resolved.first_pooled_axis + i];
  }
}

}  // namespace

void choose_steps(const Resolved& resolved, const Array& input, Int size, Int* steps) {
  const int c = resolved.channels_axis, first = resolved.first_pooled_axis;
  const auto distance = [&input](int axis) { return input.steps[axis] < 0 ? -input.steps[axis] : input.steps[axis]; };
  bool keeps = c < first && input.shape[c] > 1 && distance(c) != 0;
  bool has_width = false;
  for (int i = first; keeps && i < input.dims; ++i) {
    if (input.shape[i] == 1) continue;
    keeps = distance(i) > distance(c);
    has_width = true;
  }
  if (keeps && c == 1 && input.shape[0] > 1) keeps = distance(0) > distance(c);
  Int step = size;
  if (keeps && has_width) {
    steps[c] = step;
    step *= resolved.shape[c];
  }
  for (int i = resolved.dims - 1; i >= 0; --i) {
    if (i == c && keeps && has_width) continue;
    steps[i] = step;
    step *= std::max<Int>(resolved.shape[i], 1);
  }
}

void bind_output(Resolved& resolved, char* data, const Int* steps) {
  resolved.problem.out = data;
  set_steps(resolved, steps, &Outer::out_step, &Axis::out_step);
}

void bind_offsets(Resolved& resolved, char* data, int size, const Int* steps) {
  resolved.problem.offsets = data;
  resolved.problem.offset_size = size;
  set_steps(resolved, steps, &Outer::offset_step, &Axis::offset_step);
}

Problem gradient_of(Resolved resolved, const Array& of_output, const Array& of_input) {
  Problem& problem = resolved.problem;
  problem.pass = Pass::kGradient;
  problem.in = of_output.data;
  problem.out = of_input.data;
  set_steps(resolved, of_output.steps, &Outer::in_step, &Axis::in_step);
  set_steps(resolved, of_input.steps, &Outer::out_step, &Axis::out_step);
  return problem;
}

std::int64_t window_elements(const Problem& problem) {
  return largest_window(problem.axes[0]) * largest_window(problem.axes[1]) * largest_window(problem.axes[2]);
}

}  // namespace poolbench::pool
