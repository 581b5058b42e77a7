// Gradients of windows of one element with a stride: rows of windows with zeros between them, and rows of zeros. A maximum is
// the only element of its window, so its offset need not be read. For AVX-512 alone.
#pragma once

#include "simd/lanes.h"
#include "simd/plane_walk.h"
#include "simd/strides.h"

POOL_BEGIN

template <class S, Op kOp>
struct GradientSkips {
  using L = MaskedLanes<S>;
  using E = typename L::E;
  using V = typename L::V;
  using Mask = typename L::Mask;
  static constexpr bool kIsMax = kOp == Op::kMax;
  static constexpr std::int64_t kN = L::kN, kSize = E::kSize;
  static constexpr const char* kName = kIsMax ? "gather_skips" : "spread_skips";
  static constexpr const char* kTakes =
      "windows of one element with strides of 2 to 4 along w: rows of most of a vector of windows and more";
  static constexpr const char* kCost = "1 for each vector that is written";
  static constexpr std::int64_t kLeastOfRow = kN * 3 / 4 + 1;  // windows

  static bool fits(const Plan& p) {
    const Axis& w = p.w;
    return p.inner == 1 && is_one(p.d) && is_one(p.h) && is_one(w) && w.stride >= 2 && w.stride <= 4 &&
           w.in_step == kSize && w.out_step == kSize && w.windows >= kLeastOfRow &&
           (w.positions - 1) / w.stride + 1 == w.windows &&
           (kIsMax || (std::isfinite(p.scale) && !p.counts_d && !p.counts_h && !p.counts_w));
  }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * p.h.positions; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    switch (p.w.stride) {
      case 2: return rows<2>(p, first, last);
      case 3: return rows<3>(p, first, last);
      default: return rows<4>(p, first, last);
    }
  }

 private:
  static bool is_one(const Axis& axis) { return axis.window == 1 && axis.lo == 0; }
  // Whether a window reads the position.
  static POOL_INLINE bool is_read(const Axis& axis, std::int64_t at) {
    return axis.stride == 1 ? at < axis.windows : at % axis.stride == 0 && at / axis.stride < axis.windows;
  }

  template <int kStride>
  static void rows(const Plan& p, std::int64_t first, std::int64_t last) {
    const std::int64_t positions = p.w.positions, whole = positions / (kStride * kN) * kN;
    const Vec<V> factor = fill_vec<V>(kIsMax ? V{1} : static_cast<V>(p.scale));
    // Where the next row begins behind this one, it writes over what whole vectors write beyond it.
    const bool rows_touch = p.h.out_step == positions * kSize;
    Ahead ahead(asks_ahead<S>(p));
    PlaneRow at(p, first, p.d.positions, p.h.positions);
    for (; first < last; ++first, at.next(p, p.d.positions, p.h.positions)) {
      char* const to = at.out + (at.d * p.d.out_step + at.h * p.h.out_step);
      const bool whole_vectors = rows_touch && at.h + 1 < p.h.positions && first + 1 < last;
      ahead.come_to(to);
      if (!is_read(p.d, at.d) || !is_read(p.h, at.h)) {
        fill(to, positions, whole_vectors);
        continue;
      }
      const char* const in = at.in + (at.d / p.d.stride * p.d.in_step + at.h / p.h.stride * p.h.in_step);
      for (std::int64_t x = 0; x < whole; x += kN) {
        Vec<V> v[kStride];
        between_zeros<kStride>(v, E::load(in + x * kSize), factor);
#pragma GCC unroll 4
        for (int i = 0; i < kStride; ++i) E::store(to + (x * kStride + i * kN) * kSize, v[i]);
      }
      if (whole == p.w.windows) continue;
      Vec<V> v[kStride];
      between_zeros<kStride>(v, L::load(in + whole * kSize, L::within(whole, p.w.windows), Vec<V>{}), factor);
#pragma GCC unroll 4
      for (int i = 0; i < kStride; ++i) put(to, whole * kStride + i * kN, positions, whole_vectors, v[i]);
    }
  }
  static POOL_INLINE void fill(char* to, std::int64_t positions, bool whole_vectors) {
    for (std::int64_t x = 0; x < positions; x += kN) put(to, x, positions, whole_vectors, Vec<V>{});
  }
  static POOL_INLINE void put(char* to, std::int64_t x, std::int64_t positions, bool whole_vectors, Vec<V> value) {
    if (x >= positions) return;
    whole_vectors ? E::store(to + x * kSize, value) : L::store(to + x * kSize, L::within(x, positions), value);
  }
  // Adding to nothing, as wherever windows overlap: it makes a zero of a zero that has a sign.
  template <int kStride>
  static POOL_INLINE void between_zeros(Vec<V> (&v)[kStride], Vec<V> windows, Vec<V> factor) {
    v[0] = Vec<V>{} + (kIsMax ? windows : windows * factor);
#pragma GCC unroll 4
    for (int i = 1; i < kStride; ++i) v[i] = Vec<V>{};
    StridedLanes<V, kStride>::join(v);
  }
};

template <class S>
using GatherSkips = GradientSkips<S, Op::kMax>;
template <class S>
using SpreadSkips = GradientSkips<S, Op::kAvg>;

POOL_END
