// The gradient of a maximum in small planes whose windows share no elements: each vector of positions, across the ends of
// rows, brings the windows that read it to its lanes. Which they are is worked out once for a call. For AVX-512 alone.
#pragma once

#include "simd/lanes.h"
#include "simd/permuted.h"
#include "simd/plane_walk.h"

POOL_BEGIN

template <class S>
struct GatherPatches {
  using L = MaskedLanes<S>;
  using V = typename L::V;
  using P = typename L::P;
  using Mask = typename L::Mask;
  using Lanes = Permuted<sizeof(V)>;
  static constexpr std::int64_t kN = L::kN, kSize = L::E::kSize;
  static constexpr const char* kName = "gather_patches";
  static constexpr const char* kTakes = "small contiguous planes whose windows share no elements, across the ends of rows";
  static constexpr const char* kCost = "1 for each vector";
  static constexpr std::int64_t kMostVectors = 64;  // of a plane
  static constexpr std::int64_t kLeastPlanes = 8;   // for which it pays to work it out

  static bool fits(const Plan& p) {
    const Axis &d = p.d, &h = p.h, &w = p.w;
    if (p.inner != 1 || p.offset_size != 1 || p.planes() < kLeastPlanes) return false;
    if (!is_apart(d) || !is_apart(h) || !is_apart(w) || w.windows < 2) return false;
    if (d.positions * h.positions * w.positions > kMostVectors * kN) return false;
    if (w.out_step != kSize || w.in_step != kSize || w.offset_step != 1) return false;
    if (!touches(h, w.positions, w.windows) || !touches(d, h.positions * w.positions, h.windows * w.windows)) return false;
    return sources(p) <= 2;
  }
  static std::int64_t units(const Plan& p) { return p.planes(); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const GatherPatches self(p);
    const std::int64_t windows = self.windows_;
    if (sources(p) == 1) {
      windows <= kN ? self.planes<1, true>(first, last) : self.planes<1, false>(first, last);
    } else {
      windows <= 2 * kN ? self.planes<2, true>(first, last) : self.planes<2, false>(first, last);
    }
  }

 private:
  static bool is_apart(const Axis& axis) { return !axis.adaptive() && axis.dilation == 1 && axis.window <= axis.stride; }
  static bool touches(const Axis& axis, std::int64_t positions, std::int64_t windows) {
    return (axis.positions == 1 || axis.out_step == positions * kSize) &&
           (axis.windows == 1 || (axis.in_step == windows * kSize && axis.offset_step == windows));
  }
  // Vectors that hold all windows that one of positions may need.
  static std::int64_t sources(const Plan& p) {
    const std::int64_t rows = (kN + p.w.positions - 2) / p.w.positions + 1;
    const std::int64_t high = (rows - 1 + p.h.stride - 1) / p.h.stride + 1;
    const std::int64_t all = p.d.windows * p.h.windows * p.w.windows;
    const std::int64_t some = p.d.positions > 1 ? all : std::min(high * p.w.windows, all);
    return (some + kN - 1) / kN;
  }

  // A vector of positions: from which window on it has its sources, which lane of them each position takes, and the number
  // of the position in that window, or -1.
  struct Vector {
    std::int64_t first;
    alignas(kBytes) std::uint16_t indices[kN];
    alignas(kBytes) P numbers[kN];
  };

