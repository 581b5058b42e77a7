// What a gradient looks up, since divisions take longer than a short row.
#pragma once

#include "simd/large.h"

POOL_BEGIN

// The readers of an axis's first positions, looked up, since divisions take longer than a short row.
struct ReaderTable {
  static constexpr std::int64_t kMost = 256;
  const Axis& axis;
  struct {
    std::int32_t first, last;
  } known[kMost];

  explicit ReaderTable(const Axis& of) : axis(of) {
    for (std::int64_t i = 0; i < std::min(of.positions, kMost); ++i) {
      const Readers all = readers(of, i);
      known[i] = {static_cast<std::int32_t>(all.first), static_cast<std::int32_t>(all.last)};
    }
  }
  POOL_INLINE Readers at(std::int64_t i) const {
    return i < kMost ? Readers{known[i].first, known[i].last} : readers(axis, i);
  }
};

// What an average's windows along w are multiplied by, looked up in the same way.
struct FactorTable {
  static constexpr std::int64_t kMost = 256;
  const Plan& plan;
  double known[kMost];

  explicit FactorTable(const Plan& of) : plan(of) {
    for (std::int64_t o = 0; of.counts_w && o < std::min(of.w.windows, kMost); ++o) known[o] = of.factor(of.w, o);
  }
  POOL_INLINE double at(std::int64_t o) const {
    return !plan.counts_w ? 1.0 : o < kMost ? known[o] : plan.factor(plan.w, o);
  }
};

POOL_END
