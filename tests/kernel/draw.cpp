#include "draw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>

#include "values.h"

namespace poolbench::pool {
namespace {

// ---- shapes

struct Sizes {
  int rank;
  std::int64_t batch, channels;
  std::int64_t in[3];
};

Profile draw_profile(Random& random) {
  if (random.between(1, 1500) == 1) return Profile::kLarge;
  if (random.percent(20)) return random.percent(60) ? Profile::kChannels : Profile::kWhole;  // few of these fit
  return static_cast<Profile>(random.between(0, static_cast<int>(Profile::kLarge) - 1));
}

Sizes draw_sizes(Random& random, Profile profile) {
  Sizes s{2, 1, 1, {1, 1, 1}};
  const auto all = [&](std::int64_t least, std::int64_t most) {
    for (int i = 3 - s.rank; i < 3; ++i) s.in[i] = random.between(least, most);
  };
  const auto some = [&](std::int64_t most) { return random.percent(40) ? random.between(1, most) : random.between(1, 3); };
  s.batch = some(3);
  s.channels = some(8);
  switch (profile) {
    case Profile::kTiny:
      s.rank = static_cast<int>(random.between(1, 3));
      all(1, 6);
      break;
    case Profile::kImage:
      all(3, 44);
      break;
    case Profile::kShortRows:
      s.channels = random.percent(60) ? random.between(8, 40) : some(8);
      all(1, 24);
      if (random.percent(30)) s.in[1] = s.in[2] = random.percent(50) ? 7 : random.between(5, 15);
      break;
    case Profile::kLongRows:
      s.rank = random.percent(40) ? 1 : 2;
      s.batch = 1;
      s.channels = random.between(1, 2);
      s.in[2] = random.between(60, random.percent(30) ? 2000 : 500);
      if (s.rank == 2) s.in[1] = random.between(1, 6);
      break;
    case Profile::kChannels:
      s.rank = static_cast<int>(random.between(1, 3));
      s.channels = random.between(1, random.percent(15) ? 600 : 70);
      s.batch = random.between(1, 2);
      all(1, s.rank == 1 ? 20 : s.rank == 2 ? 9 : 5);
      break;
    case Profile::kVolume:
      s.rank = 3;
      all(1, 13);
      break;
    case Profile::kWhole:
      s.rank = static_cast<int>(random.between(1, 3));
      s.channels = some(40);
      all(1, s.rank == 1 ? 900 : s.rank == 2 ? 30 : 9);
      break;
    case Profile::kSame:
      s.rank = random.percent(80) ? 2 : 3;
      s.channels = some(20);
      all(3, s.rank == 3 ? 9 : random.percent(20) ? 40 : 16);
      break;
    case Profile::kAnything:
      s.rank = static_cast<int>(random.between(1, 3));
      s.batch = some(40);
      s.channels = some(40);
      all(1, s.rank == 1 ? 400 : s.rank == 2 ? 50 : 14);
      break;
    case Profile::kLarge:  // for more than one thread, and for tiles of all kinds
      s.rank = static_cast<int>(random.between(1, 3));
      s.batch = random.between(1, 2);
      s.channels = random.between(1, 20);
      all(s.rank == 1 ? 3000 : s.rank == 2 ? 60 : 15, s.rank == 1 ? 90000 : s.rank == 2 ? 500 : 50);
      break;
  }
  if (profile != Profile::kLarge && random.between(1, 500) == 1) (random.percent(50) ? s.batch : s.channels) = 0;
  return s;
}

// ---- windows

std::int64_t empty_windows(const Axis& axis) {
  std::int64_t empty = 0;
  for (std::int64_t o = 0; o < axis.out; ++o) {
    std::int64_t at = o * axis.stride - axis.lo;
    std::int64_t taps = axis.window;
    while (taps > 0 && at < 0) at += axis.dilation, --taps;
    empty += taps == 0 || at >= axis.in;
  }
  return empty;
}

void draw_window(Random& random, Axis& axis) {
  axis.dilation = random.percent(85) ? 1 : random.between(2, 3);
  switch (random.between(0, 9)) {
    case 0: case 1: case 2: case 3:
      axis.window = random.between(2, 3);
      axis.stride = random.percent(50) ? axis.window : random.between(1, 2);
      break;
    case 4:  // the whole axis, and more: of that, ceil mode may have one window
      axis.window = axis.in + (random.percent(40) ? random.between(1, 4) : 0);
      axis.stride = random.between(1, axis.window > axis.in ? 9 : 3);
      break;
    case 5:
      axis.window = random.between(1, 70);
      axis.stride = random.percent(50) ? 1 : random.between(1, 9);
      break;
    default:
      axis.window = random.between(1, 15);
      axis.stride = random.percent(50) ? random.between(1, 2) : random.between(1, 9);
      break;
  }
  const std::int64_t span = (axis.window - 1) * axis.dilation + 1;
  switch (random.between(0, 5)) {
    case 0: case 1: axis.lo = axis.hi = 0; break;
    case 2: axis.lo = axis.hi = axis.window / 2; break;
    case 3: axis.lo = random.between(0, span); axis.hi = random.between(0, span); break;
    case 4: axis.lo = random.between(0, 2); axis.hi = random.between(0, 2); break;
    default: axis.lo = (span - 1) / 2, axis.hi = span - 1 - axis.lo; break;  // "same"
  }
}

// As many outputs as inputs, by odd windows of stride 1.
void draw_same(Random& random, Axis& axis) {
  axis.window = 2 * random.between(random.percent(20) ? 0 : 1, random.percent(70) ? 2 : 7) + 1;
  axis.stride = 1;
  axis.dilation = random.percent(90) ? 1 : 2;
  axis.lo = axis.hi = axis.window / 2 * axis.dilation;
}

// Sets the output's size, as torch computes it; false where the window doesn't fit or leaves a maximum without taps.
bool settle_window(Random& random, Axis& axis, Op op) {
  const std::int64_t span = (axis.window - 1) * axis.dilation + 1;
  const std::int64_t free = axis.in + axis.lo + axis.hi - span;
  const bool ceil = random.percent(30);
  if (free < 0) {  // ceil mode has one window that is longer than the padded input, by less than a stride
    if (!ceil || free <= -axis.stride) return false;
    axis.out = 1;
  } else if (!ceil) {
    axis.out = free / axis.stride + 1;
  } else {
    axis.out = (free + axis.stride - 1) / axis.stride + 1;
    if ((axis.out - 1) * axis.stride >= axis.in + axis.lo) --axis.out;
  }
  return op != Op::kMax || empty_windows(axis) == 0;
}

bool draw_axes(Random& random, Problem& p, const Sizes& sizes, Profile profile) {
  for (int i = 0; i < 3; ++i) p.axes[i] = Axis{};
  const bool adaptive = random.percent(profile == Profile::kWhole ? 60 : 10);
  const bool alike = random.percent(50);
  for (int i = 3 - sizes.rank; i < 3; ++i) {
    Axis& axis = p.axes[i];
    axis.in = sizes.in[i];
    if (adaptive && !random.percent(3)) {
      axis.window = 0;
      axis.out = profile == Profile::kWhole || random.percent(20) ? 1 : random.between(1, axis.in + 2);
    } else if (profile == Profile::kWhole && random.percent(90)) {
      axis.window = axis.in;
    } else {
      if (profile == Profile::kSame) {
        draw_same(random, axis);
      } else {
        draw_window(random, axis);
      }
      const Axis& first = p.axes[3 - sizes.rank];
      if (alike && !first.adaptive() && i > 3 - sizes.rank) {
        axis.window = first.window, axis.stride = first.stride, axis.dilation = first.dilation;
        axis.lo = first.lo, axis.hi = first.hi;
      } else if (random.percent(8)) {  // this one is not pooled
        axis.window = axis.stride = axis.dilation = 1;
        axis.lo = axis.hi = 0;
      }
      if (!settle_window(random, axis, p.op)) return false;
    }
  }
  return true;
}

double reads_of(const Problem& p) {
  double reads = static_cast<double>(p.batch.count * p.channels.count);
  for (const Axis& axis : p.axes) {
    const std::int64_t taps = axis.adaptive() ? axis.in / axis.out + 1 : std::min(axis.window, axis.in);
    reads *= static_cast<double>(axis.out) * static_cast<double>(taps);
  }
  return reads;
}

double elements_of(const Problem& p) {
  double in = static_cast<double>(p.batch.count * p.channels.count), out = in;
  for (const Axis& axis : p.axes) in *= static_cast<double>(axis.in), out *= static_cast<double>(axis.out);
  return in + out;
}

// Draws until the work is small enough: most problems are, so that there can be many.
void draw_shape(Random& random, Problem& p, Profile profile) {
  double most = profile == Profile::kLarge ? 2e6 : random.percent(85) ? 2500 : random.percent(90) ? 10e3 : 50e3;
  for (;; most *= 1.01) {
    const Sizes sizes = draw_sizes(random, profile);
    p.batch.count = sizes.batch;
    p.channels.count = sizes.channels;
    if (!draw_axes(random, p, sizes, profile)) continue;
    if (reads_of(p) > most || elements_of(p) > most / 3) continue;
    if (profile == Profile::kLarge && elements_of(p) < 1e5) continue;
    return;
  }
}

// ---- layouts

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

void draw_layouts(Random& random, Drawn& drawn) {
  Problem& p = drawn.problem;
  const std::int64_t in[kDims] = {p.batch.count, p.channels.count, p.axes[0].in, p.axes[1].in, p.axes[2].in};
  const std::int64_t out[kDims] = {p.batch.count, p.channels.count, p.axes[0].out, p.axes[1].out, p.axes[2].out};
  const bool channels = random.percent(drawn.profile == Profile::kChannels ? 85 : drawn.profile == Profile::kSame ? 0 : 12);
  const Order kind = random.percent(10) ? Order::kAny : channels ? Order::kChannelsInnermost : Order::kPlanar;
  const auto other = [&] { return random.percent(85) ? kind : static_cast<Order>(random.between(0, 2)); };
  const std::int64_t size = size_of(p.type);
  drawn.in = draw_view(random, in, size, kind, draw_habits(random), false);
  drawn.out = draw_view(random, out, size, other(), draw_habits(random), true);
  drawn.indices = draw_view(random, out, 8, other(), draw_habits(random), true);
  Outer* const outer[] = {&p.batch, &p.channels};
  for (int dim = 0; dim < 2; ++dim) {
    outer[dim]->in_step = drawn.in.steps[dim];
    outer[dim]->out_step = drawn.out.steps[dim];
    outer[dim]->index_step = drawn.with_indices ? drawn.indices.steps[dim] : 0;
  }
  for (int i = 0; i < 3; ++i) {
    p.axes[i].in_step = drawn.in.steps[2 + i];
    p.axes[i].out_step = drawn.out.steps[2 + i];
    p.axes[i].index_step = drawn.with_indices ? drawn.indices.steps[2 + i] : 0;
  }
}

// ---- values

double lowest_of(Type type) {
  switch (type) {
    case Type::kU8: return 0;
    case Type::kI8: return -128;
    case Type::kI16: return -32768;
    case Type::kI32: return -2147483648.0;
    case Type::kI64: return -9223372036854775808.0;
    default: return -std::numeric_limits<double>::infinity();
  }
}

std::uint64_t draw_value(Random& random, Type type, Filling filling) {
  const bool real = is_float(type);
  const auto small = [&] { return encode(type, static_cast<double>(random.between(type == Type::kU8 ? 0 : -9, 9))); };
  const auto number = [&] {
    if (!real) return random.next();
    const double uniform = static_cast<double>(random.between(-1000000000, 1000000000)) * 1e-9;
    return encode(type, uniform * static_cast<double>(random.between(1, 100)));
  };
  const auto special = [&] {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    if (!real) return random.percent(50) ? encode(type, lowest_of(type)) : ~encode(type, lowest_of(type));
    const Format& format = format_of(type);
    switch (random.between(0, 7)) {
      case 0: return encode(type, kNan);
      case 1: return encode(type, std::copysign(kNan, -1.0));
      case 2: return encode(type, kInfinity);
      case 3: return encode(type, -kInfinity);
      case 4: return encode(type, -0.0);
      case 5: return encode(type, 0.0);
      default: return encode(type, std::ldexp(static_cast<double>(random.between(-20, 20)), format.least));
    }
  };
  switch (filling) {
    case Filling::kIntegers: return small();
    case Filling::kNumbers: return number();
    case Filling::kMagnitudes: {
      if (!real) return random.percent(50) ? small() : number();
      const double large = type == Type::kF16 ? 3e4 : 1e8;
      return random.percent(10) ? encode(type, random.percent(50) ? large : -large) : number();
    }
    case Filling::kLargest: {  // sums overflow, averages don't
      if (!real) return number();
      const Format& format = format_of(type);
      const double largest = std::ldexp(2 - std::ldexp(1.0, 1 - format.digits), format.most - 1);
      return encode(type, (random.percent(50) ? largest : -largest) * (random.percent(50) ? 1 : 0.75));
    }
    case Filling::kSpecials: return random.percent(12) ? special() : small();
    default: return random.percent(4) ? special() : encode(type, lowest_of(type));
  }
}

}  // namespace

const std::vector<std::uint64_t>& filling_values(Type type, Filling filling) {
  static std::vector<std::uint64_t> known[kTypes][kFillings];
  std::vector<std::uint64_t>& values = known[static_cast<int>(type)][static_cast<int>(filling)];
  if (values.empty()) {
    Random random(static_cast<std::uint64_t>(type), static_cast<std::uint64_t>(filling));
    for (int i = 0; i < 4096; ++i) values.push_back(draw_value(random, type, filling));
  }
  return values;
}

Drawn draw(std::uint64_t seed, std::uint64_t number) {
  Random random(seed, number);
  Drawn drawn{};
  Problem& p = drawn.problem;
  // Each pair of an operation and a type as often as the others.
  const int pair = static_cast<int>(random.between(0, kTypes + static_cast<int>(Type::kBf16)));
  p.op = pair < kTypes ? Op::kMax : Op::kAvg;
  p.type = static_cast<Type>(pair % kTypes);
  p.include_padding = random.percent(50);
  if (p.op == Op::kAvg && random.percent(15)) p.divisor = random.percent(10) ? -3 : random.between(1, 40);
  drawn.with_indices = p.op == Op::kMax && random.percent(35);
  drawn.profile = draw_profile(random);
  draw_shape(random, p, drawn.profile);
  draw_layouts(random, drawn);
  drawn.filling = static_cast<Filling>(random.percent(90) ? random.between(0, kFillings - 2) : kFillings - 1);
  drawn.filling_seed = random.next();
  drawn.threads = random.percent(50) ? 1 : static_cast<int>(random.between(2, 4));
  drawn.any_isa = random.percent(60);
  return drawn;
}

namespace {

void describe_view(std::ostream& text, const char* name, const View& view) {
  text << "  " << name << ":";
  for (int i = 0; i < kDims; ++i) text << " " << kDimNames[i] << " " << view.counts[i] << " by " << view.steps[i] << ",";
  text << " beginning at byte " << view.first << " of " << view.bytes << "\n";
}

}  // namespace

std::string describe(const Drawn& drawn) {
  std::ostringstream text;
  const Problem& p = drawn.problem;
  text << "  " << (p.op == Op::kMax ? "max" : "avg") << " of " << kTypeNames[static_cast<int>(p.type)] << ", "
       << (drawn.with_indices ? "with indices, " : "") << kFillingNames[static_cast<int>(drawn.filling)] << ", shapes '"
       << kProfileNames[static_cast<int>(drawn.profile)] << "', at most " << drawn.threads << " threads\n";
  if (p.op == Op::kAvg) {
    text << "  divisor: ";
    if (p.divisor != 0) text << p.divisor << "\n";
    else text << (p.include_padding ? "padding counts\n" : "padding doesn't count\n");
  }
  for (int i = 0; i < 3; ++i) {
    const Axis& a = p.axes[i];
    text << "  " << kDimNames[2 + i] << ": " << a.in << " to " << a.out << ", ";
    if (a.adaptive()) text << "adaptive\n";
    else text << "window " << a.window << ", stride " << a.stride << ", dilation " << a.dilation << ", padding " << a.lo
              << " and " << a.hi << "\n";
  }
  text << "  counts and steps in bytes\n";
  describe_view(text, "input", drawn.in);
  describe_view(text, "output", drawn.out);
  if (drawn.with_indices) describe_view(text, "indices", drawn.indices);
  return text.str();
}

}  // namespace poolbench::pool
