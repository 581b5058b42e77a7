// A maximum and its offset over contiguous rows in small windows, for AVX2: walked down in stripes, as in
// pool/stripes_narrow.h.
#pragma once

#include "simd/large.h"
#include "simd/narrow_stripes.h"
#include "simd/numbers.h"
#include "simd/places.h"

POOL_BEGIN

template <class S>
struct KeepNarrow {
  using V = Vec<S>;
  using P = PlaceOf<S>;
  using L = NarrowStripes<S>;
  using Mask = typename L::Mask;
  static constexpr const char* kName = "stripes";
  static constexpr const char* kTakes =
      "contiguous rows and windows of up to three or five to a side, walked down in stripes of a vector each";
  static constexpr const char* kCost = "kh / sh + kw";
  static constexpr std::int64_t kSize = L::kSize, kN = L::kN;

  static bool fits(const Plan& p) {
    if (!L::fits(p) || !is_identity(p.d) || p.offset_size != 1 || p.w.offset_step != 1) return false;
    return (p.w.windows >= kN || p.h.offset_step == p.w.windows) && pays(p);
  }

  // A unit is a band of rows of a plane.
  static std::int64_t units(const Plan& p) { return plane_count(p) * L::bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    KeepNarrow self(p);
    switch (L::loop_of(p)) {
      case L::kBy2Of1:
        return p.h.stride == 1 ? self.template rows<typename L::template Window<2, 1, 1, 1, true>>(first, last)
                               : self.template rows<typename L::template Window<2, 1, 2, 1, true>>(first, last);
      case L::kBy1Of3: return self.template rows<typename L::template Window<1, 3, 1, 3, true>>(first, last);
      case L::kBy1Of5: return self.template rows<typename L::template Window<1, 5, 1, 5, true>>(first, last);
      case L::kBy2Of2: return self.template rows<typename L::template Window<2, 2, 2, 2, true>>(first, last);
      case L::kBy2Of3: return self.template rows<typename L::template Window<2, 3, 2, 3, true>>(first, last);
      default: return self.template rows<typename L::template Window<1, 2, 2, 2, true>>(first, last);
    }
  }

 private:
  static bool pays(const Plan& p) { return L::fills_vectors(p.w); }

  struct Best {
    V value;
    Places<S> place;  // of the element that begins a row of the window, this row's number is to be added
  };
  // What stripes of one kind need.
  struct Kind {
    bool is_inside;
    Mask masks[L::kMostLoads];  // which lanes lie in the row
    Places<S> firsts;           // the first elements of windows that lie in it, as pairs leave the lanes
  };

  explicit KeepNarrow(const Plan& plan)
      : p(plan), count_(L::stripes(plan.w)), asks_(input_bytes(plan, kSize) >= L::kAskedBytes) {
    for (int i = 0; i < L::kinds(count_); ++i) {
      const std::int64_t stripe = L::example_of(i, count_), begin = L::begin_of(p.w, stripe);
      // The last one looks for NaN in all that it loads, too, since no other stripe begins there.
      kinds_[i].is_inside = stripe < count_ - 1 && L::is_inside(p.w, stripe);
      for (int j = 0; j < L::kMostLoads; ++j) {
        const std::int64_t first = begin * p.w.stride - p.w.lo + L::offset(static_cast<int>(p.w.stride), j);
        kinds_[i].masks[j] = L::lanes_inside(first, p.w.positions);
      }
      for (int k = 0; k < kN; ++k) {
        const int output = p.w.stride == 1 ? k : L::output_of_lane(k);
        kinds_[i].firsts[k] = static_cast<P>(first_tap(p.w, begin + output));
      }
    }
  }

