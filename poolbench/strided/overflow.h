// Sums that leave the range of the type they are taken in, although the average, or the gradient of one, would fit. The
// processor notes an overflow by itself, so nothing is asked for each element; where there was one, the scalar code does
// those outputs again that are not finite.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

#include "problem.h"

namespace poolbench::pool {

// Elements are multiplied by this where a sum of doubles would overflow: that of 2^64 of them fits then.
constexpr double kShrink = 0x1p-64;

#if defined(__x86_64__)
// As in <cfenv>, whose functions ask the unit for long doubles too, which takes ten times as long.
inline bool has_overflowed() { return (_mm_getcsr() & _MM_EXCEPT_OVERFLOW) != 0; }
inline void forget_overflow() {
  if (has_overflowed()) _mm_setcsr(_mm_getcsr() & ~static_cast<unsigned>(_MM_EXCEPT_OVERFLOW));
}
#else
inline bool has_overflowed() { return std::fetestexcept(FE_OVERFLOW) != 0; }
inline void forget_overflow() {
  if (has_overflowed()) std::feclearexcept(FE_OVERFLOW);
}
#endif

// Computes those averages again that are not finite.
void mend_averages(const Problem& problem);

struct TrainingPlan;

// The same for the gradient of an average.
void mend_gradient(const TrainingPlan& plan);

}  // namespace poolbench::pool
