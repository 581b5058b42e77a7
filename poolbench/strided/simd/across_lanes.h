// What all lanes of a vector come to, for as many vectors as one has lanes.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

// What the halves of each group of kGroup lanes come to, of a and then of b. With AVX-512 a sum of all lanes is the same
// from whichever lane a row begins: halves are added first, and single lanes last.
template <class O, int kGroup>
POOL_INLINE VecFor<O> combine_halves(VecFor<O> a, VecFor<O> b) {
  using Value = typename O::Value;
#if POOL_AVX512
  return O::combine(first_halves<Value, kGroup>(a, b), second_halves<Value, kGroup>(a, b));
#else
  return O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
#endif
}

// Lane i of the result combines the lanes of row(i), for as many rows as a vector has lanes. Half of them come first and
// then the other half, so that few registers hold what is not done yet.
template <class O, int kRows = O::kCount, class Row>
POOL_INLINE VecFor<O> across_lanes(Row row, int first = 0) {
  if constexpr (kRows == 1) {
    return row(first);
  } else {
    const VecFor<O> a = across_lanes<O, kRows / 2>(row, first);
    const VecFor<O> b = across_lanes<O, kRows / 2>(row, first + kRows / 2);
    return combine_halves<O, 2 * O::kCount / kRows>(a, b);
  }
}

POOL_END
