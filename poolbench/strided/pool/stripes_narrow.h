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
  using Part = typename L::Part;
  using Parts = typename L::Parts;
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

  // A unit is a part.
  static std::int64_t units(const Plan& p) { return L::parts(p).count(); }

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
    bool is_inside, is_open;
    Mask masks[L::kMostLoads];                     // which lanes lie in the row
    V factors[O::kIsMax ? 1 : L::kMostEdges + 1];  // of rows: see factors_of
  };

  explicit PoolNarrow(const Plan& plan)
      : p(plan), parts_(L::parts(plan)), count_(L::stripes(plan.w)),
        ask_(input_bytes(plan, kSize) >= L::kAskedBytes ? 2 * Parts::kBytes : 0), deep_(plan.d.taps(0)) {
    p.h.inside(inside_begin_, inside_end_);
    for (int i = 0; i < L::kinds(count_); ++i) {
      const std::int64_t stripe = L::example_of(i, count_);
      // The last one looks for NaN in all that it loads, too, since no other stripe begins there.
      kinds_[i].is_inside = stripe < count_ - 1 && L::is_inside(p.w, stripe);
      kinds_[i].is_open = L::is_open(p, stripe);
      const std::int64_t first = L::begin_of(p.w, stripe) * p.w.stride - p.w.lo;
      for (int j = 0; j < L::kMostLoads; ++j) {
        kinds_[i].masks[j] = L::lanes_inside(first + L::offset(static_cast<int>(p.w.stride), j), p.w.positions);
      }
    }
    std::fill_n(nothing_, L::kMostOfRow, static_cast<Value>(O::neutral()[0]));
    set_factors(0);
  }

  // Which factors a row of outputs takes: those of the rows before the inside, of the inside, and of the rows behind it.
  std::int64_t factors_of(std::int64_t oh) const {
    if (O::kIsMax || __builtin_expect(oh >= inside_begin_ && oh < inside_end_, 1)) return inside_begin_;
    return std::min(oh, inside_begin_) + std::max<std::int64_t>(oh - inside_end_ + 1, 0);
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
    parts_.each(first, last, [&](const Part& part) {
      begin(part);
      bool is_sure = true;
      for (std::int64_t s = 0; s < count_; ++s) is_sure &= stripe<typename OfNumbers<O>::Op, W>(part, s);
      // A NaN is seen by the stripe that begins with it, and may have been lost in the one before that.
      for (std::int64_t s = is_sure ? count_ : 0; s < count_; ++s) stripe<O, W>(part, s);
    });
  }

  void begin(const Part& part) {
    in_ = part.first.in;
    if (p.d.most_taps() > 1 || p.d.windows > 1) {
      deep_ = p.d.taps(part.first.od);
      if (p.counts_d) set_factors(part.first.od);
    }
    in_ += deep_.first * p.d.in_step;
  }

  template <class Op, class W>
  bool stripe(const Part& part, std::int64_t s) const {
    const Kind& kind = kinds_[L::kind_of(s, count_)];
    const std::int64_t o = L::begin_of(p.w, s);
    if (kind.is_inside && part.planes == 1 && deep_.count > 0) return by_rows<Op, W>(part, kind, o);
    return L::in_order(part, kind, [&](auto is_edge, std::int64_t first, std::int64_t last) {
      return walk<Op, W, is_edge, false>(part, first, last, kind, o);
    });
  }

  // Rows whose windows read no padding are walked down apart from others, since nothing is to be asked there.
  template <class Op, class W>
  bool by_rows(const Part& part, const Kind& kind, std::int64_t o) const {
    Part above = part, inside = part, below = part;
    above.end = inside.begin = std::clamp(inside_begin_, part.begin, part.end);
    inside.end = below.begin = std::clamp(inside_end_, inside.begin, part.end);
    bool is_sure = above.begin == above.end || walk<Op, W, false, false>(above, 0, 1, kind, o);
    if (inside.begin < inside.end) is_sure &= walk<Op, W, false, true>(inside, 0, 1, kind, o);
    if (below.begin < below.end) is_sure &= walk<Op, W, false, false>(below, 0, 1, kind, o);
    return is_sure;
  }

  // The stripe whose first output is `o`, of the planes [first, last) of a part. Returns whether the outputs are right: not
  // where `Op` takes no NaN, and one was there. kWhole: all rows are there and stored whole.
  template <class Op, class W, bool kEdge, bool kWhole>
  __attribute__((noinline)) bool walk(const Part& part, std::int64_t first, std::int64_t last, const Kind& kind,
                                      std::int64_t o) const {
    constexpr int kStride = W::kStride, kTaps = W::kTaps, kKnown = W::kKnown;
    const std::int64_t plane_step = parts_.in_step(), to_plane_step = parts_.out_step();
    const std::int64_t step = p.h.in_step, height = deep_.count > 0 ? p.h.positions : 0, deep = deep_.count;
    const std::int64_t deep_step = p.d.dilation * p.d.in_step, to_step = p.h.out_step, ask = ask_;
    const std::int64_t begin = part.begin, end = part.end;
    const bool is_cut = p.w.windows < kN, is_dense = to_plane_step == p.h.windows * to_step;
    Mask masks[W::kLoads];
#pragma GCC unroll 5
    for (int j = 0; j < W::kLoads; ++j) masks[j] = kind.masks[j];
    DoubtOf<Op> doubt;

    // What a row gives along w, its lanes as pairs leave them.
    const auto flat = [&](const char* at) __attribute__((always_inline)) {
      const auto part = [&](int j) __attribute__((always_inline)) {
        const char* const from = at + L::offset(kStride, j) * kSize;
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

    // Rows that are not there are read from `nothing_`, and what must not be written goes to `rest`: branches that few rows
    // take would be guessed wrong for each of them.
    alignas(32) char rest[sizeof(V)];
    const char* in = in_ + first * plane_step + (o * kStride - p.w.lo) * kSize;
    char* to_plane = part.first.out + first * to_plane_step + o * kSize + begin * to_step;
    for (; first < last; ++first, in += plane_step, to_plane += to_plane_step) {
      std::int64_t y = begin * W::kDownStride - p.h.lo;
      const char* at = in + y * step;
      char* to = to_plane;
      V found[kTaps];
      const auto load = [&](int i) __attribute__((always_inline)) {
        __builtin_prefetch(at + ask, 0, 2);
        const bool is_there = kWhole || static_cast<std::uint64_t>(y) < static_cast<std::uint64_t>(height);
        const char* from = is_there ? at : reinterpret_cast<const char*>(nothing_);
        found[i] = flat(from);
        for (std::int64_t k = 1; !W::kFlat && k < deep; ++k) {
          from += is_there ? deep_step : 0;
          found[i] = Op::combine(found[i], flat(from));
        }
        ++y;
        at += step;
      };
#pragma GCC unroll 4
      for (int i = 0; i < kKnown; ++i) load(i);
      const std::int64_t last_whole = is_cut && (first + 1 == last || !is_dense) ? end - 1 : end;
      for (std::int64_t oh = begin; oh < end; ++oh, to += to_step) {
#pragma GCC unroll 3
        for (int i = kKnown; i < kTaps; ++i) load(i);
        V all = found[0];
#pragma GCC unroll 5
        for (int i = 1; i < kTaps; ++i) all = Op::combine(all, found[i]);
        if constexpr (kStride == 2) all = halves_in_order<Value>(all);
        const V factor = O::kIsMax ? V{} : kind.factors[kWhole ? inside_begin_ : factors_of(oh)];
        O::store(kWhole || oh < last_whole ? to : rest, all, factor);
#pragma GCC unroll 4
        for (int i = 0; i < kKnown; ++i) found[i] = found[i + kTaps - kKnown];
        y += W::kSkipped;
        at += W::kSkipped * step;
      }
      if (!kWhole && last_whole < end) __builtin_memcpy(to - to_step, rest, static_cast<std::size_t>(p.w.windows * kSize));
    }
    return doubt.is_sure();
  }

  const Plan& p;
  const Parts parts_;
  const std::int64_t count_;  // stripes
  const std::int64_t ask_;    // how far ahead rows are asked for, in bytes
  std::int64_t inside_begin_ = 0, inside_end_ = 0;
  Kind kinds_[L::kMostKinds];
  Value nothing_[L::kMostOfRow];
  // The part in hand.
  Axis::Taps deep_;
  const char* in_ = nullptr;
};

POOL_END
