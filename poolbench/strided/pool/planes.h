// Pooling of many small planes at once, one in each lane: a block of elements of as many planes as a vector has lanes is
// turned, so that a vector holds one place of all of them; windows are then combined place by place, whatever their
// shape, without any thought of where rows end; and the outputs are turned back. For AVX-512 alone, whose registers can
// hold such a block.
#pragma once

#include "pool/direct.h"
#include "simd/turn.h"

POOL_BEGIN

// How a window's places are combined: the type of the lanes, and of what gathers them.

// Averages of few elements.
template <class S>
struct SumOfLanes {
  using Lane = typename InOrder<S>::Value;
  Vec<Lane> sum;
  POOL_INLINE void first(const Lane* at) { sum = load_vec<Lane>(at); }
  POOL_INLINE void more(const Lane* at) { sum += load_vec<Lane>(at); }
  POOL_INLINE void nothing() { sum = Vec<Lane>{}; }
  POOL_INLINE Vec<Lane> result(const Divider<Lane>& divider) const { return divider.divide(sum); }
};

// Maxima.
template <class S>
struct MaxOfLanes {
  using Lane = S;
  Vec<S> largest;
  POOL_INLINE void first(const S* at) { largest = load_vec<S>(at); }
  POOL_INLINE void more(const S* at) { largest = larger<S>(largest, load_vec<S>(at)); }
  POOL_INLINE void nothing() { largest = Max<S>::neutral(); }
  POOL_INLINE Vec<S> result(const Divider<S>&) const { return largest; }
};