  explicit GatherPatches(const Plan& plan)
      : p(plan), positions_(p.d.positions * p.h.positions * p.w.positions),
        windows_(p.d.windows * p.h.windows * p.w.windows) {
    std::int64_t window[kMostVectors * kN], at = 0;
    for (std::int64_t z = 0; z < p.d.positions; ++z) {
      for (std::int64_t y = 0; y < p.h.positions; ++y) {
        const Read d = read(p.d, z), h = read(p.h, y);
        const std::int64_t row = (d.window * p.h.windows + h.window) * p.w.windows;
        const std::int64_t base = (d.tap * p.window_h + h.tap) * p.window_w;
        std::int64_t o = p.w.lo / p.w.stride, tap = p.w.lo - o * p.w.stride;
        for (std::int64_t x = 0; x < p.w.positions; ++x, ++at) {
          const bool some = d.tap >= 0 && h.tap >= 0 && tap < p.w.window && o < p.w.windows;
          window[at] = some ? row + o : -1;
          vectors_[at / kN].numbers[at % kN] = static_cast<P>(some ? base + tap : -1);
          if (++tap == p.w.stride) tap = 0, ++o;
        }
      }
    }
    const std::int64_t held = sources(p) * kN;
    for (std::int64_t v = 0; v * kN < positions_; ++v) {
      Vector& to = vectors_[v];
      const std::int64_t count = std::min(positions_ - v * kN, kN);
      std::int64_t least = windows_;
      for (std::int64_t i = 0; i < count; ++i) {
        if (window[v * kN + i] >= 0) least = std::min(least, window[v * kN + i]);
      }
      to.first = std::max<std::int64_t>(std::min(least, windows_ - held), 0);
      for (std::int64_t i = 0; i < kN; ++i) {
        const bool some = i < count && window[v * kN + i] >= 0;
        to.indices[i] = static_cast<std::uint16_t>(some ? window[v * kN + i] - to.first : 0);
        if (i >= count) to.numbers[i] = -1;
      }
    }
  }
  // Which window reads a position, and as which of its elements; -1 where none does.
  struct Read {
    std::int64_t window, tap;
  };
  static Read read(const Axis& axis, std::int64_t at) {
    const std::int64_t window = (at + axis.lo) / axis.stride, tap = at + axis.lo - window * axis.stride;
    return window < axis.windows && tap < axis.window ? Read{window, tap} : Read{0, -1};
  }

  // kAll: the sources hold all windows of a plane.
  template <int kSources, bool kAll>
  void planes(std::int64_t first, std::int64_t last) const {
    Mask loads[kSources];
    for (int k = 0; k < kSources; ++k) loads[k] = L::within(k * kN, windows_);
    const std::int64_t whole = positions_ / kN;
    const Mask rest = L::within(whole * kN, positions_);
    PlaneRow at(p, first, 1, 1);
    for (; first < last; ++first, at.next(p, 1, 1)) {
      char* to = at.out;
      Vec<V> values[kSources];
      Vec<P> places[kSources];
      if (kAll) load<kSources, true>(at.in, at.offsets, loads, values, places);
      for (std::int64_t v = 0; v < whole; ++v, to += kN * kSize) {
        L::E::store(to, gather<kSources, kAll>(at, vectors_[v], loads, values, places));
      }
      if (rest != 0) L::store(to, rest, gather<kSources, kAll>(at, vectors_[whole], loads, values, places));
    }
  }
  template <int kSources, bool kMasked>
  static POOL_INLINE void load(const char* in, const char* offsets, const Mask* loads, Vec<V> (&values)[kSources],
                               Vec<P> (&places)[kSources]) {
#pragma GCC unroll 2
    for (int k = 0; k < kSources; ++k) {
      const char *const value = in + k * kN * kSize, *const place = offsets + k * kN;
      values[k] = kMasked ? L::load(value, loads[k], Vec<V>{}) : L::E::load(value);
      places[k] = kMasked ? (Vec<P>)ConvertOf<V, 1>::load_lanes(place, loads[k]) : load_places<V, 1>(place);
    }
  }
  template <int kSources, bool kAll>
  static POOL_INLINE Vec<V> gather(const PlaneRow& at, const Vector& of, const Mask* loads, Vec<V> (&values)[kSources],
                                   Vec<P> (&places)[kSources]) {
    if (!kAll) load<kSources, false>(at.in + of.first * kSize, at.offsets + of.first, loads, values, places);
    const __m512i index = Lanes::index(of.indices);
    __m512i place, value;
    if constexpr (kSources == 1) {
      place = Lanes::permute(index, (__m512i)places[0]);
      value = Lanes::permute(index, (__m512i)values[0]);
    } else {
      place = Lanes::permute(index, (__m512i)places[0], (__m512i)places[1]);
      value = Lanes::permute(index, (__m512i)values[0], (__m512i)values[1]);
    }
    return add_where<V>(Vec<V>{}, (Vec<P>)place, load_vec<P>(of.numbers), (Vec<V>)value);
  }

  const Plan& p;
  const std::int64_t positions_, windows_;
  Vector vectors_[kMostVectors];
};

POOL_END
