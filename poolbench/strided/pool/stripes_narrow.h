// Pooling of contiguous rows in small windows, for AVX2: a stripe as wide as a vector of outputs walks down the plane.
// Each row is loaded once for all windows that lie above each other, and what was found along w stays in registers while
// they read it. Neighbours along w are loaded from where they begin, or brought together by pairs. With AVX-512,
// stripes.h does it with permutations by variable, which AVX2 has not.
#pragma once

#include "simd/combine.h"
#include "simd/narrow_stripes.h"

POOL_BEGIN

template <class O>
struct PoolNarrow {
  using Value = typename O::Value;
  using V = VecFor<O>;
  using L = NarrowStripes<Value>;
  using Mask = typename L::Mask;
  static constexpr const char* kName = "stripes";
  static constexpr const char* kTakes =
      "contiguous rows and windows of up to three or five to a side, walked down in stripes of a vector each";
  static constexpr const char* kCost = "kd·kh / sh + kw";
  static constexpr std::int64_t kSize = L::kSize, kN = L::kN;
  static constexpr std::int64_t kMostDeep = 3;  // taps along d

  static bool fits(const Plan& p) {
    if (!L::fits(p) || p.d.most_taps() > kMostDeep || !(O::kIsMax || has_short_sums(p))) return false;
    return (L::loop_of(p) != L::kBy1Of5 || is_single(p.d)) && pays(p);
  }

  // A unit is a band of rows of a plane.
  static std::int64_t units(const Plan& p) { return plane_count(p) * L::bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    PoolNarrow self(p);
    switch (L::loop_of(p)) {
      case L::kBy2Of1:
        return p.h.stride == 1 ? self.template flat_or_deep<2, 1, 1, 1>(first, last)
                               : self.template flat_or_deep<2, 1, 2, 1>(first, last);
      case L::kBy1Of3: return self.template flat_or_deep<1, 3, 1, 3>(first, last);
      case L::kBy1Of5: return self.template rows<typename L::template Window<1, 5, 1, 5, true>>(first, last);
      case L::kBy2Of2: return self.template flat_or_deep<2, 2, 2, 2>(first, last);
      case L::kBy2Of3: return self.template flat_or_deep<2, 3, 2, 3>(first, last);
      default: return self.template flat_or_deep<1, 2, 2, 2>(first, last);
    }
  }

 private:
  // Where it was measured to be faster than the kernels behind it. Beside each other, stripes walk through memory in steps:
  // caches don't mind, memory does.
  static bool pays(const Plan& p) {
    if (!L::fills_vectors(p.w)) return false;
    if (input_bytes(p, kSize) >= kStreamedBytes) return p.w.positions <= 4 * kN;
    return p.h.window > p.h.stride || p.w.windows <= 4 * kN;
  }

  // What stripes of one kind need.
  struct Kind {
    bool is_inside;
    Mask masks[L::kMostLoads];                     // which lanes lie in the row
    V factors[O::kIsMax ? 1 : L::kMostEdges + 1];  // of rows inside, and of those at the edges
  };

  explicit PoolNarrow(const Plan& plan)
      : p(plan), count_(L::stripes(plan.w)), asks_(input_bytes(plan, kSize) >= L::kAskedBytes), deep_(plan.d.taps(0)) {
    p.h.inside(inside_begin_, inside_end_);
    for (int i = 0; i < L::kinds(count_); ++i) {
      const std::int64_t stripe = L::example_of(i, count_);
      // The last one looks for NaN in all that it loads, too, since no other stripe begins there.
      kinds_[i].is_inside = stripe < count_ - 1 && L::is_inside(p.w, stripe);
      const std::int64_t first = L::begin_of(p.w, stripe) * p.w.stride - p.w.lo;
      for (int j = 0; j < L::kMostLoads; ++j) {
        kinds_[i].masks[j] = L::lanes_inside(first + L::offset(static_cast<int>(p.w.stride), j), p.w.positions);
      }
    }
    set_factors(0);
  }