  template <class W>
  void rows(std::int64_t first, std::int64_t last) {
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
        is_sure &= kind.is_inside ? walk<true, W, false>(kind, L::begin_of(p.w, s))
                                  : walk<true, W, true>(kind, L::begin_of(p.w, s));
      }
      // A NaN is seen by the stripe that begins with it, and may have been lost in the one before that.
      for (std::int64_t s = is_sure ? count_ : 0; s < count_; ++s) {
        walk<false, W, true>(kinds_[L::kind_of(s, count_)], L::begin_of(p.w, s));
      }
      if (++band < all_bands) continue;
      band = 0;
      if (first + 1 == last) break;
      next_plane(p, plane);
      begin_plane(plane);
    }
  }

  void begin_plane(const Plane& plane) {
    in_ = plane.in + p.d.taps(plane.od).first * p.d.in_step;
    out_ = plane.out;
    offsets_ = p.offsets + plane.n * p.outer[0].offset_step + plane.c * p.outer[1].offset_step +
               plane.od * p.d.offset_step;
  }

  static POOL_INLINE Places<S> number(int tap) { return fill_vec<P>(static_cast<P>(tap)); }

  // Puts what is larger in the place of the best. Of numbers alone, a fresh NaN is lost.
  template <bool kNumbers>
  static POOL_INLINE void next(Best& best, V value, Places<S> place) {
    if constexpr (kNumbers) {
      best.place = value > best.value ? place : best.place;
      best.value = MaxOfNumbers<S>::combine(best.value, value);
    } else {
      take<S>(best.value, best.place, value, place);
    }
  }

  // The stripe whose first output is `o`, of the rows [begin_, end_). Returns whether the outputs are right: not where it took
  // all elements for numbers, and one was NaN.
  template <bool kNumbers, class W, bool kEdge>
  __attribute__((noinline)) bool walk(const Kind& kind, std::int64_t o) const {
    constexpr int kStride = W::kStride, kTaps = W::kTaps, kKnown = W::kKnown;
    const V least = Max<S>::neutral();
    const char* const in = in_ + (o * kStride - p.w.lo) * kSize;
    const std::int64_t step = p.h.in_step, height = p.h.positions, to_step = p.h.out_step;
    const bool asks = asks_, is_short = kEdge && p.w.windows < kN;
    Mask masks[W::kLoads];
#pragma GCC unroll 5
    for (int j = 0; j < W::kLoads; ++j) masks[j] = kind.masks[j];
    const Places<S> firsts = kEdge ? kind.firsts : Places<S>{};
    std::conditional_t<kNumbers, Doubt<S>, NoDoubt> doubt;

    // What a row gives along w, its lanes as pairs leave them.
    const auto flat = [&](std::int64_t at) __attribute__((always_inline)) {
      const auto part = [&](int j) __attribute__((always_inline)) {
        const char* const from = in + at + L::offset(kStride, j) * kSize;
        if constexpr (kEdge) return L::load_lanes(from, masks[j], least);
        else return load_vec<S>(from);
      };
      if constexpr (kStride == 1) {
        Best best{part(0), firsts};
        doubt.see(best.value);
#pragma GCC unroll 5
        for (int j = 1; j < W::kAcross; ++j) {
          const V fresh = part(j);
          if constexpr (kEdge) doubt.see(fresh);
          next<kNumbers>(best, fresh, number(j));
        }
        return best;
      } else {
        const V pair[2] = {part(0), part(1)};
        Best best{even_of_halves<S>(pair[0], pair[1]), firsts};
        if constexpr (W::kAcross == 1) return best;
        doubt.template see<2>(pair);
        next<kNumbers>(best, odd_of_halves<S>(pair[0], pair[1]), number(1));
        if constexpr (W::kAcross == 3) {
          const V more[2] = {part(2), part(3)};
          if constexpr (kEdge) doubt.template see<2>(more);
          next<kNumbers>(best, even_of_halves<S>(more[0], more[1]), number(2));
        }
        return best;
      }
    };

    std::int64_t y = begin_ * W::kDownStride - p.h.lo, at = y * step;
    char* to = out_ + o * kSize + begin_ * to_step;
    char* offsets = offsets_ + o + begin_ * p.h.offset_step;
    Best found[kTaps];
    const auto load = [&](int i) __attribute__((always_inline)) {
      if (asks) __builtin_prefetch(in + at + 2 * L::kBandBytes, 0, 2);
      if (static_cast<std::uint64_t>(y) < static_cast<std::uint64_t>(height)) {
        found[i] = flat(at);
      } else {
        // Where all that is there is as little as nothing, the first element of the first row that is there is meant.
        found[i] = {least, firsts + fill_vec<P>(static_cast<P>(y < 0 ? -y * W::kAcross : 0))};
      }
      ++y;
      at += step;
    };
#pragma GCC unroll 4
    for (int i = 0; i < kKnown; ++i) load(i);
    for (std::int64_t oh = begin_; oh < end_; ++oh, to += to_step, offsets += p.h.offset_step) {
#pragma GCC unroll 3
      for (int i = kKnown; i < kTaps; ++i) load(i);
      Best best = found[0];
#pragma GCC unroll 5
      for (int i = 1; i < kTaps; ++i) next<kNumbers>(best, found[i].value, found[i].place + number(i * W::kAcross));
      if constexpr (kStride == 2) {
        best.value = halves_in_order<S>(best.value);
        best.place = halves_in_order<P>(best.place);
      }
      if (kEdge && is_short && oh == end_ - 1) {
        isa::store_part<S>(to, best.value, static_cast<int>(p.w.windows));
        store_places_part<S, 1>(offsets, best.place, static_cast<int>(p.w.windows));
      } else {
        store_vec<S>(to, best.value);
        store_places<S, 1>(offsets, best.place);
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
  Kind kinds_[L::kMostKinds];
  // The band in hand.
  const char* in_ = nullptr;
  char* out_ = nullptr;
  char* offsets_ = nullptr;
  std::int64_t begin_ = 0, end_ = 0;
};

POOL_END
