// The reference: pooling as it is defined, a loop over the taps of each output. It shares nothing with the kernels but
// the Problem, and works on values that somebody else has read: double for the floats, int64 for the integers.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "problem.h"

namespace poolbench::pool {

// What each output of one axis reads. Axis::taps says the same in closed form, which is why it isn't asked here.
class Reads {
 public:
  explicit Reads(const Axis& axis) {
    for (std::int64_t o = 0; o < axis.out; ++o) {
      begins_.push_back(static_cast<std::int64_t>(positions_.size()));
      std::int64_t counted = 0;
      if (axis.adaptive()) {
        for (std::int64_t at = 0; at < axis.in; ++at) {  // at >= floor(o * in / out) and at < ceil((o + 1) * in / out)
          if ((at + 1) * axis.out <= o * axis.in || at * axis.out >= (o + 1) * axis.in) continue;
          positions_.push_back(at);
          ++counted;
        }
      } else {
        for (std::int64_t tap = 0; tap < axis.window; ++tap) {
          const std::int64_t at = o * axis.stride - axis.lo + tap * axis.dilation;
          if (at >= 0 && at < axis.in) positions_.push_back(at);
          if (at < axis.in + axis.hi) ++counted;  // what hangs over the padding is never counted
        }
      }
      counted_.push_back(counted);
    }
    begins_.push_back(static_cast<std::int64_t>(positions_.size()));
  }

  const std::int64_t* begin(std::int64_t o) const { return positions_.data() + begins_[static_cast<std::size_t>(o)]; }
  const std::int64_t* end(std::int64_t o) const { return begin(o + 1); }
  std::int64_t count(std::int64_t o) const { return end(o) - begin(o); }
  std::int64_t counted(std::int64_t o) const { return counted_[static_cast<std::size_t>(o)]; }
  std::int64_t all() const { return static_cast<std::int64_t>(positions_.size()); }

 private:
  std::vector<std::int64_t> begins_, positions_, counted_;
};

// Where an output is in its plane.
struct Place {
  std::int64_t d, h, w;
};

template <class V>
struct Maximum {
  V value;
  std::int64_t index;  // within the plane
};

// Padding never wins, the first of equals does, and the last NaN. A window without taps has the index -1.
template <class V>
Maximum<V> naive_max(const Problem& p, const Reads (&reads)[3], const V* plane, Place o) {
  Maximum<V> best{V{}, -1};
  for (const std::int64_t* d = reads[0].begin(o.d); d != reads[0].end(o.d); ++d) {
    for (const std::int64_t* h = reads[1].begin(o.h); h != reads[1].end(o.h); ++h) {
      for (const std::int64_t* w = reads[2].begin(o.w); w != reads[2].end(o.w); ++w) {
        const std::int64_t index = (*d * p.axes[1].in + *h) * p.axes[2].in + *w;
        const V value = plane[index];
        const bool nan = value != value;
        if (best.index < 0 || nan || value > best.value) best = {value, index};
      }
    }
  }
  return best;
}

struct Average {
  long double exact;      // not yet rounded to the type
  long double magnitude;  // of the absolute values: the scale of what rounding a sum may lose
  std::int64_t taps;
  std::int64_t divisor;
};

inline Average naive_average(const Problem& p, const Reads (&reads)[3], const double* plane, Place o) {
  long double sum = 0;
  long double magnitude = 0;
  for (const std::int64_t* d = reads[0].begin(o.d); d != reads[0].end(o.d); ++d) {
    for (const std::int64_t* h = reads[1].begin(o.h); h != reads[1].end(o.h); ++h) {
      for (const std::int64_t* w = reads[2].begin(o.w); w != reads[2].end(o.w); ++w) {
        const double value = plane[(*d * p.axes[1].in + *h) * p.axes[2].in + *w];
        sum += value;
        magnitude += std::fabs(value);
      }
    }
  }
  const std::int64_t taps = reads[0].count(o.d) * reads[1].count(o.h) * reads[2].count(o.w);
  const std::int64_t counted = reads[0].counted(o.d) * reads[1].counted(o.h) * reads[2].counted(o.w);
  const std::int64_t divisor = p.divisor != 0 ? p.divisor : p.include_padding ? counted : taps;
  const long double scale = static_cast<long double>(divisor);
  // A window without taps whose padding doesn't count has no average: not a number, as 0 / 0 is.
  if (divisor == 0) return {std::numeric_limits<long double>::quiet_NaN(), 0, taps, divisor};
  return {sum / scale, magnitude / std::fabs(scale), taps, divisor};
}

}  // namespace poolbench::pool
