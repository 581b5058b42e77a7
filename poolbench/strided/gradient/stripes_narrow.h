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
  static constexpr bool kIsMax = kOp == Op::kMax;
  static constexpr const char* kName = kIsMax ? "gather_stripes" : "spread_stripes";
  static constexpr const char* kTakes =
      kIsMax ? "contiguous rows and windows of up to three to a side with stride 2, in stripes of a vector of pairs each"
             : "contiguous rows and windows of up to three to a side, in stripes of a vector of outputs or of pairs each";
  static constexpr const char* kCost = kIsMax ? "kh·kw / (sh·sw)" : "kh / sh + kw";
  static constexpr std::int64_t kSize = L::kSize, kN = L::kN;
  static constexpr int kMostLoads = 3;

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize || !is_identity(p.d) || !has_loop(p)) return false;
    // What is written behind the end of a row is written over by the next one.
    if (p.h.positions > 1 && p.h.out_step != p.w.positions * kSize) return false;
    if (p.w.positions < kN || (kIsMax && (p.w.windows < kN || p.offset_size != 1 || p.w.offset_step != 1))) return false;
    return are_inside(p) && pays(p);
  }

  // A unit is a band of rows of a plane.
  static std::int64_t units(const Plan& p) { return plane_count(p) * bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    GradientNarrow self(p);
    if (p.w.stride == 1) {
      if constexpr (!kIsMax) self.bands_of_rows(first, last, [&](const Kind& kind, std::int64_t s) { self.sums(kind, s); });
      return;
    }
    const bool is_odd = p.w.lo % 2 != 0;
    switch (p.w.window) {
      case 1: return is_odd ? self.template all<1, 1>(first, last) : self.template all<1, 0>(first, last);
      case 2: return is_odd ? self.template all<2, 1>(first, last) : self.template all<2, 0>(first, last);
      default: return is_odd ? self.template all<3, 1>(first, last) : self.template all<3, 0>(first, last);
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
  static std::int64_t bands(const Plan& p) {
    const std::int64_t rows = std::max<std::int64_t>(16, L::kBandBytes / (p.w.positions * kSize + 1));
    return (p.h.positions + rows - 1) / rows;
  }

  // What stripes of one kind need.
  struct Kind {
    bool is_inside;
    Mask masks[kMostLoads];  // which windows of a load are there
    V factors[kMostLoads];   // of averages, along w
  };

  explicit GradientNarrow(const Plan& plan)
      : p(plan), count_(stripes(plan)), asks_(contiguous_bytes<S>(plan) >= L::kAskedBytes) {
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
    if (kIsMax) return;
    p.h.inside(inside_begin_, inside_end_);
    if (p.counts_w) across_ = 1.0 / static_cast<double>(p.w.window);
    if (inside_begin_ == inside_end_) return;
    inside_[true] = static_cast<S>(p.row_factor(0, inside_begin_));
    inside_[false] = static_cast<S>(p.row_factor(0, inside_begin_) * across_);
  }

  // Bands of rows, each stripe by stripe. From right to left: what a stripe writes behind the end of a row, the first one
  // of the next row writes over.
  template <class Walk>
  void bands_of_rows(std::int64_t first, std::int64_t last, Walk walk) {
    const std::int64_t all_bands = bands(p);
    std::int64_t band = first % all_bands;
    Plane plane = plane_at(p, first / all_bands);
    for (; first < last; ++first) {
      in_ = plane.in + plane.od * p.d.in_step;
      out_ = plane.out;
      od_ = plane.od;
      if (kIsMax) {
        offsets_ = p.offsets + plane.n * p.outer[0].offset_step + plane.c * p.outer[1].offset_step +
                   plane.od * p.d.offset_step;
      }
      begin_ = p.h.positions * band / all_bands / 2 * 2;
      end_ = band + 1 == all_bands ? p.h.positions : p.h.positions * (band + 1) / all_bands / 2 * 2;
      for (std::int64_t s = count_ - 1; s >= 0; --s) walk(kinds_[L::kind_of(s, count_)], s);
      if (++band < all_bands) continue;
      band = 0;
      if (first + 1 < last) next_plane(p, plane);
    }
  }

  template <int kWindow, int kOdd>
  void all(std::int64_t first, std::int64_t last) {
    bands_of_rows(first, last, [&](const Kind& kind, std::int64_t s) {
      kind.is_inside ? pairs<kWindow, kOdd, false>(kind, s) : pairs<kWindow, kOdd, true>(kind, s);
    });
  }

  // What the gradients of a row of windows are multiplied with, but for the factors of edges along w.
  template <bool kEdge>
  POOL_INLINE V factor_of(std::int64_t oh) const {
    if (oh >= inside_begin_ && oh < inside_end_) return fill_vec<S>(inside_[kEdge]);
    return fill_vec<S>(static_cast<S>(p.row_factor(od_, oh) * (kEdge ? 1.0 : across_)));
  }

  // A vector of windows of a row, and of those behind the first one.
  struct Row {
    V low, high;
    Places<S> low_place, high_place;
  };

  // The stripe `s` where windows are two positions apart, of the rows [begin_, end_). kOdd: whether the first position of a
  // pair is an odd one of its window, as padding counts.
  template <int kWindow, int kOdd, bool kEdge>
  __attribute__((noinline)) void pairs(const Kind& kind, std::int64_t s) const {
    const std::int64_t x = begin_of(p, s), o = window_of(p, s), height = p.h.windows;
    const char* const in = in_ + o * kSize;
    const char* const offsets = kIsMax ? offsets_ + o : nullptr;
    const Mask low_mask = kind.masks[0], high_mask = kind.masks[1];
    const auto load = [&](std::int64_t oh) __attribute__((always_inline)) {
      Row row{};
      if (static_cast<std::uint64_t>(oh) >= static_cast<std::uint64_t>(height)) return row;
      const char* const at = in + oh * p.h.in_step;
      if (asks_) __builtin_prefetch(at + L::kBandBytes, 0, 2);
      row.low = kEdge ? L::load_lanes(at, low_mask) : load_vec<S>(at);
      row.high = kEdge ? L::load_lanes(at + kSize, high_mask) : load_vec<S>(at + kSize);
      if constexpr (kIsMax) {
        const char* const places = offsets + oh * p.h.offset_step;
        if constexpr (kWindow > 1) {
          row.low_place = kEdge ? places_near(places, o) : load_places<S, 1>(places);
          row.high_place = kEdge ? places_near(places + 1, o + 1) : load_places<S, 1>(places + 1);
        }
      } else {
        const V factor = factor_of<kEdge>(oh);
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
    const char* const limit = out_ + (end_ - 1) * p.h.out_step + p.w.positions * kSize;
    char* to = out_ + begin_ * p.h.out_step + x * kSize;
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

    std::int64_t oh = begin_ / 2 + p.h.lo / 2 - (kOdd ? 0 : 1);
    Row above = load(oh);
    for (std::int64_t y = begin_; y < end_; y += 2) {
      const Row below = load(++oh);
      V even{}, odd{}, odd_even{}, odd_odd{};
      if constexpr (kWindow == 3) take(even, odd, above, 2);
      take(even, odd, below, 0);
      if constexpr (kWindow > 1) take(odd_even, odd_odd, kOdd ? above : below, 1);
      kOdd ? store(odd_even, odd_odd) : store(even, odd);
      if (y + 1 < end_) kOdd ? store(even, odd) : store(odd_even, odd_odd);
      above = below;
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

  // The stripe `s` of an average's gradient where windows are one position apart.
  void sums(const Kind& kind, std::int64_t s) const {
    kind.is_inside ? sums<false>(kind, s) : sums<true>(kind, s);
  }
  template <bool kEdge>
  __attribute__((noinline)) void sums(const Kind& kind, std::int64_t s) const {
    const std::int64_t height = p.h.windows;
    const char* const in = in_ + window_of(p, s) * kSize;
    char* to = out_ + begin_ * p.h.out_step + begin_of(p, s) * kSize;
    const auto load = [&](std::int64_t oh) __attribute__((always_inline)) {
      V sum{};
      if (static_cast<std::uint64_t>(oh) >= static_cast<std::uint64_t>(height)) return sum;
      const char* const at = in + oh * p.h.in_step;
      if (asks_) __builtin_prefetch(at + 2 * L::kBandBytes, 0, 2);
      if constexpr (kEdge) {
        for (int j = 0; j < 3; ++j) sum += L::load_lanes(at + j * kSize, kind.masks[j]) * kind.factors[j];
      } else {
        sum = load_vec<S>(at) + load_vec<S>(at + kSize) + load_vec<S>(at + 2 * kSize);
      }
      return sum * factor_of<kEdge>(oh);
    };
    std::int64_t oh = begin_ + p.h.lo - 2;
    V first = load(oh), second = load(++oh);
    for (std::int64_t y = begin_; y < end_; ++y, to += p.h.out_step) {
      const V third = load(++oh);
      store_vec<S>(to, first + second + third);
      first = second;
      second = third;
    }
  }

  const Plan& p;
  const std::int64_t count_;  // stripes
  const bool asks_;
  Kind kinds_[L::kMostKinds];
  std::int64_t inside_begin_ = 0, inside_end_ = 0;  // rows of windows that count alike
  double across_ = 1;
  S inside_[2] = {};  // their factor, but for along w at the edges
  // The band in hand.
  const char* in_ = nullptr;
  char* out_ = nullptr;
  const char* offsets_ = nullptr;
  std::int64_t od_ = 0, begin_ = 0, end_ = 0;
};

template <class S>
using GatherNarrow = GradientNarrow<S, Op::kMax>;
template <class S>
using SpreadNarrow = GradientNarrow<S, Op::kAvg>;

POOL_END