template <class O>
struct Planes {
  using Stored = typename O::Stored;
  using Loads = InOrder<Stored>;
  using Lane = typename Loads::Value;
  static constexpr const char* kName = "planes";
  static constexpr const char* kTakes =
      "many small planes, one in each lane, turned in registers: averages of few elements, maxima with strides above 1";
  static constexpr const char* kCost = "kd·kh·kw, and 7 for each element";
  static constexpr std::int64_t kSize = sizeof(Stored);
  static constexpr std::int64_t kN = kLanes<Lane>;
  static constexpr std::int64_t kMostPlaces = 576;   // that are turned at once: 36 KiB
  static constexpr std::int64_t kMostColumns = 96;   // outputs along w
  static constexpr std::int64_t kMostDown = 64;      // rows of a window, along d and h
  static constexpr std::int64_t kShortRow = 12;      // outputs along w up to which it pays for windows of few elements
  static constexpr std::int64_t kFewPlaces = 2;      // that are gathered one by one: less work than turning them

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize) return false;
    if (!follows(p.h.positions, p.h.in_step, p.w.positions * kSize) ||
        !follows(p.d.positions, p.d.in_step, p.h.positions * p.w.positions * kSize))
      return false;
    if (!follows(p.h.windows, p.h.out_step, p.w.windows * kSize)) return false;
    if (!follows(p.d.windows, p.d.out_step, p.h.windows * p.w.windows * kSize)) return false;
    if (p.outer[0].count * p.outer[1].count < kN / 2 || p.w.windows > kMostColumns) return false;
    if (p.d.most_taps() * p.h.most_taps() > kMostDown) return false;
    return band_rows(p) > 0 && pays(p);
  }

  // A unit is a band of rows of as many planes as there are lanes.
  static std::int64_t units(const Plan& p) { return groups(p) * bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Planes self(p);
    if constexpr (O::kIsMax) {
      self.template with_taps<MaxOfLanes<Stored>, Lane>(first, last);
    } else {
      self.template with_taps<SumOfLanes<Stored>, Lane>(first, last);
    }
  }

 private:
  static bool follows(std::int64_t count, std::int64_t step, std::int64_t extent) {
    return count == 1 || step == extent;
  }

  // Where it was measured to be faster than the engines behind it in the list: turning costs as much as seven taps of
  // each element, so outputs must be few or rows too short for the others.
  static bool pays(const Plan& p) {
    if (p.w.adaptive()) return false;
    if (!O::kIsMax) return has_few_elements(p) && p.w.windows <= kShortRow;
    if (p.w.windows > kShortRow * 2 / 3 || bands(p) > 1) return false;
    return p.w.stride > 1 && (p.w.window > p.w.stride || p.w.windows <= 4);
  }

  static std::int64_t groups(const Plan& p) { return (p.outer[0].count * p.outer[1].count + kN - 1) / kN; }

  // Whether there is room for a plane as a whole, what no window reads included.
  static bool has_room(const Plan& p) { return p.d.positions * p.h.positions * p.w.positions <= kMostPlaces; }

  // Output rows of a band: all, or as many as what they read can be turned at once. 0 where there is no such number.
  static std::int64_t band_rows(const Plan& p) {
    if (has_room(p)) return p.h.windows;
    if (!is_single(p.d) || p.h.adaptive()) return 0;
    const std::int64_t rows = kMostPlaces / p.w.positions, reach = (p.h.window - 1) * p.h.dilation + 1;
    return rows < reach ? 0 : (rows - reach) / p.h.stride + 1;
  }
  static std::int64_t bands(const Plan& p) { return (p.h.windows + band_rows(p) - 1) / band_rows(p); }

  explicit Planes(const Plan& plan) : p(plan), bands_(bands(plan)) {
    for (std::int64_t o = 0; o < p.w.windows; ++o) {
      const Axis::Taps taps = p.w.taps(o);
      first_[o] = static_cast<std::int32_t>(taps.first * kN);
      count_[o] = static_cast<std::int32_t>(taps.count);
    }
    if (!p.w.adaptive()) p.w.inside(inside_begin_, inside_end_);
    const std::int64_t step = p.outer[1].in_step;
    gathers_ = std::abs(step) < (std::int64_t{1} << 31) / kN;
    for (std::int64_t i = 0; i < kN; ++i) steps_[i] = gathers_ ? static_cast<std::int32_t>(i * step) : 0;
    const std::int64_t outputs = p.d.windows * p.h.windows * p.w.windows;
    interleaves_ = bands_ == 1 && outputs < kN && p.outer[1].out_step == outputs * kSize;
    divisor_ = divisor_of(p);
  }

  template <class Sum, class Value>
  void with_taps(std::int64_t first, std::int64_t last) {
    switch (p.w.window) {
      case 2: all<Sum, Value, 2>(first, last); break;
      case 3: all<Sum, Value, 3>(first, last); break;
      case 5: all<Sum, Value, 5>(first, last); break;
      default: all<Sum, Value, 0>(first, last);
    }
  }

  template <class Sum, class Value, int kTaps>
  void all(std::int64_t first, std::int64_t last) {
    for (; first < last; ++first) {
      const std::int64_t band = first % bands_;
      list_planes(first / bands_ * kN);
      const std::int64_t begin = band * p.h.windows / bands_, end = (band + 1) * p.h.windows / bands_;
      if (has_room(p)) {
        first_row_ = 0;
        turn_in(0, p.d.positions * p.h.positions * p.w.positions);
      } else {  // windows may lie in the padding as a whole
        const std::int64_t reach = (p.h.window - 1) * p.h.dilation + 1;
        first_row_ = std::clamp<std::int64_t>(begin * p.h.stride - p.h.lo, 0, p.h.positions);
        const std::int64_t behind = std::clamp<std::int64_t>((end - 1) * p.h.stride - p.h.lo + reach, 0, p.h.positions);
        turn_in(first_row_ * p.w.positions, (behind - first_row_) * p.w.positions);
      }
      held_ = 0;
      to_ = begin * p.w.windows;
      for (std::int64_t od = 0; od < p.d.windows; ++od) {
        for (std::int64_t oh = begin; oh < end; ++oh) row<Sum, Value, kTaps>(od, oh);
      }
      if (held_ > 0) turn_out();
    }
  }

  void list_planes(std::int64_t plane) {
    planes_ = static_cast<int>(std::min(kN, p.outer[0].count * p.outer[1].count - plane));
    std::int64_t c = plane % p.outer[1].count, n = plane / p.outer[1].count;
    alike_ = c + planes_ <= p.outer[1].count && planes_ == kN;
    for (std::int64_t i = 0; i < kN; ++i) {
      in_[i] = p.in + n * p.outer[0].in_step + c * p.outer[1].in_step;
      out_[i] = p.out + n * p.outer[0].out_step + c * p.outer[1].out_step;
      if (i + 1 >= planes_) continue;  // lanes without a plane do the last one's work again
      if (++c == p.outer[1].count) c = 0, ++n;
    }
  }

  // Places [from, from + count) of all planes, a vector for each.
  void turn_in(std::int64_t from, std::int64_t count) {
    const std::int64_t whole = count >= kN ? count : 0;
    std::int64_t x = 0;
    while (x < whole) {
      if (count - x <= kFewPlaces && alike_ && gathers_) {
        for (; x < count; ++x) gather(from + x, turned_ + x * kN);
        break;
      }
      Vec<Lane> block[kN];
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) block[i] = Loads::load(in_[i] + (from + x) * kSize);
      Turn<Lane>::run(block);
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) store_vec<Lane>(turned_ + (x + i) * kN, block[i]);
      if (x + kN == count) break;
      x += kN;
      if (count - x > kFewPlaces || !alike_ || !gathers_) x = std::min(x, count - kN);  // some places are turned twice
    }
    if (whole > 0 || count == 0) return;
    Vec<Lane> block[kN];
    const std::uint64_t mask = (std::uint64_t{1} << count) - 1;
    for (int i = 0; i < kN; ++i) block[i] = Loads::load_masked(in_[i] + from * kSize, mask);
    Turn<Lane>::run(block);
    for (int i = 0; i < kN; ++i) store_vec<Lane>(turned_ + i * kN, block[i]);
  }

  // One place of planes that are equally far from each other.
  void gather(std::int64_t place, Lane* to) const {
    if constexpr (std::is_same_v<Stored, float>) {
      const __m512i steps = _mm512_loadu_si512(steps_);
      const __m512 values = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), 0xffff, steps, in_[0] + place * kSize, 1);
      store_vec<Lane>(to, (Vec<Lane>)values);
    } else {
      for (int i = 0; i < kN; ++i) to[i] = O::load_one(in_[i] + place * kSize);
    }
  }

  // The outputs that are held back, to all planes.
  void turn_out() {
    if (interleaves_ && alike_) {
      switch (held_) {
        case 1: interleave_out<1>(); return;
        case 2: interleave_out<2>(); return;
        case 4: interleave_out<4>(); return;
        case 8: interleave_out<8>(); return;
      }
    }
    Vec<Lane> block[kN];
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) block[i] = load_vec<Lane>(results_ + i * kN);
    Turn<Lane>::run(block);
    if (held_ == kN && planes_ == kN) {
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) Loads::store(out_[i] + to_ * kSize, block[i]);
    } else {
      const std::uint64_t mask = (std::uint64_t{1} << held_) - 1;
      for (int i = 0; i < kN; ++i) store_vec<Lane>(results_ + i * kN, block[i]);
      for (int i = 0; i < planes_; ++i) {
        Loads::store_masked(out_[i] + to_ * kSize, load_vec<Lane>(results_ + i * kN), mask);
      }
    }
    to_ += held_;
    held_ = 0;
  }

  // All outputs of planes whose outputs follow each other.
  template <int kCount>
  void interleave_out() {
    Vec<Lane> block[kCount];
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) block[i] = load_vec<Lane>(results_ + i * kN);
    interleave<Lane, kCount>(block);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) Loads::store(out_[0] + i * kN * kSize, block[i]);
    held_ = 0;
  }

  // Where the taps of an output are in `turned_`: `planes` × `rows` × `columns` of them.
  struct Window {
    const Lane* at;
    std::int64_t plane_step, row_step, step;
    std::int64_t planes, rows, columns;
  };

  template <class Sum, class Value, int kTaps>
  POOL_INLINE void row(std::int64_t od, std::int64_t oh) {
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    Window window{};
    window.plane_step = p.d.dilation * p.h.positions * p.w.positions * kN;
    window.row_step = p.h.dilation * p.w.positions * kN;
    window.step = p.w.dilation * kN;
    window.planes = d.count;
    window.rows = h.count;
    const Lane* base = turned_ + ((d.first * p.h.positions + h.first - first_row_) * p.w.positions) * kN;
    double divisor = divisor_;
    if (p.counts_d) divisor *= static_cast<double>(p.counted(p.d, od));
    if (p.counts_h) divisor *= static_cast<double>(p.counted(p.h, oh));
    Divider<Value> divider(p.counts_w ? divisor * static_cast<double>(p.w.window) : divisor);
    const bool plain = kTaps > 0 && p.w.dilation == 1 && d.count == 1 && h.count == kTaps;
    for (std::int64_t ow = 0; ow < p.w.windows;) {
      if (plain && ow >= inside_begin_ && ow < inside_end_) {
        const std::int64_t now = std::min(inside_end_ - ow, kN - held_);
        const Lane* at = base + (ow * p.w.stride - p.w.lo) * kN;
        Lane* to = results_ + held_ * kN;
        for (std::int64_t i = 0; i < now; ++i, at += p.w.stride * kN, to += kN) {
          store_vec<Lane>(to, plain_window<Sum, kTaps>(at, window.row_step).result(divider));
        }
        ow += now;
        held_ += now;
      } else {
        window.at = base + first_[ow];
        window.columns = count_[ow];
        const Sum sum = any_window<Sum>(window);
        Lane* to = results_ + held_ * kN;
        if (p.counts_w) {
          store_vec<Lane>(to, sum.result(Divider<Value>(divisor * static_cast<double>(p.counted(p.w, ow)))));
        } else {
          store_vec<Lane>(to, sum.result(divider));
        }
        ++ow;
        ++held_;
      }
      if (held_ == kN) turn_out();
    }
  }

  // A square window without gaps.
  template <class Sum, int kTaps>
  static POOL_INLINE Sum plain_window(const Lane* at, std::int64_t row_step) {
    Sum sum;
    sum.first(at);
#pragma GCC unroll 5
    for (int r = 0; r < kTaps; ++r) {
#pragma GCC unroll 5
      for (int t = r == 0 ? 1 : 0; t < kTaps; ++t) sum.more(at + r * row_step + t * kN);
    }
    return sum;
  }

  template <class Sum>
  static POOL_INLINE Sum any_window(const Window& window) {
    Sum sum;
    sum.nothing();
    const Lane* plane = window.at;
    for (std::int64_t i = 0; i < window.planes; ++i, plane += window.plane_step) {
      const Lane* row = plane;
      for (std::int64_t j = 0; j < window.rows; ++j, row += window.row_step) {
        const Lane* at = row;
        for (std::int64_t t = 0; t < window.columns; ++t, at += window.step) sum.more(at);
      }
    }
    return sum;
  }

  const Plan& p;
  const std::int64_t bands_;
  int planes_ = 0;             // of the group: one in each of the first lanes
  bool alike_ = false;         // as many as lanes, all equally far from each other
  bool gathers_ = false;       // so near each other that one instruction can gather from them
  bool interleaves_ = false;   // a plane's outputs are so few that they are held back as a whole, and follow each other
  std::int64_t first_row_ = 0; // of the input, that is turned
  std::int64_t held_ = 0, to_ = 0;
  std::int64_t inside_begin_ = 0, inside_end_ = 0;
  const char* in_[kN];
  char* out_[kN];
  std::int32_t first_[kMostColumns], count_[kMostColumns];
  std::int32_t steps_[kN];
  double divisor_;  // but for what differs along an axis
  alignas(kBytes) Lane results_[kN * kN];
  alignas(kBytes) Lane turned_[kMostPlaces * kN];
};

POOL_END
