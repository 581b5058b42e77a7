// A maximum and its offset in windows of one element: rows from which elements are left out (pool/skips.h), and zeros, since
// each maximum is the first of its window.
#pragma once

#include "pool/skips.h"
#include "simd/plane_walk.h"

POOL_BEGIN

template <class S>
struct KeepSkips {
  using Copy = Skips<Max<S>>;
  static constexpr const char* kName = Copy::kName;
  static constexpr const char* kTakes = Copy::kTakes;
  static constexpr const char* kCost = Copy::kCost;

  static bool fits(const Plan& p) { return Copy::fits(p) && p.w.offset_step == p.offset_size; }
  static std::int64_t units(const Plan& p) { return Copy::units(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Copy::run(p, first, last);
    const std::size_t bytes = static_cast<std::size_t>(p.w.windows * p.offset_size);
    PlaneRow at(p, first, p.d.windows, p.h.windows);
    for (; first < last; ++first, at.next(p, p.d.windows, p.h.windows)) {
      std::memset(at.offsets + (at.d * p.d.offset_step + at.h * p.h.offset_step), 0, bytes);
    }
  }
};

POOL_END
