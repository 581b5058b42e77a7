// Gradients of small planes, which are turned in registers. For AVX-512 and AVX2.
#pragma once

#include "gradient/channels.h"
#include "gradient/gather_flat.h"
#include "gradient/scatter.h"
#if POOL_AVX512
#include "simd/lanes.h"
#endif
#include "simd/turned.h"

POOL_BEGIN

template <class S, Op kOp>
struct GradientTurned {
  static constexpr bool kIsMax = kOp == Op::kMax;
  static constexpr const char* kName = kIsMax ? "gather_turned" : "spread_turned";
  static constexpr const char* kTakes =
      "contiguous rows of many planes, turned so that the planes lie side by side: short rows, adaptive windows";
  static constexpr const char* kCost = "kd·kh·kw / stride, and 7 for each element";

  // The kernels for innermost channels.
  struct Inner {
    using Channels = GradientChannels<S, kOp>;
    // `scatter` takes all windows for its own: none may lie in two tiles.
    static bool fits(const Plan& p, bool is_whole) { return Channels::fits(p) || (kIsMax && is_whole); }
    static void run(const Plan& p) {
      if (kIsMax && !Channels::fits(p)) {
        Scatter<S>::run(p, 0, Scatter<S>::units(p));
      } else {
        Channels::run(p, 0, Channels::units(p));
      }
    }
  };
  using T = Turned<S, Inner>;

  static bool fits(const Plan& p) { return pays(p) && T::can(p); }
  static std::int64_t units(const Plan& p) { return T::units(p); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) { T::run(p, first, last); }

 private:
  // As in keep/turned.h. With AVX2 `gather_flat` takes less for windows of up to 3 × 3 × 3.
  static bool pays(const Plan& p) {
#if POOL_AVX512
    if (!MaskedLanes<S>::fits(p) || p.w.windows < 2) return T::is_small(p);
    const double used = lanes_used<S>((p.w.positions + p.w.lo + p.w.stride - 1) / p.w.stride);
    if (most_readers(p.h) * most_readers(p.w) == 1) return used <= 0.47;
    return kIsMax ? used <= 0.6 : used <= 0.75 || (p.w.lo > 0 && p.w.positions <= kLanes<typename Elements<S>::Value>);
#else
    const bool is_flat = kIsMax && p.d.most_taps() * p.h.most_taps() * p.w.most_taps() <= 27 && GatherFlat<S>::fits(p);
    return p.w.windows <= 100 && !is_flat;
#endif
  }
};

template <class S>
using GatherTurned = GradientTurned<S, Op::kMax>;
template <class S>
using SpreadTurned = GradientTurned<S, Op::kAvg>;

POOL_END