  // Which factors a row of outputs takes.
  std::int64_t factors_of(std::int64_t oh) const {
    if (O::kIsMax || (oh >= inside_begin_ && oh < inside_end_)) return 0;
    return 1 + (oh < inside_begin_ ? oh : inside_begin_ + oh - inside_end_);
  }
  void set_factors(std::int64_t od) {
    if (O::kIsMax) return;
    for (std::int64_t oh = 0; oh < p.h.windows; ++oh) {
      const double own = p.row_factor(od, oh);
      for (int i = 0; i < L::kinds(count_); ++i) {
        V& factors = kinds_[i].factors[factors_of(oh)];
        factors = fill_vec<Value>(static_cast<Value>(own));
        const std::int64_t first = L::begin_of(p.w, L::example_of(i, count_));
        for (int k = 0; p.counts_w && k < kN; ++k) {
          factors[k] = static_cast<Value>(own * p.factor(p.w, std::min(first + k, p.w.windows - 1)));
        }
      }
      if (oh >= inside_begin_ && oh < inside_end_) oh = inside_end_ - 1;
    }
  }

  template <int kStride, int kAcross, int kDownStride, int kTaps>
  void flat_or_deep(std::int64_t first, std::int64_t last) {
    p.d.most_taps() == 1 ? rows<typename L::template Window<kStride, kAcross, kDownStride, kTaps, true>>(first, last)
                         : rows<typename L::template Window<kStride, kAcross, kDownStride, kTaps, false>>(first, last);
  }

  template <class W>
  void rows(std::int64_t first, std::int64_t last) {
    using Op = typename OfNumbers<O>::Op;
    const std::int64_t all_bands = L::bands(p);
    std::int64_t band = first % all_bands;
    Plane plane = plane_at(p, first / all_bands);
    begin_plane(plane);
    for (; first < last; ++first) {
      begin_ = all_bands == 1 ? 0 : p.h.windows * band / all_bands;
      end_ = all_bands == 1 ? p.h.windows : p.h.windows * (band + 1) / all_bands;
      bool is_sure = true;
      for (std::int64_t s = 0; s < count_; ++s) {
        const Kind& kind = kinds_[L::kind_of(s, count_)];
        is_sure &= kind.is_inside ? walk<Op, W, false>(kind, L::begin_of(p.w, s))
                                  : walk<Op, W, true>(kind, L::begin_of(p.w, s));
      }
      // A NaN is seen by the stripe that begins with it, and may have been lost in the one before that.
      for (std::int64_t s = is_sure ? count_ : 0; s < count_; ++s) {
        walk<O, W, true>(kinds_[L::kind_of(s, count_)], L::begin_of(p.w, s));
      }
      if (++band < all_bands) continue;
      band = 0;
      if (first + 1 == last) break;
      next_plane(p, plane);
      begin_plane(plane);
    }
  }

  void begin_plane(const Plane& plane) {
    in_ = plane.in;
    out_ = plane.out;
    if (p.d.most_taps() > 1 || p.d.windows > 1) {
      deep_ = p.d.taps(plane.od);
      if (p.counts_d) set_factors(plane.od);
    }
    in_ += deep_.first * p.d.in_step;
  }

