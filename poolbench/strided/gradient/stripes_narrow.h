// Gradients over contiguous rows in small windows, for AVX2: walked down in stripes, as in pool/stripes_narrow.h. Where windows
// are two positions apart, a stripe has a vector of pairs of positions: which windows read a pair depends on its place
// alone. Where they are one apart, the gradient of an average is itself a sum over windows.
#pragma once

#include "gradient/tables.h"
#include "simd/large.h"
#include "simd/narrow_stripes.h"
#include "simd/places.h"

POOL_BEGIN

template <class S, Op kOp>
struct GradientNarrow {
  using V = Vec<S>;
  using P = PlaceOf<S>;
  using L = NarrowStripes<S>;
  using Mask = typename L::Mask;
  using Part = typename L::Part;
  using Parts = typename L::Parts;
  static constexpr bool kIsMax = kOp == Op::kMax;
  static constexpr const char* kName = kIsMax ? "gather_stripes" : "spread_stripes";
  static constexpr const char* kTakes =
      kIsMax ? "contiguous rows and windows of up to three to a side with stride 2, in stripes of a vector of pairs each"
             : "contiguous rows and windows of up to three to a side, in stripes of a vector of outputs or of pairs each";
  static constexpr const char* kCost = kIsMax ? "kh·kw / (sh·sw)" : "kh / sh + kw";
  static constexpr std::int64_t kSize = L::kSize, kN = L::kN;
  static constexpr int kMostLoads = 3;
  static constexpr int kMostBeside = 2;  // rows beyond those of windows that a stripe asks for, on either side
  static constexpr int kFactors = static_cast<int>(L::kMostEdges) + 1 + 2 * kMostBeside;

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize || !is_identity(p.d) || !has_loop(p)) return false;
    // What is written behind the end of a row is written over by the next one.
    if (p.h.positions > 1 && p.h.out_step != p.w.positions * kSize) return false;
    if (p.w.positions < kN || (kIsMax && (p.w.windows < kN || p.offset_size != 1 || p.w.offset_step != 1))) return false;
    return (kIsMax || L::has_few_edges(p.h)) && are_inside(p) && pays(p);
  }

  // A unit is a part.
  static std::int64_t units(const Plan& p) { return parts(p).count(); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    GradientNarrow self(p);
    if (p.w.stride == 1) return self.sums(first, last);
    const bool is_odd = p.w.lo % 2 != 0;
    switch (p.w.window) {
      case 1: return is_odd ? self.template pairs<1, 1>(first, last) : self.template pairs<1, 0>(first, last);
      case 2: return is_odd ? self.template pairs<2, 1>(first, last) : self.template pairs<2, 0>(first, last);
      default: return is_odd ? self.template pairs<3, 1>(first, last) : self.template pairs<3, 0>(first, last);
    }
  }

 private:
  static bool has_loop(const Plan& p) {
    if (L::is(p.w, 1, 3)) return !kIsMax && L::is(p.h, 1, 3);
    for (const std::int64_t window : {1, 2, 3}) {
      if (L::is(p.w, 2, window)) return L::is(p.h, 2, window) && p.w.lo % 2 == p.h.lo % 2;
    }
    return false;
  }
  static bool pays(const Plan& p) { return 3 * p.w.positions >= 2 * kN * p.w.stride * stripes(p); }

  static std::int64_t stripes(const Plan& p) {
    const std::int64_t width = kN * p.w.stride;
    return (p.w.positions + width - 1) / width;
  }
  // The first position of a stripe. Of single positions, the last stripe overlaps with the one before it.
  static std::int64_t begin_of(const Plan& p, std::int64_t stripe) {
    return p.w.stride == 2 ? 2 * kN * stripe : std::min(kN * stripe, p.w.positions - kN);
  }
  // The first window that a stripe loads.
  static std::int64_t window_of(const Plan& p, std::int64_t stripe) {
    const std::int64_t first = begin_of(p, stripe);
    return p.w.stride == 1 ? first + p.w.lo - (p.w.window - 1) : first / 2 + p.w.lo / 2 - (p.w.lo % 2 == 0 ? 1 : 0);
  }
  static std::int64_t loads(const Plan& p) { return p.w.stride == 1 ? p.w.window : 2; }
  // Whether all windows that a stripe loads are there, and count alike.
  static bool is_inside(const Plan& p, std::int64_t stripe) {
    std::int64_t begin = 0, end = p.w.windows;
    if (p.counts_w) p.w.inside(begin, end);
    const std::int64_t first = window_of(p, stripe);
    return first >= begin && first + kN + loads(p) - 1 <= end;
  }
  static bool are_inside(const Plan& p) {
    const std::int64_t count = stripes(p);
    return count < L::kMostKinds || (is_inside(p, 1) && is_inside(p, count - 3));
  }
  static Parts parts(const Plan& p) { return Parts(p, p.h.positions, p.w.positions * kSize, 16, 2); }

  // What stripes of one kind need.
  struct Kind {
    bool is_inside;
    Mask masks[kMostLoads];  // which windows of a load are there
    V factors[kMostLoads];   // of averages, along w
  };

  explicit GradientNarrow(const Plan& plan)
      : p(plan), parts_(parts(plan)), count_(stripes(plan)),
        ask_(contiguous_bytes<S>(plan) >= L::kAskedBytes ? Parts::kBytes : 0) {
    for (int i = 0; i < L::kinds(count_); ++i) {
      const std::int64_t stripe = L::example_of(i, count_), first = window_of(p, stripe);
      // The last one may write behind the end of a row.
      kinds_[i].is_inside = stripe < count_ - 1 && is_inside(p, stripe);
      for (int j = 0; j < kMostLoads; ++j) {
        kinds_[i].masks[j] = L::lanes_inside(first + j, p.w.windows);
        kinds_[i].factors[j] = fill_vec<S>(S{1});
        for (int k = 0; !kIsMax && p.counts_w && k < kN; ++k) {
          const std::int64_t o = std::clamp<std::int64_t>(first + j + k, 0, p.w.windows - 1);
          kinds_[i].factors[j][k] = static_cast<S>(p.factor(p.w, o));
        }
      }
    }
    if (!kIsMax) set_factors();
  }

  void set_factors() {
    p.h.inside(inside_begin_, inside_end_);
    const double across = p.counts_w ? 1.0 / static_cast<double>(p.w.window) : 1.0;
    for (std::int64_t oh = 0; oh < p.h.windows; ++oh) {
      factors_[factor_of(oh)] = static_cast<S>(p.row_factor(0, oh) * across);
      edge_factors_[factor_of(oh)] = static_cast<S>(p.row_factor(0, oh));
      if (oh >= inside_begin_ && oh < inside_end_) oh = inside_end_ - 1;
    }
  }
  // Which factor a row of windows takes: see PoolNarrow. Rows that are not there are multiplied with zero.
  std::int64_t factor_of(std::int64_t oh) const {
    return kMostBeside + std::min(oh, inside_begin_) + std::max<std::int64_t>(oh - inside_end_ + 1, 0);
  }

  // From right to left: what a stripe writes behind the end of a row, the first one of the next row writes over.
  template <class Walk>
  void all(std::int64_t first, std::int64_t last, Walk walk) {
    parts_.each(first, last, [&](const Part& part) {
      for (std::int64_t s = count_ - 1; s >= 0; --s) {
        const Kind& kind = kinds_[L::kind_of(s, count_)];
        kind.is_inside ? walk(std::false_type{}, part, kind, s) : walk(std::true_type{}, part, kind, s);
      }
    });
  }
  template <int kWindow, int kOdd>
  void pairs(std::int64_t first, std::int64_t last) {
    all(first, last, [&](auto is_edge, const Part& part, const Kind& kind, std::int64_t s) {
      pairs<kWindow, kOdd, is_edge>(part, kind, s);
    });
  }

  // What the gradients of a row of windows are multiplied with, but for the factors of edges along w.
  template <bool kEdge>
  POOL_INLINE V scale_of(std::int64_t oh) const {
    return fill_vec<S>((kEdge ? edge_factors_ : factors_)[factor_of(oh)]);
  }

  // A vector of windows of a row, and of those behind the first one.
  struct Row {
    V low, high;
    Places<S> low_place, high_place;
  };

  // The stripe `s` of a part, where windows are two positions apart. kOdd: whether the first position of a pair is an odd one
  // of its window, as padding counts.
  template <int kWindow, int kOdd, bool kEdge>
  __attribute__((noinline)) void pairs(const Part& part, const Kind& kind, std::int64_t s) const {
    const std::int64_t x = begin_of(p, s), o = window_of(p, s), height = p.h.windows, begin = part.begin, end = part.end;
    const char* in = part.first.in + part.first.od * p.d.in_step + o * kSize;
    const char* offsets = kIsMax ? offsets_of(p, part.first) + o : nullptr;
    const Mask low_mask = kind.masks[0], high_mask = kind.masks[1];
    const char* const nothing = reinterpret_cast<const char*>(nothing_);
    const char* const nothing_places = nothing_places_ + sizeof nothing_places_ / 2;
    const std::int64_t ask = ask_;
    const auto load = [&](std::int64_t oh) __attribute__((always_inline)) {
      Row row{};
      const bool is_there = static_cast<std::uint64_t>(oh) < static_cast<std::uint64_t>(height);
      const char* const there = in + oh * p.h.in_step;
      const char* const at = is_there ? there : nothing;
      __builtin_prefetch(there + ask, 0, 2);
      row.low = kEdge ? L::load_lanes(at, low_mask) : load_vec<S>(at);
      row.high = kEdge ? L::load_lanes(at + kSize, high_mask) : load_vec<S>(at + kSize);
      if constexpr (kIsMax) {
        const char* const places = is_there ? offsets + oh * p.h.offset_step : nothing_places;
        if constexpr (kWindow > 1) {
          row.low_place = kEdge ? places_near(places, o) : load_places<S, 1>(places);
          row.high_place = kEdge ? places_near(places + 1, o + 1) : load_places<S, 1>(places + 1);
        }
      } else {
        const V factor = scale_of<kEdge>(oh);
        row.low *= kEdge ? factor * kind.factors[0] : factor;
        row.high *= kEdge ? factor * kind.factors[1] : factor;
      }
      return row;
    };
    // Adds what the element `number` of windows got.
    const auto add = [](V& sum, V value, Places<S> place, int number) __attribute__((always_inline)) {
      if constexpr (kIsMax && kWindow > 1) {
        sum = add_where<S>(sum, place, fill_vec<P>(static_cast<P>(number)), value);
      } else {
        sum += value;
      }
    };
    // Adds to pairs of positions what row `tap` of windows gives them: to even ones from two windows, to odd ones from one.
    const auto take = [&](V& even, V& odd, const Row& row, int tap) __attribute__((always_inline)) {
      if constexpr (kWindow == 3) add(even, row.low, row.low_place, tap * kWindow + 2);
      add(even, row.high, row.high_place, tap * kWindow);
      if constexpr (kWindow > 1) {
        kOdd ? add(odd, row.low, row.low_place, tap * kWindow + 1) : add(odd, row.high, row.high_place, tap * kWindow + 1);
      }
    };
    char* plane = part.first.out;
    char* to = nullptr;
    const char* limit = nullptr;
    const auto store = [&](V even, V odd) __attribute__((always_inline)) {
      V first, second;
      kOdd ? zip(odd, even, first, second) : zip(even, odd, first, second);
      if (kEdge && to + 2 * kN * kSize > limit) {
        const int rest = static_cast<int>(p.w.positions - x);
        if (rest > 0) isa::store_part<S>(to, first, std::min(rest, static_cast<int>(kN)));
        if (rest > kN) isa::store_part<S>(to + kN * kSize, second, std::min(rest - static_cast<int>(kN), static_cast<int>(kN)));
      } else {
        store_vec<S>(to, first);
        store_vec<S>(to + kN * kSize, second);
      }
      to += p.h.out_step;
    };

    for (std::int64_t left = part.planes; left > 0; --left) {
      to = plane + begin * p.h.out_step + x * kSize;
      limit = plane + (end - 1) * p.h.out_step + p.w.positions * kSize;
      std::int64_t oh = begin / 2 + p.h.lo / 2 - (kOdd ? 0 : 1);
      Row above = load(oh);
      for (std::int64_t y = begin; y < end; y += 2) {
        const Row below = load(++oh);
        V even{}, odd{}, odd_even{}, odd_odd{};
        if constexpr (kWindow == 3) take(even, odd, above, 2);
        take(even, odd, below, 0);
        if constexpr (kWindow > 1) take(odd_even, odd_odd, kOdd ? above : below, 1);
        kOdd ? store(odd_even, odd_odd) : store(even, odd);
        if (y + 1 < end) kOdd ? store(even, odd) : store(odd_even, odd_odd);
        above = below;
      }
      in += parts_.in_step();
      plane += parts_.out_step();
      if (kIsMax) offsets += parts_.offset_step();
    }
  }

  // The lanes of two vectors by turns.
  static POOL_INLINE void zip(V a, V b, V& first, V& second) {
    if constexpr (kSize == 4) {
      const __m256 low = _mm256_unpacklo_ps((__m256)a, (__m256)b), high = _mm256_unpackhi_ps((__m256)a, (__m256)b);
      first = (V)_mm256_permute2f128_ps(low, high, 0x20);
      second = (V)_mm256_permute2f128_ps(low, high, 0x31);
    } else {
      const __m256d low = _mm256_unpacklo_pd((__m256d)a, (__m256d)b), high = _mm256_unpackhi_pd((__m256d)a, (__m256d)b);
      first = (V)_mm256_permute2f128_pd(low, high, 0x20);
      second = (V)_mm256_permute2f128_pd(low, high, 0x31);
    }
  }

  // The places of windows o, o + 1, … of a row, `at` for window o; whatever it may be in lanes of windows that are not there.
  POOL_INLINE Places<S> places_near(const char* at, std::int64_t o) const {
    const std::int64_t near = std::clamp<std::int64_t>(o, 0, p.w.windows - kN);
    const std::int64_t by = std::clamp<std::int64_t>(o - near, -kN, kN);
    std::uint64_t bytes = 0;
    __builtin_memcpy(&bytes, at + (near - o), kN);
    if (by < 0) bytes = by == -8 ? 0 : bytes << (-8 * by);
    if (by > 0) bytes = by == 8 ? 0 : bytes >> (8 * by);
    return load_places<S, 1>(reinterpret_cast<const char*>(&bytes));
  }

  // An average's gradient where windows are one position apart.
  void sums(std::int64_t first, std::int64_t last) {
    all(first, last, [&](auto is_edge, const Part& part, const Kind& kind, std::int64_t s) { sums<is_edge>(part, kind, s); });
  }
  template <bool kEdge>
  __attribute__((noinline)) void sums(const Part& part, const Kind& kind, std::int64_t s) const {
    const std::int64_t height = p.h.windows;
    const char* in = part.first.in + part.first.od * p.d.in_step + window_of(p, s) * kSize;
    const char* const nothing = reinterpret_cast<const char*>(nothing_);
    const std::int64_t ask = ask_;
    char* to_plane = part.first.out + part.begin * p.h.out_step + begin_of(p, s) * kSize;
    const auto load = [&](std::int64_t oh) __attribute__((always_inline)) {
      V sum{};
      const char* const there = in + oh * p.h.in_step;
      const char* const at = static_cast<std::uint64_t>(oh) < static_cast<std::uint64_t>(height) ? there : nothing;
      __builtin_prefetch(there + 2 * ask, 0, 2);
      if constexpr (kEdge) {
        for (int j = 0; j < 3; ++j) sum += L::load_lanes(at + j * kSize, kind.masks[j]) * kind.factors[j];
      } else {
        sum = load_vec<S>(at) + load_vec<S>(at + kSize) + load_vec<S>(at + 2 * kSize);
      }
      return sum * scale_of<kEdge>(oh);
    };
    for (std::int64_t left = part.planes; left > 0; --left, in += parts_.in_step(), to_plane += parts_.out_step()) {
      char* to = to_plane;
      std::int64_t oh = part.begin + p.h.lo - 2;
      V first = load(oh), second = load(++oh);
      for (std::int64_t y = part.begin; y < part.end; ++y, to += p.h.out_step) {
        const V third = load(++oh);
        store_vec<S>(to, first + second + third);
        first = second;
        second = third;
      }
    }
  }

  const Plan& p;
  const Parts parts_;
  const std::int64_t count_;  // stripes
  const std::int64_t ask_;    // how far ahead rows are asked for, in bytes
  Kind kinds_[L::kMostKinds];
  std::int64_t inside_begin_ = 0, inside_end_ = 0;  // rows of windows that count alike
  S factors_[kFactors] = {}, edge_factors_[kFactors] = {};  // of rows, in stripes inside and at the edges
  // What is read in the place of rows that are not there.
  S nothing_[2 * kN] = {};
  char nothing_places_[64] = {};
};

template <class S>
using GatherNarrow = GradientNarrow<S, Op::kMax>;
template <class S>
using SpreadNarrow = GradientNarrow<S, Op::kAvg>;

POOL_END
