// A plane cut into tiles: parts of the three pooled axes, each with all that its windows read.
#pragma once

#include "simd/values.h"

POOL_BEGIN

// Some of an axis: where what is read and what is written begin in the whole, counted in elements.
struct Part {
  Axis axis;
  std::int64_t position, window;
};

// How an axis is cut. A step is a window of a pass that writes windows, and of a gradient as many positions as the
// stride, from where a window begins. An adaptive axis is one step.
struct Cut {
  const Axis& axis;
  bool of_positions;
  std::int64_t steps, parts = 1;

  Cut(const Axis& of, bool gradient)
      : axis(of), of_positions(gradient),
        steps(of.adaptive() ? 1 : gradient ? (of.positions + of.lo + of.stride - 1) / of.stride : of.windows) {}

  std::int64_t longest() const { return (steps + parts - 1) / parts; }
  std::int64_t reach() const { return (axis.window - 1) * axis.dilation + 1; }
  // The most positions and windows of a part.
  std::int64_t positions() const {
    if (parts == 1) return axis.positions;
    const std::int64_t most = of_positions ? longest() * axis.stride : (longest() - 1) * axis.stride + reach();
    return std::min(most, axis.positions);
  }
  std::int64_t windows() const {
    if (parts == 1) return axis.windows;
    return of_positions ? std::min(longest() + most_readers(axis) - 1, axis.windows) : longest();
  }

  // Whether each window reads something: then each part does.
  static bool reads_inside(const Axis& axis) {
    return axis.adaptive() ||
           (axis.lo <= (axis.window - 1) * axis.dilation && (axis.windows - 1) * axis.stride - axis.lo < axis.positions);
  }

  Part part(std::int64_t number) const {
    if (parts == 1) return {axis, 0, 0};
    const std::int64_t begin = steps * number / parts, end = steps * (number + 1) / parts;
    Axis some = axis;
    if (of_positions) {
      const std::int64_t first = std::max<std::int64_t>(begin * axis.stride - axis.lo, 0);
      const std::int64_t behind = std::min(end * axis.stride - axis.lo, axis.positions);
      if (behind <= first) {  // padding alone
        some.positions = some.windows = 0;
        return {some, first, 0};
      }
      const Readers low = readers(axis, first), high = readers(axis, behind - 1);
      some.positions = behind - first;
      some.windows = std::max<std::int64_t>(high.last - low.first + 1, 0);
      some.lo = axis.lo + first - low.first * axis.stride;
      some.hi = axis.positions + axis.hi - behind;
      return {some, first, low.first};
    }
    const std::int64_t start = begin * axis.stride - axis.lo;
    const std::int64_t first = std::max<std::int64_t>(start, 0);
    const std::int64_t behind = std::min((end - 1) * axis.stride - axis.lo + reach(), axis.positions);
    some.positions = behind - first;
    some.windows = end - begin;
    some.lo = first - start;
    some.hi = axis.positions + axis.hi - behind;
    return {some, first, begin};
  }
};

// A plan's tiles: as few as leave `room` bytes enough for one of them, for each lane.
struct Tiles {
  Cut d, h, w;
  std::int64_t position_bytes, window_bytes;

  Tiles(const Plan& p, std::int64_t size, std::int64_t room)
      : d(p.d, p.pass == Pass::kGradient), h(p.h, p.pass == Pass::kGradient), w(p.w, p.pass == Pass::kGradient),
        position_bytes(size), window_bytes(size + (p.offsets != nullptr ? p.offset_size : 0)) {
    for (Cut* cut : {&d, &h, &w}) {
      if (bytes() > room) shrink(*cut, room);
    }
  }
  std::int64_t positions() const { return d.positions() * h.positions() * w.positions(); }
  std::int64_t windows() const { return d.windows() * h.windows() * w.windows(); }
  std::int64_t bytes() const { return positions() * position_bytes + windows() * window_bytes; }
  std::int64_t count() const { return d.parts * h.parts * w.parts; }

 private:
  // Into the fewest parts that fit, or into single steps.
  void shrink(Cut& cut, std::int64_t room) const {
    std::int64_t low = 1, high = cut.steps;
    while (low < high) {
      cut.parts = (low + high) / 2;
      if (bytes() <= room) high = cut.parts; else low = cut.parts + 1;
    }
    cut.parts = high;
  }
};

POOL_END
