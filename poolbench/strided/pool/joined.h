// Windows of 3 or 5 with stride 1 and as many outputs as inputs, over planes that lie behind each other: all their rows are
// one long row. Each vector of it takes in what lies above and below, and then what lies beside it in the vectors before and
// behind; masks leave out what belongs to another row or plane. They are alike in all planes, so they are worked out once.
// No lane is idle, however short the rows are. For AVX-512 alone, which has the masks.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

template <class O>
struct Joined {
  using Value = typename O::Value;
  using V = VecFor<O>;
  static constexpr const char* kName = "joined";
  static constexpr const char* kTakes =
      "stride 1 with as many outputs as inputs, windows of 3 and 5: all rows of planes of up to 512 vectors as one";
  static constexpr const char* kCost = "kd·kh + kw";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kN = O::kCount, kStep = kN * kSize;
  static constexpr std::int64_t kMostVectors = 512;  // of a period: 32 KiB of factors
  static constexpr std::int64_t kLeastVectors = 32;  // of planes that are taken together
  static constexpr std::int64_t kAlone = 8;          // vectors of a plane from which on the last one may be part of it
  static constexpr std::int64_t kLeastPeriods = 4;   // for which it pays to work the masks out
  static constexpr std::int64_t kMostDeep = 3;       // taps along d
  static constexpr int kMostReach = 2;               // elements of a window before its middle
  using Mask = typename Masked<sizeof(Value)>::Mask;

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize || !(O::kIsMax || has_short_sums(p))) return false;
    const bool is_square = is_same(p.h) && p.h.window == p.w.window && follows(p.h, p.w.positions * kSize);
    if (!is_same(p.w) || !(is_square || is_identity(p.h)) || p.w.positions < p.w.window) return false;
    if (p.w.window > 3 && p.w.positions % kN == 0) return false;  // rows that fill their vectors are as well walked down
    if (p.d.adaptive() || p.d.most_taps() > kMostDeep) return false;
    const Cut cut(p);
    return cut.vectors() <= kMostVectors && cut.lines * cut.planes >= kLeastPeriods * cut.together;
  }

  // A unit is a period.
  static std::int64_t units(const Plan& p) {
    const Cut cut(p);
    return cut.lines * cut.periods();
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Joined self(p);
    const bool is_flat = is_single(p.d);
    if (is_identity(p.h)) {
      if (p.w.window == 3) return self.template all<1, 3, false>(first, last);
      return self.template all<1, 5, false>(first, last);
    }
    if (p.w.window == 3) {
      return is_flat ? self.template all<3, 3, true>(first, last) : self.template all<3, 3, false>(first, last);
    }
    is_flat ? self.template all<5, 5, true>(first, last) : self.template all<5, 5, false>(first, last);
  }

 private:
  // The window's middle is its output's own position.
  static bool is_same(const Axis& axis) {
    return !axis.adaptive() && axis.stride == 1 && axis.dilation == 1 && axis.positions == axis.windows &&
           (axis.window == 3 || axis.window == 5) && axis.lo == axis.window / 2;
  }
  template <class Steps>
  static bool follows(const Steps& steps, std::int64_t extent) {
    return steps.in_step == extent && steps.out_step == extent;
  }

  // Which planes lie behind each other, in lines, and how many of them go together. Rows that are pooled by themselves are
  // planes of one row.
  struct Cut {
    std::int64_t rows, elements;  // of a plane
    std::int64_t planes, lines;   // of a line; lines
    std::int64_t together;        // planes of a period
    bool is_line;                 // whether the planes of a sample are one

    explicit Cut(const Plan& p) {
      rows = is_identity(p.h) ? 1 : p.h.positions;
      elements = rows * p.w.positions;
      is_line = rows > 1 && is_single(p.d) && follows(p.outer[1], elements * kSize);
      planes = is_line ? p.outer[1].count : rows > 1 || !follows(p.h, elements * kSize) ? 1 : p.h.positions;
      lines = is_line ? p.outer[0].count : rows > 1 ? plane_count(p) : plane_count(p) * p.h.positions / planes;
      together = 1;
      if (elements >= kAlone * kN) return;
      const std::int64_t whole = kN / std::gcd(elements, kN);  // planes that fill their vectors
      together = (kLeastVectors * kN + whole * elements - 1) / (whole * elements) * whole;
      together = std::min(together, planes);
    }
    std::int64_t periods() const { return (planes + together - 1) / together; }
    std::int64_t vectors() const { return (together * elements + kN - 1) / kN; }
  };

  // Which lanes of a vector take in what lies so many elements before and behind, and so many rows above and below.
  struct Masks {
    Mask before[kMostReach], behind[kMostReach], above[kMostReach], below[kMostReach];
  };

  explicit Joined(const Plan& plan) : p(plan), cut_(plan) {
    std::memset(masks_, 0xff, sizeof(Masks) * static_cast<std::size_t>(cut_.vectors()));
    const std::int64_t width = p.w.positions, reach = p.w.window / 2, rows = cut_.together * cut_.rows;
    for (int i = 0; i < reach; ++i) {
      for (std::int64_t row = 0; row < rows; ++row) {
        forbid(&Masks::before, i, row * width, row * width + i + 1);
        forbid(&Masks::behind, i, (row + 1) * width - i - 1, (row + 1) * width);
      }
      const std::int64_t beside = std::min<std::int64_t>(i + 1, cut_.rows) * width;
      for (std::int64_t at = 0; cut_.rows > 1 && at < rows * width; at += cut_.elements) {
        forbid(&Masks::above, i, at, at + beside);
        forbid(&Masks::below, i, at + cut_.elements - beside, at + cut_.elements);
      }
    }
    if (cut_.together == 1 && cut_.rows > 1) {
      whole_begin_ = (reach * width + kN - 1) / kN;
      whole_end_ = std::max((cut_.rows - reach) * width / kN, whole_begin_);
    }
    set_factors();
  }
  void forbid(Mask (Masks::*which)[kMostReach], int i, std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t first = begin % kN, count = std::min(kN - first, end - begin);
      Mask& mask = (masks_[begin / kN].*which)[i];
      mask = static_cast<Mask>(mask & ~(first_lanes(static_cast<int>(count)) << first));
      begin += count;
    }
  }

  // Those of a period, or one vector of them where all are alike.
  void set_factors() {
    if (O::kIsMax) return;
    const bool rows_differ = p.counts_h && cut_.rows > 1;
    counted_ = p.counts_w || rows_differ;
    const std::int64_t width = p.w.positions, rows = counted_ ? cut_.rows : 0, all = rows * width * cut_.together;
    for (std::int64_t x = 0; x < width; ++x) columns_[x] = p.counts_w ? p.factor(p.w, x) : 1.0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const double own = p.scale * (rows_differ ? p.factor(p.h, row) : 1.0);
      for (std::int64_t x = 0; x < width; ++x) factors_[row * width + x] = static_cast<Value>(own * columns_[x]);
    }
    for (std::int64_t at = cut_.elements; at < all; at += cut_.elements) {
      std::memcpy(factors_ + at, factors_, static_cast<std::size_t>(cut_.elements) * sizeof(Value));
    }
    // Lanes behind the last element are computed too, and garbage could be slow.
    std::fill_n(factors_ + all, kN, static_cast<Value>(p.scale));
  }

  template <int kDown, int kAcross, bool kFlat>
  void all(std::int64_t first, std::int64_t last) const {
    const std::int64_t periods = cut_.periods(), whole = cut_.planes / cut_.together;
    while (first < last) {
      const std::int64_t line = first / periods, period = first % periods, begin = period * cut_.together;
      const Plane plane = cut_.is_line ? plane_at(p, line * cut_.planes + begin) : rows_at(line, begin);
      // Whole periods that follow each other, and the one at the end of a line that is not whole.
      const std::int64_t now = period < whole ? std::min({whole - period, last - first, kMostVectors / cut_.vectors()}) : 1;
      const Part part(*this, plane, now, period < whole ? cut_.together : cut_.planes - begin);
      using Op = typename OfNumbers<O>::Op;
      if (!part.template run<Op, kDown, kAcross, kFlat>()) part.template run<O, kDown, kAcross, kFlat>();
      first += now;
    }
  }
  // A plane, or the first of some rows that are pooled by themselves.
  Plane rows_at(std::int64_t line, std::int64_t begin) const {
    if (cut_.rows > 1) return plane_at(p, line);
    const std::int64_t lines = p.h.positions / cut_.planes, row = line % lines + begin;
    Plane plane = plane_at(p, line / lines);
    plane.in += row * p.h.in_step;
    plane.out += row * p.h.out_step;
    return plane;
  }

  // What is done at once: some periods.
  struct Part {
    const Masks* masks;
    const Value* factors;
    std::int64_t factor_step;  // bytes
    std::int64_t whole_begin, whole_end;
    const char* in;
    char* out;
    std::int64_t periods, bytes, vectors;  // of each period
    Mask last;                             // which lanes of its last vector are there
    std::int64_t deep, deep_step, row_step;
    V deep_factor;

    Part(const Joined& all, const Plane& plane, std::int64_t count, std::int64_t planes)
        : masks(all.masks_), factors(all.factors_), factor_step(all.counted_ ? kBytes : 0), whole_begin(all.whole_begin_),
          whole_end(all.whole_end_), in(plane.in), out(plane.out), periods(count),
          deep_step(all.p.d.dilation * all.p.d.in_step), row_step(all.p.w.positions * kSize) {
      const std::int64_t elements = planes * all.cut_.elements;
      bytes = elements * kSize;
      vectors = (elements + kN - 1) / kN;
      last = static_cast<Mask>(static_cast<Mask>(-1) >> (vectors * kN - elements));
      const Axis::Taps taps = all.p.d.taps(plane.od);
      deep = taps.count;
      in += taps.first * all.p.d.in_step;
      const double own = O::kIsMax || !all.p.counts_d ? 1.0 : all.p.factor(all.p.d, plane.od);
      deep_factor = fill_vec<Value>(static_cast<Value>(own));
    }

    // Returns whether the outputs are right: maxima are taken as if no element were NaN.
    template <class Op, int kDown, int kAcross, bool kFlat>
    __attribute__((noinline)) bool run() const {
      constexpr int kReach = kAcross / 2, kReachDown = kDown / 2;
      DoubtOf<Op> doubt;
      const Part own = *this;  // what is stored could change members
      const std::int64_t end = own.vectors - 1, factor_bytes = own.factor_step;
      const std::int64_t whole_from = std::clamp<std::int64_t>(own.whole_begin - 1, 0, std::max<std::int64_t>(end - 1, 0));
      const std::int64_t whole_to = std::min(own.whole_end, end) - 1, row_bytes = own.row_step;
      const char* from = own.in;
      char* to = own.out;
      const Masks* mask;
      const char* factor_at;
      // The column of each lane: of its own element, of those above and below, and of those along d.
      const auto column = [&](auto is_whole, auto is_last, const Masks& there) __attribute__((always_inline)) {
        const char* at = from;
        V all = O::neutral();
        for (std::int64_t z = 0; z < (kFlat ? 1 : own.deep); ++z, at += own.deep_step) {
          const V fresh = is_last.value ? O::load_masked(at, own.last) : O::load(at);
          doubt.see(fresh);
          all = kFlat || z == 0 ? fresh : Op::combine(all, fresh);
#pragma GCC unroll 2
          for (int r = 0; r < kReachDown; ++r) {
            const char *const above = at - (r + 1) * row_bytes, *const below = at + (r + 1) * row_bytes;
            if constexpr (is_whole.value) {
              all = Op::combine(Op::combine(all, O::load(above)), O::load(below));
            } else {
              const Mask some = is_last.value ? own.last : static_cast<Mask>(-1);
              all = take_in<Op>(all, there.above[r] & some, above);
              all = take_in<Op>(all, there.below[r] & some, below);
            }
          }
        }
        from += kStep;
        return all;
      };
      V before{}, here, behind{};
      const auto window = [&]() __attribute__((always_inline)) {
        V all = here;
        all = combine_lanes<Op>(all, mask->before[0], lanes_before<1>(before, here));
        all = combine_lanes<Op>(all, mask->behind[0], lanes_behind<1>(here, behind));
        if constexpr (kReach == 2) {
          all = combine_lanes<Op>(all, mask->before[1], lanes_before<2>(before, here));
          all = combine_lanes<Op>(all, mask->behind[1], lanes_behind<2>(here, behind));
        }
        return all;
      };
      const auto factor = [&]() __attribute__((always_inline)) {
        if constexpr (O::kIsMax) return V{};
        const V own_factor = load_vec<Value>(factor_at);
        return kFlat ? own_factor : own_factor * own.deep_factor;
      };
      const auto next = [&](auto is_whole, auto is_last) __attribute__((always_inline)) {
        behind = column(is_whole, is_last, mask[1]);
        O::store(to, window(), factor());
        before = here;
        here = behind;
        ++mask;
        to += kStep;
        factor_at += factor_bytes;
      };
      for (std::int64_t period = 0; period < own.periods; ++period) {
        from = own.in + period * own.bytes;
        to = own.out + period * own.bytes;
        mask = own.masks;
        factor_at = reinterpret_cast<const char*>(own.factors);
        here = end > 0 ? column(std::false_type{}, std::false_type{}, *mask) : column(std::false_type{}, std::true_type{}, *mask);
        std::int64_t i = 0;
        for (; i < whole_from; ++i) next(std::false_type{}, std::false_type{});
        for (; i < whole_to; ++i) next(std::true_type{}, std::false_type{});
        for (; i + 1 < end; ++i) next(std::false_type{}, std::false_type{});
        if (end > 0) next(std::false_type{}, std::true_type{});
        O::store_masked(to, window(), factor(), own.last);
      }
      return doubt.is_sure();
    }

   private:
    template <class Op>
    static POOL_INLINE V take_in(V known, Mask mask, const char* at) {
      if constexpr (!O::kIsMax) return Op::combine(known, O::load_masked(at, mask));
      return combine_lanes<Op>(known, mask, O::load_some(at, mask));
    }
    // The lanes that lie so many elements before those of `here`, or behind them.
    template <int kBy>
    static POOL_INLINE V lanes_before(V before, V here) {
      constexpr int kBytesBy = kBy * static_cast<int>(sizeof(Value));
      if constexpr (sizeof(Value) >= 4) return (V)_mm512_maskz_alignr_epi32(0xffff, (__m512i)here, (__m512i)before, 16 - kBytesBy / 4);
      const __m512i quarters = _mm512_maskz_alignr_epi32(0xffff, (__m512i)here, (__m512i)before, 12);
      return (V)_mm512_maskz_alignr_epi8(~std::uint64_t{0}, (__m512i)here, quarters, 16 - kBytesBy % 16);
    }
    template <int kBy>
    static POOL_INLINE V lanes_behind(V here, V behind) {
      constexpr int kBytesBy = kBy * static_cast<int>(sizeof(Value));
      if constexpr (sizeof(Value) >= 4) return (V)_mm512_maskz_alignr_epi32(0xffff, (__m512i)behind, (__m512i)here, kBytesBy / 4);
      const __m512i quarters = _mm512_maskz_alignr_epi32(0xffff, (__m512i)behind, (__m512i)here, 4);
      return (V)_mm512_maskz_alignr_epi8(~std::uint64_t{0}, quarters, (__m512i)here, kBytesBy % 16);
    }
  };

  const Plan& p;
  const Cut cut_;
  std::int64_t whole_begin_ = 0, whole_end_ = 0;  // vectors whose windows lie in the plane along h
  bool counted_ = false;
  Masks masks_[kMostVectors];
  double columns_[O::kIsMax ? 1 : kMostVectors * kN];
  alignas(64) Value factors_[O::kIsMax ? 1 : kMostVectors * kN + kN];
};

POOL_END
