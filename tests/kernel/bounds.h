// How exact an average, and a gradient of averages, has to be.
#pragma once

#include <algorithm>
#include <cmath>

#include "draw.h"
#include "naive.h"
#include "values.h"

namespace poolbench::pool {

// Small integers over powers of two: nothing is rounded, unless the type itself lacks the digits.
inline bool is_exact(const Drawn& drawn, const Sum& want) {
  constexpr std::int64_t kLargest = 9, kRoom = std::int64_t{1} << 24;  // what a float counts to
  return drawn.filling == Filling::kIntegers && want.by_powers_of_two &&
         want.terms * kLargest < kRoom / want.largest_divisor;
}

// Chains of additions in float have at most one less, whatever the window: longer sums go on in double.
constexpr long double kFewElements = 9;

// How far from the exact average the kernel's may lie: the last place of the type, and what rounding the sum loses. A
// float's sum is taken in double, or in float where its chains are short, and a half's in float; a double's in double, but as
// well as by pairs.
inline long double tolerance_of_average(const Problem& p, const Sum& want) {
  const auto terms = static_cast<long double>(want.terms);
  if (p.type == Type::kF64) return std::ldexp(2 + std::log2(terms + 1), -52) * want.magnitude;
  if (p.type == Type::kF32) {
    return std::ldexp(std::min(terms, kFewElements), -24) * want.magnitude + std::ldexp(1.0L, -149);
  }
  return std::ldexp(terms, -24) * want.magnitude + std::ldexp(1.0L, -149);
}

// How far from the exact gradient of averages the kernel's may lie, beside the last place: a share is multiplied by a
// factor, which is a product of up to four, and shares are added in any order: all of it in float, or in double for
// doubles.
inline long double tolerance_of_gradient(Type type, const Sum& want) {
  constexpr int kFactors = 8;  // roundings on the way to one share
  const auto terms = static_cast<long double>(want.terms);
  const bool wide = type == Type::kF64;
  return std::ldexp(terms + kFactors, wide ? -53 : -24) * want.magnitude + std::ldexp(terms, wide ? -1074 : -149);
}

inline long double tolerance(const Problem& p, const Sum& want) {
  const long double lost =
      p.pass == Pass::kGradient ? tolerance_of_gradient(p.type, want) : tolerance_of_average(p, want);
  return lost + format_of(p.type).ulp(want.exact);
}

inline bool agrees(const Drawn& drawn, const Sum& want, double got) {
  if (std::isnan(want.exact)) return std::isnan(got);
  const Type type = drawn.problem.type;
  const Format& format = format_of(type);
  if (std::isinf(want.exact) || is_exact(drawn, want)) return got == format.round(want.exact);
  const long double off = std::fabs(got - want.exact);
  constexpr long double kPlaces[] = {0x1p-53L, 0x1p-24L, 0x1p-11L, 0x1p-8L};  // at least half a unit of the last place
  if (off <= kPlaces[static_cast<int>(type)] * std::fabs(want.exact)) return true;
  if (std::isinf(got)) return format.round(want.exact + std::copysign(tolerance(drawn.problem, want), got)) == got;
  return off <= tolerance(drawn.problem, want);
}

}  // namespace poolbench::pool