  // The stripe whose first output is `o`, of the rows [begin_, end_). Returns whether the outputs are right: not where `Op`
  // takes no NaN, and one was there.
  template <class Op, class W, bool kEdge>
  __attribute__((noinline)) bool walk(const Kind& kind, std::int64_t o) const {
    constexpr int kStride = W::kStride, kTaps = W::kTaps, kKnown = W::kKnown;
    const char* const in = in_ + (o * kStride - p.w.lo) * kSize;
    const std::int64_t step = p.h.in_step, height = p.h.positions, deep = deep_.count;
    const std::int64_t deep_step = p.d.dilation * p.d.in_step, to_step = p.h.out_step;
    const bool asks = asks_, is_short = kEdge && p.w.windows < kN;
    Mask masks[W::kLoads];
#pragma GCC unroll 5
    for (int j = 0; j < W::kLoads; ++j) masks[j] = kind.masks[j];
    DoubtOf<Op> doubt;

    // What a row gives along w, its lanes as pairs leave them.
    const auto flat = [&](std::int64_t at) __attribute__((always_inline)) {
      const auto part = [&](int j) __attribute__((always_inline)) {
        const char* const from = in + at + L::offset(kStride, j) * kSize;
        if constexpr (!kEdge) return O::load(from);
        else if constexpr (O::kIsMax) return L::load_lanes(from, masks[j], O::neutral());
        else return L::load_lanes(from, masks[j]);
      };
      V all;
      if constexpr (kStride == 1) {
        all = part(0);
        doubt.see(all);
#pragma GCC unroll 5
        for (int j = 1; j < W::kAcross; ++j) {
          const V fresh = part(j);
          if constexpr (kEdge) doubt.see(fresh);
          all = Op::combine(all, fresh);
        }
      } else if constexpr (W::kAcross == 1) {
        const V pair[2] = {part(0), part(1)};
        if constexpr (!W::kFlat) doubt.template see<2>(pair);
        all = even_of_halves<Value>(pair[0], pair[1]);
      } else {
        const V pair[2] = {part(0), part(1)};
        doubt.template see<2>(pair);
        all = Op::combine(even_of_halves<Value>(pair[0], pair[1]), odd_of_halves<Value>(pair[0], pair[1]));
        if constexpr (W::kAcross == 3) {
          const V next[2] = {part(2), part(3)};
          if constexpr (kEdge) doubt.template see<2>(next);
          all = Op::combine(all, even_of_halves<Value>(next[0], next[1]));
        }
      }
      return all;
    };

    std::int64_t y = begin_ * W::kDownStride - p.h.lo, at = y * step;
    char* to = out_ + o * kSize + begin_ * to_step;
    V found[kTaps];
    const auto load = [&](int i) __attribute__((always_inline)) {
      if (asks) __builtin_prefetch(in + at + 2 * L::kBandBytes, 0, 2);
      if (static_cast<std::uint64_t>(y) < static_cast<std::uint64_t>(height) && deep > 0) {
        found[i] = flat(at);
        for (std::int64_t k = 1; !W::kFlat && k < deep; ++k) found[i] = Op::combine(found[i], flat(at + k * deep_step));
      } else {
        found[i] = O::neutral();
      }
      ++y;
      at += step;
    };
#pragma GCC unroll 4
    for (int i = 0; i < kKnown; ++i) load(i);
    for (std::int64_t oh = begin_; oh < end_; ++oh, to += to_step) {
#pragma GCC unroll 3
      for (int i = kKnown; i < kTaps; ++i) load(i);
      V all = found[0];
#pragma GCC unroll 5
      for (int i = 1; i < kTaps; ++i) all = Op::combine(all, found[i]);
      if constexpr (kStride == 2) all = halves_in_order<Value>(all);
      const V factor = O::kIsMax ? V{} : kind.factors[factors_of(oh)];
      if (kEdge && is_short && oh == end_ - 1) {
        O::store_part(to, all, factor, static_cast<int>(p.w.windows));
      } else {
        O::store(to, all, factor);
      }
#pragma GCC unroll 4
      for (int i = 0; i < kKnown; ++i) found[i] = found[i + kTaps - kKnown];
      y += W::kSkipped;
      at += W::kSkipped * step;
    }
    return doubt.is_sure();
  }

  const Plan& p;
  const std::int64_t count_;  // stripes
  const bool asks_;
  std::int64_t inside_begin_ = 0, inside_end_ = 0;
  Kind kinds_[L::kMostKinds];
  // The band in hand.
  Axis::Taps deep_;
  const char* in_ = nullptr;
  char* out_ = nullptr;
  std::int64_t begin_ = 0, end_ = 0;
};

POOL_END
