// A maximum and its offset in small planes: rows of outputs side by side in one vector (simd/patches.h).
#pragma once

#include "simd/patches.h"

POOL_BEGIN

template <class S>
struct KeepPatches : PatchKernel<S, KeepPatches<S>> {
  using L = MaskedLanes<S>;
  using All = Patches<S>;
  using Shape = typename All::Shape;
  using V = typename L::V;
  using P = typename L::P;
  using Mask = typename L::Mask;
  using Lanes = Permuted<sizeof(V)>;
  static constexpr std::int64_t kN = L::kN, kSize = L::E::kSize;
  static constexpr const char* kCost = "kd·kh·kw";
  static constexpr std::int64_t kLeastPatches = 8;     // for which it pays to work the shapes out
  static constexpr bool kOverlapsInLongRows = false;  // of two vectors of the input: a pick more for each element

  template <int kSources, int kWindow, int kDown, bool kWhole>
  static __attribute__((noinline)) void run_alike(const Plan& p, const Shape& shape, PatchRun at) {
    const Vec<V> least = fill_vec<V>(std::numeric_limits<V>::lowest());
    const Vec<P> firsts = load_vec<P>(shape.firsts);
    const std::int64_t deep = p.d.window, down = kDown > 0 ? kDown : p.h.window;
    const std::int64_t plane_step = p.d.in_step, row_step = p.h.in_step;
    const P plane_base = static_cast<P>(p.window_h * p.window_w), row_base = static_cast<P>(p.window_w);
    __m512i index[kWindow];
    Vec<P> number[kWindow];
    Mask high[kWindow], loads[kDown > 0 ? kDown : All::kMostDown][kSources];
    const Mask stores = shape.stores;
    std::int64_t in[kSources];
#pragma GCC unroll 3
    for (int t = 0; t < kWindow; ++t) {
      index[t] = Lanes::index(shape.indices[t]);
      number[t] = load_vec<P>(shape.numbers[t]);
      high[t] = shape.high[t];
    }
#pragma GCC unroll 4
    for (int k = 0; k < kSources; ++k) {
      in[k] = shape.in[k];
#pragma GCC unroll 3
      for (std::int64_t y = 0; y < down; ++y) loads[y][k] = shape.loads[y][k];
    }
    for (std::int64_t i = 0; i < at.count; ++i, at.in += at.in_step, at.out += at.out_step, at.offsets += at.offset_step) {
      QuickSearch<V> best;
      best.begin(least, 0);
      best.place = firsts;
      const char* plane = at.in;
      P base = 0;
      for (std::int64_t z = 0; z < deep; ++z, plane += plane_step, base += plane_base) {
#pragma GCC unroll 3
        for (std::int64_t y = 0; y < down; ++y) {
          Vec<V> rows[kSources];
#pragma GCC unroll 4
          for (int k = 0; k < kSources; ++k) {
            const char* const from = plane + y * row_step + in[k];
            rows[k] = kWhole ? L::E::load(from) : L::load(from, loads[y][k], least);
          }
          const Vec<P> first = fill_vec<P>(base + static_cast<P>(y) * row_base);
#pragma GCC unroll 3
          for (int t = 0; t < kWindow; ++t) best.next(pick<V, kSources>(index[t], high[t], rows), number[t] + first);
        }
      }
      if (!best.is_sure()) {
        surely<kSources>(p, shape, at.in, at.out, at.offsets);
        continue;
      }
      L::store(at.out, stores, best.best);
      ConvertOf<V, 1>::store_lanes(at.offsets, stores, (__m512i)best.place);
    }
  }

  static POOL_INLINE void put(const Shape& shape, Vec<V> best, Vec<P> place, char* out, char* offsets) {
    L::store(out, shape.stores, best);
    ConvertOf<V, 1>::store_lanes(offsets, shape.stores, (__m512i)place);
  }

  // The same for any elements.
  template <int kSources>
  static __attribute__((noinline)) void surely(const Plan& p, const Shape& shape, const char* in, char* out,
                                               char* offsets) {
    const Vec<V> least = fill_vec<V>(least_value<V>());
    Vec<V> best = least;
    Vec<P> place = load_vec<P>(shape.firsts);
    for (std::int64_t z = 0; z < p.d.window; ++z) {
      for (std::int64_t y = 0; y < p.h.window; ++y) {
        const char* const at = in + z * p.d.in_step + y * p.h.in_step;
        Vec<V> rows[kSources];
        for (int k = 0; k < kSources; ++k) rows[k] = L::load(at + shape.in[k], shape.loads[y][k], least);
        const P base = static_cast<P>((z * p.window_h + y) * p.window_w);
        for (std::int64_t t = 0; t < p.w.window; ++t) {
          const Vec<V> element = pick<V, kSources>(Lanes::index(shape.indices[t]), shape.high[t], rows);
          take<V>(best, place, element, load_vec<P>(shape.numbers[t]) + fill_vec<P>(base));
        }
      }
    }
    put(shape, best, place, out, offsets);
  }
};

POOL_END
