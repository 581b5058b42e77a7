// The reference: each pass as it is defined, a loop over the elements of each window. It shares nothing with the
// kernels but the Problem, and works on values that somebody else has read: double for the floats, int64 for the
// integers.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "problem/problem.h"

namespace poolbench::pool {

// What each window of one axis reads. Axis::taps says the same in closed form, which is why it isn't asked here.
class Reads {
 public:
  struct Tap {
    std::int64_t position;
    std::int64_t number;  // which element of the window, padding counted
  };

  explicit Reads(const Axis& axis) : positions_(axis.positions), windows_(axis.windows) {
    for (std::int64_t o = 0; o < axis.windows; ++o) {
      begins_.push_back(static_cast<std::int64_t>(taps_.size()));
      std::int64_t counted = 0, number = 0;
      if (axis.adaptive()) {
        // Position >= floor(o * positions / windows) and < ceil((o + 1) * positions / windows).
        for (std::int64_t at = 0; at < axis.positions; ++at) {
          if ((at + 1) * axis.windows <= o * axis.positions || at * axis.windows >= (o + 1) * axis.positions) continue;
          taps_.push_back({at, number++});
          ++counted;
        }
      } else {
        for (; number < axis.window; ++number) {
          const std::int64_t at = o * axis.stride - axis.lo + number * axis.dilation;
          if (at >= 0 && at < axis.positions) taps_.push_back({at, number});
          if (at < axis.positions + axis.hi) ++counted;  // what hangs over the padding is never counted
        }
      }
      if (number > largest_) largest_ = number;
      counted_.push_back(counted);
    }
    begins_.push_back(static_cast<std::int64_t>(taps_.size()));
  }

  const Tap* begin(std::int64_t o) const { return taps_.data() + begins_[static_cast<std::size_t>(o)]; }
  const Tap* end(std::int64_t o) const { return begin(o + 1); }
  std::int64_t count(std::int64_t o) const { return end(o) - begin(o); }
  std::int64_t counted(std::int64_t o) const { return counted_[static_cast<std::size_t>(o)]; }
  std::int64_t largest() const { return largest_; }  // the elements of the largest window
  std::int64_t positions() const { return positions_; }
  std::int64_t windows() const { return windows_; }

 private:
  std::int64_t positions_, windows_, largest_ = 0;
  std::vector<std::int64_t> begins_, counted_;
  std::vector<Tap> taps_;
};

// A window, or a position, of a plane.
struct Place {
  std::int64_t d, h, w;
};

// The three axes of a problem: what each window reads, in row-major order.
struct Windows {
  Reads d, h, w;
  explicit Windows(const Problem& p) : d(p.axes[0]), h(p.axes[1]), w(p.axes[2]) {}

  std::int64_t positions() const { return d.positions() * h.positions() * w.positions(); }
  std::int64_t windows() const { return d.windows() * h.windows() * w.windows(); }
  std::int64_t elements(Place o) const { return d.count(o.d) * h.count(o.h) * w.count(o.w); }

  Place window_at(std::int64_t number) const {
    return {number / (h.windows() * w.windows()) % d.windows(), number / w.windows() % h.windows(),
            number % w.windows()};
  }
  Place position_at(std::int64_t number) const {
    return {number / (h.positions() * w.positions()) % d.positions(), number / w.positions() % h.positions(),
            number % w.positions()};
  }

  // Calls visit(index of the position in its plane, offset in the window) for each element of a window.
  template <class Visit>
  void visit(Place o, Visit visit) const {
    for (const Reads::Tap* i = d.begin(o.d); i != d.end(o.d); ++i) {
      for (const Reads::Tap* j = h.begin(o.h); j != h.end(o.h); ++j) {
        for (const Reads::Tap* k = w.begin(o.w); k != w.end(o.w); ++k) {
          visit((i->position * h.positions() + j->position) * w.positions() + k->position,
                (i->number * h.largest() + j->number) * w.largest() + k->number);
        }
      }
    }
  }

  std::int64_t divisor(const Problem& p, Place o) const {
    if (p.divisor != 0) return p.divisor;
    return p.include_padding ? d.counted(o.d) * h.counted(o.h) * w.counted(o.w) : elements(o);
  }
};

template <class V>
struct Maximum {
  V value;
  std::int64_t index;   // within the plane
  std::int64_t offset;  // within the window
};

// Padding never wins, the first of equals does, and the last NaN. A window without elements has the index -1.
template <class V>
Maximum<V> naive_max(const Windows& windows, const V* plane, Place o) {
  Maximum<V> best{V{}, -1, -1};
  windows.visit(o, [&](std::int64_t index, std::int64_t offset) {
    const V value = plane[index];
    if (best.index < 0 || value != value || value > best.value) best = {value, index, offset};
  });
  return best;
}

// A sum of terms that are not yet rounded to the type: the elements of an average over its divisor, or the shares that
// a gradient's element gets.
struct Sum {
  long double exact = 0;
  long double magnitude = 0;  // of the absolute values: the scale of what rounding may lose
  std::int64_t terms = 0;
  std::int64_t largest_divisor = 1;
  bool by_powers_of_two = true;

  void add(long double value, std::int64_t divisor) {
    const std::int64_t size = divisor < 0 ? -divisor : divisor;
    exact += value / static_cast<long double>(divisor);
    magnitude += std::fabs(value) / static_cast<long double>(size);
    ++terms;
    if (size > largest_divisor) largest_divisor = size;
    by_powers_of_two = by_powers_of_two && size > 0 && (size & (size - 1)) == 0;
  }
};

inline Sum naive_average(const Problem& p, const Windows& windows, const double* plane, Place o) {
  Sum sum;
  const std::int64_t divisor = windows.divisor(p, o);
  windows.visit(o, [&](std::int64_t index, std::int64_t) { sum.add(plane[index], 1); });
  sum.exact /= static_cast<long double>(divisor);  // divided once; 0 / 0, of a window of nothing, is not a number
  sum.magnitude /= std::fabs(static_cast<long double>(divisor));
  sum.by_powers_of_two = divisor != 0 && (divisor & (divisor - 1)) == 0;
  return sum;
}

// The gradient of one plane's averages: each position gets a share of each window that reads it.
inline std::vector<Sum> naive_spread(const Problem& p, const Windows& windows, const double* plane) {
  std::vector<Sum> sums(static_cast<std::size_t>(windows.positions()));
  for (std::int64_t i = 0; i < windows.windows(); ++i) {
    const Place o = windows.window_at(i);
    const std::int64_t divisor = windows.divisor(p, o);
    windows.visit(o, [&](std::int64_t index, std::int64_t) {
      sums[static_cast<std::size_t>(index)].add(plane[i], divisor);
    });
  }
  return sums;
}

// The gradient of one plane's maxima: all of a window's goes to the element that was found. What an element gets is
// added up in row-major order of the windows, in V: float, or double for doubles.
template <class V>
std::vector<V> naive_scatter(const Windows& windows, const double* plane, const std::uint64_t* indices) {
  std::vector<V> sums(static_cast<std::size_t>(windows.positions()));
  for (std::int64_t i = 0; i < windows.windows(); ++i) {
    sums[static_cast<std::size_t>(indices[i])] += static_cast<V>(plane[i]);
  }
  return sums;
}

}  // namespace poolbench::pool
