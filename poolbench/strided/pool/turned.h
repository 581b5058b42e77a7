// Pooling of contiguous rows of many planes that are turned in registers: they lie side by side then, as channels do. For
// AVX-512, which has other kernels for small windows, and AVX2.
#pragma once

#include "pool/channels.h"
#include "pool/separable.h"
#include "simd/turned.h"

POOL_BEGIN

template <class O>
struct PoolTurned {
  static constexpr const char* kName = "turned";
  static constexpr const char* kTakes =
      "contiguous rows of many planes, turned so that the planes lie side by side: windows that are large for their "
      "stride; with AVX2 short rows, too";
  static constexpr const char* kCost = "what separable or channels take, and 7 for each element";

  // The kernels for innermost channels.
  struct Inner {
    static bool fits(const Plan& p, bool) {
      return separates(p) || (kTakesFew && (Channels<O>::fits(p) || Rows<O>::fits(p)));
    }
    static void run(const Plan& p) {
      if constexpr (!kTakesFew) {
        all<Separable<O>>(p);
      } else {
        if constexpr (O::kIsMax) {
          if (separates(p)) return all<Separable<O>>(p);
        }
        Channels<O>::fits(p) ? all<Channels<O>>(p) : all<Rows<O>>(p);
      }
    }
    template <class Kernel>
    static void all(const Plan& p) {
      Kernel::run(p, 0, Kernel::units(p));
    }
  };
  using T = Turned<typename O::Stored, Inner>;

  // Where it was measured to be faster than the kernels behind it: planes that need not be cut, whose rows those would
  // combine in many steps, or with many lanes idle.
  static bool fits(const Plan& p) {
    const bool in_steps = p.h.stride == 1 && p.w.stride == 1;
    const bool is_wide = in_steps && p.h.window >= kWide && p.w.window >= kWide;
    const bool is_short = kTakesFew && p.w.windows <= (in_steps && !O::kIsMax ? kShortSums : kShort);
    return (is_wide || is_short) && T::can(p) && T::is_small(p);
  }
  static std::int64_t units(const Plan& p) { return T::units(p); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) { T::run(p, first, last); }

 private:
  static constexpr bool kTakesFew = kBytes == 32;
  static constexpr std::int64_t kWide = kTakesFew ? 5 : 7;
  static constexpr std::int64_t kShort = 2 * O::kCount, kShortSums = 4 * O::kCount;  // outputs in a row

  static bool separates(const Plan& p) {
    if constexpr (O::kIsMax) return Separable<O>::fits(p);
    else return false;
  }
};

POOL_END
