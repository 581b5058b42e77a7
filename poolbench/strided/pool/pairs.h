// Pooling of contiguous rows whose windows share no columns: rows of a window are combined as they lie, and neighbours
// along w in registers, pair by pair. For AVX2 alone: with AVX-512 `stripes` and `direct` do the same for less.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

template <class O>
struct Pairs {
  using Value = typename O::Value;
  using V = VecFor<O>;
  static constexpr const char* kName = "pairs";
  static constexpr const char* kTakes =
      "contiguous rows of a vector of outputs and more, whose windows are two or four columns side by side";
  static constexpr const char* kCost = "kd·kh + kw / 2";
  static constexpr std::int64_t kSize = sizeof(Value);
  static constexpr int kN = O::kCount;
  static constexpr std::int64_t kMostTall = 16;  // rows of a window

  static bool fits(const Plan& p) {
    const Axis& w = p.w;
    const bool has_loop = w.stride == w.window && (w.window == 2 || w.window == 4);
    return p.inner == 1 && !w.adaptive() && w.dilation == 1 && has_loop && w.in_step == kSize && w.out_step == kSize &&
           w.windows >= kN && w.positions >= kN && p.d.most_taps() * p.h.most_taps() <= kMostTall &&
           (O::kIsMax || has_short_sums(p));
  }
  static std::int64_t units(const Plan& p) { return plane_count(p) * p.h.windows; }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const Pairs self(p);
    p.w.window == 2 ? self.rows<2>(first, last) : self.rows<4>(first, last);
  }

 private:
  explicit Pairs(const Plan& plan) : p(plan) {
    if (O::kIsMax || !p.counts_w) return;
    across_ = 1.0 / static_cast<double>(p.w.window);
    for (int i = 0; i < kN; ++i) {
      at_first_[i] = static_cast<Value>(p.factor(p.w, i));
      at_last_[i] = static_cast<Value>(p.factor(p.w, p.w.windows - kN + i));
    }
  }

  template <int kTaps>
  void rows(std::int64_t first, std::int64_t last) const {
    using Op = typename OfNumbers<O>::Op;
    const std::int64_t bytes = p.w.windows * kSize, step = p.h.stride * p.h.in_step;
    const bool is_dense = p.h.windows == 1 || p.h.out_step == bytes;
    RowSink sink(is_dense ? plane_count(p) * p.h.windows * bytes : 0, true);
    // Not where rows are left out: what is asked for lies behind each other.
    Ahead ahead(input_bytes(p, kSize) >= kStreamedBytes && p.h.stride <= p.h.window);
    std::int64_t inside_begin = 0, inside_end = 0, count = 0;
    if (!p.h.adaptive()) p.h.inside(inside_begin, inside_end);
    Plane plane = plane_at(p, first / p.h.windows);
    std::int64_t oh = first % p.h.windows;
    const char* list[kMostTall];
    bool is_next = false;  // whether the row before this one, of the same plane, was listed, and read no padding
    for (; first < last; ++first) {
      const bool is_inside = oh >= inside_begin && oh < inside_end;
      if (is_next && is_inside) {
        for (std::int64_t i = 0; i < count; ++i) list[i] += step;
      } else {
        const WindowRows window(p, plane.in, p.d.taps(plane.od), p.h.taps(oh));
        window.list(list);
        count = window.count();
      }
      is_next = is_inside;
      char* const to = sink.at(plane.out + oh * p.h.out_step, bytes);
      const double scale = O::kIsMax ? 0 : p.row_factor(plane.od, oh);
      if (count == 0) {
        combine_nothing<O>(p.w.windows, ToOutput<O>{to, fill_vec<Value>(static_cast<Value>(scale * across_))});
      } else {
        ahead.come_to(list[count - 1]);
        const bool is_sure = count == 1   ? row<Op, kTaps, 1>(list, count, to, scale)
                             : count == 2 ? row<Op, kTaps, 2>(list, count, to, scale)
                                          : row<Op, kTaps, 0>(list, count, to, scale);
        if (!is_sure) row<O, kTaps, 0>(list, count, to, scale);
      }
      if (++oh == p.h.windows) {
        oh = 0;
        is_next = false;
        next_plane(p, plane);
      }
    }
  }

  // Returns whether the outputs are right: not where `Op` takes no NaN, and one was there.
  template <class Op, int kTaps, int kRows>
  bool row(const char* const* list, std::int64_t count, char* to, double scale) const {
    const std::int64_t windows = p.w.windows, last_inside = p.w.positions - kTaps * kN;
    const V factor = O::kIsMax ? V{} : fill_vec<Value>(static_cast<Value>(scale * across_));
    DoubtOf<Op> doubt;
    const auto next = [&](std::int64_t o, V by) __attribute__((always_inline)) {
      const std::int64_t x = o * kTaps - p.w.lo;
      const auto inside = [&](std::int64_t at) __attribute__((always_inline)) {
        return down<Op, kRows>(list, count, at, doubt);
      };
      V all;
      if (__builtin_expect(x >= 0 && x <= last_inside, 1)) {
        all = across<Op, kTaps>(inside, x);
      } else {
        all = across<Op, kTaps>([&](std::int64_t at) __attribute__((always_inline)) {
          const std::int64_t near = std::clamp<std::int64_t>(at, 0, p.w.positions - kN);
          if (at == near) return inside(at);
          return at >= p.w.positions ? O::neutral() : shifted(inside(near), static_cast<int>(at - near));
        }, x);
      }
      O::store(to + o * kSize, all, by);
    };
    std::int64_t o = 0;
    if (p.counts_w && windows > kN) {
      next(0, factor_of(at_first_, scale, factor));
      o = kN;
    }
    for (const std::int64_t end = p.counts_w ? windows - 1 : windows; o + kN <= end; o += kN) next(o, factor);
    // The last one overlaps with the one before it. It has all windows that reach beyond the end of the row.
    if (o < windows) next(windows - kN, factor_of(at_last_, scale, factor));
    return doubt.is_sure();
  }

  // A vector of outputs whose windows begin at position x; `down` gives the columns of a vector of positions.
  template <class Op, int kTaps, class Down>
  static POOL_INLINE V across(Down down, std::int64_t x) {
    const V low = in_pairs<Op>(down(x), down(x + kN));
    if constexpr (kTaps == 2) return low;
    else return in_pairs<Op>(low, in_pairs<Op>(down(x + 2 * kN), down(x + 3 * kN)));
  }
  template <class Op>
  static POOL_INLINE V in_pairs(V low, V high) {
    return halves_in_order<Value>(Op::combine(even_of_halves<Value>(low, high), odd_of_halves<Value>(low, high)));
  }

  // The rows of a window, combined as they lie.
  template <class Op, int kRows>
  static POOL_INLINE V down(const char* const* list, std::int64_t count, std::int64_t x, DoubtOf<Op>& doubt) {
    V all = O::load(list[0] + x * kSize);
    if constexpr (kRows > 0) {
      V fresh[kRows] = {all};
#pragma GCC unroll 2
      for (int i = 1; i < kRows; ++i) {
        fresh[i] = O::load(list[i] + x * kSize);
        all = Op::combine(all, fresh[i]);
      }
      doubt.template see<kRows>(fresh);
    } else {
      doubt.see(all);
      for (std::int64_t i = 1; i < count; ++i) {
        const V fresh = O::load(list[i] + x * kSize);
        doubt.see(fresh);
        all = Op::combine(all, fresh);
      }
    }
    return all;
  }

  // The lanes from the by-th on, or behind as many that lie outside the row.
  static POOL_INLINE V shifted(V lanes, int by) {
    constexpr int kWords = static_cast<int>(kSize) / 4;
    const Vec<std::int32_t> own = {0, 1, 2, 3, 4, 5, 6, 7}, from = own + by * kWords;
    const auto there = (from >= 0) & (from < kN * kWords);
    const auto moved = (Vec<std::int32_t>)_mm256_permutevar8x32_epi32((__m256i)lanes, (__m256i)from);
    return (V)(there ? moved : (Vec<std::int32_t>)O::neutral());
  }

  V factor_of(const Value* lanes, double scale, V factor) const {
    if (O::kIsMax || !p.counts_w) return factor;
    return load_vec<Value>(lanes) * fill_vec<Value>(static_cast<Value>(scale));
  }

  const Plan& p;
  double across_ = 1;  // what an average is multiplied with along w where all columns of its window count
  Value at_first_[kN], at_last_[kN];
};

POOL_END
