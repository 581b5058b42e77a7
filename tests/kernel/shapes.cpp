#include "shapes.h"

#include <algorithm>
#include <iterator>

namespace poolbench::pool {
namespace {

struct Sizes {
  int rank;
  std::int64_t batch, channels;
  std::int64_t in[3];
};

Sizes draw_sizes(Random& random, Profile profile) {
  Sizes s{2, 1, 1, {1, 1, 1}};
  const auto all = [&](std::int64_t least, std::int64_t most) {
    for (int i = 3 - s.rank; i < 3; ++i) s.in[i] = random.between(least, most);
  };
  const auto some = [&](std::int64_t most) { return random.between(1, random.percent(40) ? most : 3); };
  s.batch = some(3);
  s.channels = some(8);
  switch (profile) {
    case Profile::kTiny:
      s.rank = static_cast<int>(random.between(1, 3));
      all(1, 6);
      break;
    case Profile::kImage:
      all(3, random.percent(50) ? 44 : 100);
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
    case Profile::kVectorsOfChannels:
      s.rank = random.percent(70) ? 2 : random.percent(50) ? 1 : 3;
      s.channels = random.percent(70) ? 16 * random.between(1, random.percent(10) ? 9 : 2) : 8 * random.between(1, 5);
      s.batch = random.percent(80) ? 1 : 2;
      all(random.percent(50) ? 3 : 1, s.rank == 1 ? 24 : s.rank == 2 ? 9 : 6);
      break;
    case Profile::kManyPlanes:
      s.batch = random.between(1, 2);
      s.channels = random.between(4, 24);
      all(2, 12);
      break;
    case Profile::kTallPlanes:  // more than one tile of several planes has room for
      s.rank = random.percent(70) ? 2 : 3;
      s.batch = random.between(1, 2);
      s.channels = random.between(8, 17);
      if (s.rank == 3) s.in[0] = random.between(1, 16);
      s.in[1] = random.between(s.rank == 3 ? 8 : 60, s.rank == 3 ? 24 : 240);
      s.in[2] = random.between(2, 19);
      if (s.rank == 2 && random.percent(8)) {  // so wide that a tile has room for a few rows alone
        s.channels = random.between(33, 48);
        s.in[1] = random.between(8, 40);
        s.in[2] = random.between(40, 90);
      }
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
    case Profile::kSamePlanes:  // of which as many lie behind each other as it pays to take for one long row
      s.rank = random.percent(60) ? 2 : random.percent(50) ? 1 : 3;
      s.batch = random.between(1, 2);
      s.channels = random.percent(50) ? random.between(64, 90) : random.between(4, 9);
      all(3, s.channels > 9 || s.rank == 3 ? 7 : 26);
      if (s.rank == 3) s.in[0] = random.between(1, 5);
      if (s.rank == 1) s.in[2] = random.between(3, 90);
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
  for (std::int64_t o = 0; o < axis.windows; ++o) {
    std::int64_t at = o * axis.stride - axis.lo;
    std::int64_t taps = axis.window;
    while (taps > 0 && at < 0) at += axis.dilation, --taps;
    empty += taps == 0 || at >= axis.positions;
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
      axis.window = axis.positions + (random.percent(40) ? random.between(1, 4) : 0);
      axis.stride = random.between(1, axis.window > axis.positions ? 9 : 3);
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
void draw_same(Random& random, Axis& axis, bool small) {
  axis.window = 2 * random.between(!small && random.percent(20) ? 0 : 1, small || random.percent(70) ? 2 : 7) + 1;
  axis.stride = 1;
  axis.dilation = small || random.percent(90) ? 1 : 2;
  axis.lo = axis.hi = axis.window / 2 * axis.dilation;
}

// Whether a window may read nothing but padding. A maximum, and an average of the input alone, would have no value.
bool may_read_nothing(const Problem& p) {
  return p.op == Op::kAvg && (p.pass == Pass::kGradient || p.include_padding || p.divisor != 0);
}

// Few windows in a plane, the overlapping ones that it pays to pool for as many planes at once as a vector has lanes.
void draw_few(Random& random, Axis& axis) {
  axis.window = random.between(2, 5);
  axis.stride = random.percent(60) ? 2 : random.between(1, 4);
  axis.dilation = 1;
  axis.lo = axis.hi = random.percent(50) ? axis.window / 2 : 0;
}

// The largest of those that overlap, which it pays to take several at once of.
void draw_wide(Random& random, Axis& axis) {
  axis.window = random.between(7, 9);
  axis.stride = axis.dilation = 1;
  axis.lo = axis.hi = random.percent(80) ? axis.window / 2 : 0;
}

// Windows that overlap much, of many elements each, in a plane: what it pays to search row by row.
void draw_overlapping(Random& random, Axis& axis) {
  axis.window = random.between(3, random.percent(80) ? 6 : 12);
  axis.stride = random.percent(70) ? 1 : 2;
  axis.dilation = random.percent(90) ? 1 : 2;
  axis.lo = axis.hi = random.percent(70) ? axis.window / 2 : random.between(0, axis.window - 1);
}

// Sets the number of windows, as torch computes it; false where a window doesn't fit or has nothing that it must read.
bool settle_window(Random& random, Axis& axis, bool may_be_empty) {
  const std::int64_t span = (axis.window - 1) * axis.dilation + 1;
  const std::int64_t free = axis.positions + axis.lo + axis.hi - span;
  const bool ceil = random.percent(30);
  if (free < 0) {  // ceil mode has one window that is longer than the padded input, by less than a stride
    if (!ceil || free <= -axis.stride) return false;
    axis.windows = 1;
  } else if (!ceil) {
    axis.windows = free / axis.stride + 1;
  } else {
    axis.windows = (free + axis.stride - 1) / axis.stride + 1;
    if ((axis.windows - 1) * axis.stride >= axis.positions + axis.lo) --axis.windows;
  }
  return may_be_empty || empty_windows(axis) == 0;
}

bool draw_axes(Random& random, Problem& p, const Sizes& sizes, Profile profile) {
  for (int i = 0; i < 3; ++i) p.axes[i] = Axis{};
  const bool adaptive = random.percent(profile == Profile::kWhole ? 60 : 10);
  const bool overlaps = profile == Profile::kVectorsOfChannels && random.percent(75);
  const bool alike = random.percent(profile == Profile::kSamePlanes ? 90 : 50);
  const bool wide = profile == Profile::kManyPlanes && random.percent(14);
  // Windows beside each other, over rows of many.
  const bool apart = (profile == Profile::kImage || profile == Profile::kLongRows) && random.percent(65);
  const bool skips = apart && random.percent(30);  // windows of one element
  const bool halves = profile == Profile::kImage && !apart && random.percent(60);  // as most that make planes smaller
  for (int i = 3 - sizes.rank; i < 3; ++i) {
    Axis& axis = p.axes[i];
    axis.positions = sizes.in[i];
    if (adaptive && !random.percent(3)) {
      axis.window = 0;
      axis.windows = profile == Profile::kWhole || random.percent(20) ? 1 : random.between(1, axis.positions + 2);
    } else if (profile == Profile::kWhole && random.percent(90)) {
      axis.window = axis.positions;
    } else {
      if (profile == Profile::kSame || profile == Profile::kSamePlanes) {
        draw_same(random, axis, profile == Profile::kSamePlanes);
      } else if (wide) {
        draw_wide(random, axis);
      } else if (profile == Profile::kManyPlanes || profile == Profile::kTallPlanes) {
        draw_few(random, axis);
      } else if (overlaps) {
        draw_overlapping(random, axis);
      } else if (apart) {
        axis.stride = random.between(2, 4);
        axis.window = skips ? 1 : axis.stride;
      } else if (halves) {
        axis.stride = 2;
        axis.dilation = 1;
        axis.window = random.between(1, 3);
        axis.lo = axis.hi = random.percent(50) ? axis.window / 2 : 0;
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
      if (!settle_window(random, axis, may_read_nothing(p))) return false;
    }
  }
  return true;
}

double reads_of(const Problem& p) {
  double reads = static_cast<double>(p.batch.count * p.channels.count);
  for (const Axis& axis : p.axes) {
    const std::int64_t taps =
        axis.adaptive() ? axis.positions / axis.windows + 1 : std::min(axis.window, axis.positions);
    reads *= static_cast<double>(axis.windows) * static_cast<double>(taps);
  }
  return reads;
}

double elements_of(const Problem& p) {
  double in = static_cast<double>(p.batch.count * p.channels.count), out = in;
  for (const Axis& axis : p.axes) in *= static_cast<double>(axis.positions), out *= static_cast<double>(axis.windows);
  return in + out;
}

}  // namespace

Profile draw_profile(Random& random, Pass pass) {
  if (random.between(1, 1500) == 1) return Profile::kLarge;
  if (random.between(1, 60) == 1) return Profile::kTallPlanes;
  if (pass == Pass::kPool && random.between(1, 16) == 1) return Profile::kSamePlanes;
  // Of these, few are such as the kernels for them take.
  if (pass == Pass::kKeep && random.percent(15)) return Profile::kVectorsOfChannels;
  if (pass == Pass::kPool && random.percent(18)) return Profile::kManyPlanes;
  if (random.percent(35)) {
    constexpr Profile kRare[] = {Profile::kWhole,      Profile::kSame,     Profile::kSame,
                                 Profile::kManyPlanes, Profile::kChannels, Profile::kChannels,
                                 Profile::kVectorsOfChannels, Profile::kVectorsOfChannels, Profile::kVectorsOfChannels};
    return kRare[random.between(0, std::size(kRare) - 1)];
  }
  return static_cast<Profile>(random.between(0, static_cast<int>(Profile::kAnything)));
}

void draw_shape(Random& random, Problem& p, Profile profile) {
  const double usual = profile == Profile::kVectorsOfChannels ? 10e3 : 2500;
  double most = random.percent(85) ? usual : random.percent(90) ? 10e3 : 50e3;
  if (profile == Profile::kLarge) most = 2e6;
  if (profile == Profile::kTallPlanes) most = 200e3;
  if (profile == Profile::kSamePlanes) most = 60e3;
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

}  // namespace poolbench::pool
