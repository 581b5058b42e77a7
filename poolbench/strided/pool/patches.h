// Maxima and averages in small planes: rows of outputs side by side in one vector (simd/patches.h).
#pragma once

#include "pool/stripes.h"
#include "simd/patches.h"

POOL_BEGIN

template <class O>
struct PoolPatches : PatchKernel<typename O::Stored, PoolPatches<O>> {
  using Value = typename O::Value;
  using All = Patches<typename O::Stored>;
  using Shape = typename All::Shape;
  using Mask = typename All::Mask;
  using Lanes = Permuted<sizeof(Value)>;
  static constexpr const char* kCost = "kd·kh + kw";
  static constexpr std::int64_t kLeastPatches = 20;  // for which it pays to work the shapes out
  static constexpr bool kOverlapsInLongRows = true;

  static bool fits(const Plan& p) {
    if (!O::kIsMax && (!has_short_sums(p) || p.counts_d)) return false;
    return PatchKernel<typename O::Stored, PoolPatches>::fits(p) && (pays(p) || !Stripes<O>::fits(p));
  }
  // Each element of a window in its own place, rather than rows that stay in registers: it pays where windows share nothing
  // and lie in planes or in short rows, and where one vector holds all that a row of them reads, without masks for what
  // lies beside the plane.
  static bool pays(const Plan& p) {
    All all;
    if (p.w.window <= p.w.stride && p.w.positions < All::kN) return true;
    return all.choose(p) && all.inside && (p.w.window <= p.w.stride || all.vectors_of_row() == 1);
  }

  template <int kSources, int kWindow, int kDown, bool kWhole>
  static __attribute__((noinline)) void run_alike(const Plan& p, const Shape& shape, PatchRun at) {
    const std::int64_t deep = p.d.window, down = kDown > 0 ? kDown : p.h.window;
    const std::int64_t plane_step = p.d.in_step, row_step = p.h.in_step;
    __m512i index[kWindow];
    Mask high[kWindow], loads[kDown > 0 ? kDown : All::kMostDown][kSources];
    const Mask stores = shape.stores;
    const VecFor<O> factor = load_vec<Value>(shape.factors);
    std::int64_t in[kSources];
#pragma GCC unroll 3
    for (int t = 0; t < kWindow; ++t) index[t] = Lanes::index(shape.indices[t]), high[t] = shape.high[t];
#pragma GCC unroll 4
    for (int k = 0; k < kSources; ++k) {
      in[k] = shape.in[k];
#pragma GCC unroll 3
      for (std::int64_t y = 0; y < down; ++y) loads[y][k] = shape.loads[y][k];
    }
    for (std::int64_t i = 0; i < at.count; ++i, at.in += at.in_step, at.out += at.out_step) {
      VecFor<O> all[kSources];
      const char* plane = at.in;
#pragma GCC unroll 4
      for (int k = 0; k < kSources; ++k) all[k] = load<kWhole>(plane + in[k], loads[0][k]);
#pragma GCC unroll 3
      for (std::int64_t y = 1; y < down; ++y) add<kSources, kWhole>(all, plane + y * row_step, in, loads[y]);
      for (std::int64_t z = 1; z < deep; ++z) {
        plane += plane_step;
#pragma GCC unroll 3
        for (std::int64_t y = 0; y < down; ++y) add<kSources, kWhole>(all, plane + y * row_step, in, loads[y]);
      }
      VecFor<O> window = pick<Value, kSources>(index[0], high[0], all);
#pragma GCC unroll 3
      for (int t = 1; t < kWindow; ++t) window = O::combine(window, pick<Value, kSources>(index[t], high[t], all));
      O::store_masked(at.out, window, factor, stores);
    }
  }
  template <int kSources, bool kWhole>
  static POOL_INLINE void add(VecFor<O> (&all)[kSources], const char* at, const std::int64_t* in, const Mask* loads) {
#pragma GCC unroll 4
    for (int k = 0; k < kSources; ++k) all[k] = O::combine(all[k], load<kWhole>(at + in[k], loads[k]));
  }
  template <bool kWhole>
  static POOL_INLINE VecFor<O> load(const char* at, Mask mask) {
    return kWhole ? O::load(at) : O::load_masked(at, mask);
  }
};

POOL_END
