// A maximum and its offset in small planes, which are turned in registers. For AVX-512 and AVX2.
#pragma once

#include "keep/channels.h"
#include "keep/separable.h"
#if POOL_AVX512
#include "simd/lanes.h"
#endif
#include "simd/turned.h"

POOL_BEGIN

template <class S>
struct KeepTurned {
  static constexpr const char* kName = "turned";
  static constexpr const char* kTakes =
      "contiguous rows of many planes, turned so that the planes lie side by side: short rows, strides of 1, adaptive "
      "windows";
  static constexpr const char* kCost = "what separable and channels take, and 7 for each element";

  // The kernels for innermost channels.
  struct Inner {
    static bool fits(const Plan& p, bool) { return KeepSeparable<S>::fits(p) || KeepChannels<S>::fits(p); }
    static void run(const Plan& p) {
      if (KeepSeparable<S>::fits(p)) {
        KeepSeparable<S>::run(p, 0, KeepSeparable<S>::units(p));
      } else {
        KeepChannels<S>::run(p, 0, KeepChannels<S>::units(p));
      }
    }
  };
  using T = Turned<S, Inner>;

  static bool fits(const Plan& p) { return pays(p) && T::can(p); }
  static std::int64_t units(const Plan& p) { return T::units(p); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) { T::run(p, first, last); }

 private:
  // Where it was measured to be faster than the kernels behind it. With AVX-512 those read most rows as they lie: turning
  // costs as much as seven comparisons of each element, so windows must share elements, or rows leave many lanes of a
  // vector idle. With AVX2 only long rows are read faster as they lie, and shorter ones where memory decides.
  static bool pays(const Plan& p) {
#if POOL_AVX512
    if (!MaskedLanes<S>::fits(p) || p.w.windows < 2 || p.w.stride == 1) return T::is_small(p);
    return lanes_used<S>(p.w.windows) <= (most_readers(p.h) * most_readers(p.w) > 1 ? 0.74 : 0.5);
#else
    if (input_bytes(p, sizeof(S)) >= kMemoryBytes) return p.w.windows <= 16;
    return p.w.windows <= (p.w.window > p.w.stride ? 48 : 64);
#endif
  }
};

POOL_END
