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
  using Part = typename L::Part;
  using Parts = typename L::Parts;
  static constexpr const char* kName = "stripes";
  static constexpr const char* kTakes =
      "contiguous rows and windows of up to three or five to a side, walked down in stripes of a vector each";
  static constexpr const char* kCost = "kh / sh + kw";
  static constexpr std::int64_t kSize = L::kSize, kN = L::kN;

  static bool fits(const Plan& p) {
    if (!L::fits(p) || !is_identity(p.d) || p.offset_size != 1 || p.w.offset_step != 1) return false;
    return (p.w.windows >= kN || p.h.offset_step == p.w.windows) && pays(p);
  }

  // A unit is a part.
  static std::int64_t units(const Plan& p) { return L::parts(p).count(); }

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
    bool is_inside, is_open;
    Mask masks[L::kMostLoads];  // which lanes lie in the row
    Places<S> firsts;           // the first elements of windows that lie in it, as pairs leave the lanes
  };

  explicit KeepNarrow(const Plan& plan)
      : p(plan), parts_(L::parts(plan)), count_(L::stripes(plan.w)),
        ask_(input_bytes(plan, kSize) >= L::kAskedBytes ? 2 * Parts::kBytes : 0) {
    std::fill_n(nothing_, L::kMostOfRow, static_cast<S>(Max<S>::neutral()[0]));
    for (int i = 0; i < L::kinds(count_); ++i) {
      const std::int64_t stripe = L::example_of(i, count_), begin = L::begin_of(p.w, stripe);
      // The last one looks for NaN in all that it loads, too, since no other stripe begins there.
      kinds_[i].is_inside = stripe < count_ - 1 && L::is_inside(p.w, stripe);
      kinds_[i].is_open = L::is_open(p, stripe);
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
    parts_.each(first, last, [&](const Part& part) {
      bool is_sure = true;
      for (std::int64_t s = 0; s < count_; ++s) is_sure &= stripe<true, W>(part, s);
      // A NaN is seen by the stripe that begins with it, and may have been lost in the one before that.
      for (std::int64_t s = is_sure ? count_ : 0; s < count_; ++s) stripe<false, W>(part, s);
    });
  }

  template <bool kNumbers, class W>
  bool stripe(const Part& part, std::int64_t s) const {
    const Kind& kind = kinds_[L::kind_of(s, count_)];
    return L::in_order(part, kind, [&](auto is_edge, std::int64_t first, std::int64_t last) {
      return walk<kNumbers, W, is_edge>(part, first, last, kind, L::begin_of(p.w, s));
    });
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

  // The stripe whose first output is `o`, of the planes [first, last) of a part. Returns whether the outputs are right: not
  // where it took all elements for numbers, and one was NaN.
  template <bool kNumbers, class W, bool kEdge>
  __attribute__((noinline)) bool walk(const Part& part, std::int64_t first, std::int64_t last, const Kind& kind,
                                      std::int64_t o) const {
    constexpr int kStride = W::kStride, kTaps = W::kTaps, kKnown = W::kKnown;
    const V least = Max<S>::neutral();
    const std::int64_t plane_step = parts_.in_step(), to_plane_step = parts_.out_step();
    const std::int64_t step = p.h.in_step, height = p.h.positions, to_step = p.h.out_step, ask = ask_;
    const std::int64_t begin = part.begin, end = part.end;
    const bool is_cut = p.w.windows < kN;
    Mask masks[W::kLoads];
#pragma GCC unroll 5
    for (int j = 0; j < W::kLoads; ++j) masks[j] = kind.masks[j];
    const Places<S> firsts = kEdge ? kind.firsts : Places<S>{};
    std::conditional_t<kNumbers, Doubt<S>, NoDoubt> doubt;

    // What a row gives along w, its lanes as pairs leave them.
    const auto flat = [&](const char* at) __attribute__((always_inline)) {
      const auto part = [&](int j) __attribute__((always_inline)) {
        const char* const from = at + L::offset(kStride, j) * kSize;
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

    // As in pool/stripes_narrow.h, there are no branches for rows that are not there, and none for what must not be written.
    alignas(32) char rest[sizeof(V)], rest_offsets[sizeof(V)];
    const char* in = part.first.in + part.first.od * p.d.in_step + first * plane_step + (o * kStride - p.w.lo) * kSize;
    char* to_plane = part.first.out + first * to_plane_step + o * kSize + begin * to_step;
    char* offsets_of_plane = offsets_of(p, part.first) + first * parts_.offset_step() + o + begin * p.h.offset_step;
    for (; first < last; ++first) {
      std::int64_t y = begin * W::kDownStride - p.h.lo;
      const char* at = in + y * step;
      char *to = to_plane, *offsets = offsets_of_plane;
      Best found[kTaps];
      const auto load = [&](int i) __attribute__((always_inline)) {
        __builtin_prefetch(at + ask, 0, 2);
        const bool is_there = static_cast<std::uint64_t>(y) < static_cast<std::uint64_t>(height);
        found[i] = flat(is_there ? at : reinterpret_cast<const char*>(nothing_));
        ++y;
        at += step;
      };
#pragma GCC unroll 4
      for (int i = 0; i < kKnown; ++i) load(i);
      const std::int64_t last_whole = is_cut ? end - 1 : end;
      for (std::int64_t oh = begin; oh < end; ++oh, to += to_step, offsets += p.h.offset_step) {
#pragma GCC unroll 3
        for (int i = kKnown; i < kTaps; ++i) load(i);
        Best best = found[0];
        // Where all that is there is as little as nothing, the first element of the first row that is there is meant.
        const std::int64_t above = std::max<std::int64_t>(p.h.lo - oh * W::kDownStride, 0);
        best.place += fill_vec<P>(static_cast<P>(above * W::kAcross));
#pragma GCC unroll 5
        for (int i = 1; i < kTaps; ++i) next<kNumbers>(best, found[i].value, found[i].place + number(i * W::kAcross));
        if constexpr (kStride == 2) {
          best.value = halves_in_order<S>(best.value);
          best.place = halves_in_order<P>(best.place);
        }
        store_vec<S>(oh < last_whole ? to : rest, best.value);
        store_places<S, 1>(oh < last_whole ? offsets : rest_offsets, best.place);
#pragma GCC unroll 4
        for (int i = 0; i < kKnown; ++i) found[i] = found[i + kTaps - kKnown];
        y += W::kSkipped;
        at += W::kSkipped * step;
      }
      if (last_whole < end) {
        __builtin_memcpy(to - to_step, rest, static_cast<std::size_t>(p.w.windows * kSize));
        __builtin_memcpy(offsets - p.h.offset_step, rest_offsets, static_cast<std::size_t>(p.w.windows));
      }
      in += plane_step;
      to_plane += to_plane_step;
      offsets_of_plane += parts_.offset_step();
    }
    return doubt.is_sure();
  }

  const Plan& p;
  const Parts parts_;
  const std::int64_t count_;  // stripes
  const std::int64_t ask_;    // how far ahead rows are asked for, in bytes
  Kind kinds_[L::kMostKinds];
  S nothing_[L::kMostOfRow];
};

POOL_END
