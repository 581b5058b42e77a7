#include "layouts.h"

#include <algorithm>
#include <cstdlib>

namespace poolbench::pool {
namespace {

// How regular a layout is: kernels ask for regular ones, and must tell.
struct Habits {
  bool gaps, negative, zero, overlapping, record, shifted, idle;
};

Habits draw_habits(Random& random) {
  Habits h{};
  if (random.percent(50)) return h;
  h.gaps = random.percent(50);
  h.negative = random.percent(20);
  h.zero = random.percent(10);
  h.record = random.percent(15);
  h.overlapping = !h.record && random.percent(5);  // whole elements alone: halves of two would make numbers of any size
  h.shifted = random.percent(50);
  h.idle = random.percent(20);
  return h;
}

enum class Order { kPlanar, kChannelsInnermost, kAny };

void draw_order(Random& random, Order kind, int (&order)[kDims]) {
  constexpr int kKnown[][kDims] = {{0, 1, 2, 3, 4}, {0, 2, 3, 4, 1}, {0, 1, 2, 3, 4}};
  std::copy(kKnown[static_cast<int>(kind)], kKnown[static_cast<int>(kind)] + kDims, order);
  if (kind != Order::kAny) return;
  for (int i = kDims - 1; i > 0; --i) std::swap(order[i], order[random.between(0, i)]);
}

View draw_view(Random& random, const std::int64_t (&counts)[kDims], std::int64_t size, Order kind, const Habits& habits,
               bool written) {
  View view{};
  std::copy(counts, counts + kDims, view.counts);
  int order[kDims];
  draw_order(random, kind, order);
  const std::int64_t unit = habits.record ? 1 : size;
  std::int64_t extent = size, before = 0, after = 0;
  for (int i = kDims - 1; i >= 0; --i) {
    const int dim = order[i];
    const std::int64_t moves = std::max<std::int64_t>(counts[dim] - 1, 0);
    std::int64_t step = extent;
    if (habits.gaps && random.percent(40)) step += unit * random.between(1, 5);
    if (!written && habits.zero && random.percent(40)) step = 0;
    if (!written && habits.overlapping && random.percent(50)) step = size * random.between(1, 3);
    extent = std::max(extent, step * moves + extent);
    if (habits.negative && random.percent(50)) step = -step;
    (step < 0 ? before : after) += std::abs(step) * moves;
    // The step of what has one element alone is nobody's business.
    if (habits.idle && moves == 0 && random.percent(50)) step = unit * random.between(-1000, 1000);
    view.steps[dim] = step;
  }
  const std::int64_t shift = habits.shifted || habits.record ? unit * random.between(0, habits.record ? 40 : 9) : 0;
  view.first = shift + before;
  view.bytes = shift + before + size + after;
  return view;
}

// The steps of one array, for each of its axes, in the order of kDimNames.
void set_steps(const View& view, std::int64_t* const (&steps)[kDims]) {
  for (int dim = 0; dim < kDims; ++dim) *steps[dim] = view.steps[dim];
}

}  // namespace

void draw_layouts(Random& random, Drawn& drawn) {
  Problem& p = drawn.problem;
  Axis(&a)[3] = p.axes;
  const std::int64_t positions[kDims] = {p.batch.count, p.channels.count, a[0].positions, a[1].positions,
                                         a[2].positions};
  const std::int64_t windows[kDims] = {p.batch.count, p.channels.count, a[0].windows, a[1].windows, a[2].windows};
  constexpr std::int64_t kNothing[kDims] = {};
  const bool vectors = drawn.profile == Profile::kVectorsOfChannels;
  const bool planes = drawn.profile == Profile::kSame || drawn.profile == Profile::kManyPlanes ||
                      drawn.profile == Profile::kSamePlanes;
  const int chance = vectors ? 95 : planes ? 0 : drawn.profile == Profile::kChannels ? 85 : 12;
  const bool channels = random.percent(chance);
  const Order kind = random.percent(10) ? Order::kAny : channels ? Order::kChannelsInnermost : Order::kPlanar;
  const auto other = [&] { return random.percent(90) ? kind : static_cast<Order>(random.between(0, 2)); };
  const std::int64_t size = size_of(p.type);
  const bool gradient = p.pass == Pass::kGradient;
  // Most arrays of one problem are as regular as each other: kernels ask for all of them at once.
  const bool regular = random.percent(vectors || planes ? 60 : 40);
  const auto habits = [&] { return regular ? Habits{} : draw_habits(random); };
  drawn.in = draw_view(random, gradient ? windows : positions, size, kind, habits(), false);
  drawn.out = draw_view(random, gradient ? positions : windows, size, other(), habits(), true);
  const bool keeps = has_offsets(p), tells = p.pass == Pass::kKeep && random.percent(50);
  drawn.offsets = draw_view(random, keeps ? windows : kNothing, p.offset_size, other(), habits(), true);
  drawn.indices = draw_view(random, tells ? windows : kNothing, 8, other(), draw_habits(random), true);
  set_steps(drawn.in, {&p.batch.in_step, &p.channels.in_step, &a[0].in_step, &a[1].in_step, &a[2].in_step});
  set_steps(drawn.out, {&p.batch.out_step, &p.channels.out_step, &a[0].out_step, &a[1].out_step, &a[2].out_step});
  if (!keeps) return;
  set_steps(drawn.offsets,
            {&p.batch.offset_step, &p.channels.offset_step, &a[0].offset_step, &a[1].offset_step, &a[2].offset_step});
}

}  // namespace poolbench::pool
