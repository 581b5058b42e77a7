// The maximum in large windows of contiguous rows, of planes that are turned in registers: they lie side by side then, as
// channels do. For AVX-512 alone.
#pragma once

#include "pool/separable.h"
#include "simd/turned.h"

POOL_BEGIN

template <class O>
struct PoolTurned {
  static constexpr const char* kName = "turned";
  static constexpr const char* kTakes =
      "contiguous rows of many planes, turned so that the planes lie side by side: windows that are large for their stride";
  static constexpr const char* kCost = "what separable takes, and 7 for each element";

  struct Inner {
    static bool fits(const Plan& p) { return Separable<O>::fits(p); }
    static void run(const Plan& p) { Separable<O>::run(p, 0, Separable<O>::units(p)); }
  };
  using T = Turned<typename O::Stored, Inner>;

  // Where it was measured to be faster than the kernels behind it: planes that need not be cut, whose rows those would
  // combine in many steps.
  static bool fits(const Plan& p) {
    return p.h.stride == 1 && p.w.stride == 1 && p.h.window >= kWide && p.w.window >= kWide && T::can(p) && T::is_small(p);
  }
  static std::int64_t units(const Plan& p) { return T::units(p); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) { T::run(p, first, last); }

 private:
  static constexpr std::int64_t kWide = 7;
};

POOL_END
