// Maxima of floats as if no element were NaN, for half the instructions or fewer; and whether one was, told for many at
// once. Where it was, a kernel does its work again with the operation that asks each element.
#pragma once

#include "simd/max.h"

POOL_BEGIN

#if POOL_AVX512 || POOL_AVX2 || POOL_SSE2
constexpr bool kAsksForNan = true;  // as `larger` does
#else
constexpr bool kAsksForNan = false;
#endif

// The larger of two, of equal ones the known, as `larger`; a fresh NaN is lost.
template <class S>
struct MaxOfNumbers : Max<S> {
  static POOL_INLINE Vec<S> combine(Vec<S> known, Vec<S> fresh) {
#if POOL_AVX512
    if constexpr (sizeof(S) == 4) return (Vec<S>)_mm512_maskz_max_ps(0xffff, (__m512)fresh, (__m512)known);
    else return (Vec<S>)_mm512_maskz_max_pd(0xff, (__m512d)fresh, (__m512d)known);
#elif POOL_AVX2
    if constexpr (sizeof(S) == 4) return (Vec<S>)_mm256_max_ps((__m256)fresh, (__m256)known);
    else return (Vec<S>)_mm256_max_pd((__m256d)fresh, (__m256d)known);
#elif POOL_SSE2
    if constexpr (sizeof(S) == 4) return (Vec<S>)_mm_max_ps((__m128)fresh, (__m128)known);
    else return (Vec<S>)_mm_max_pd((__m128d)fresh, (__m128d)known);
#else
    return larger<S>(known, fresh);
#endif
  }
};

// The operation that does the work of another where all elements are numbers.
template <class O>
struct OfNumbers {
  using Op = O;
};
template <>
struct OfNumbers<Max<float>> {
  using Op = std::conditional_t<kAsksForNan, MaxOfNumbers<float>, Max<float>>;
};
template <>
struct OfNumbers<Max<double>> {
  using Op = std::conditional_t<kAsksForNan, MaxOfNumbers<double>, Max<double>>;
};

// Whether none of many vectors held a NaN: their sum does if one of them did. Infinities of both signs are doubted, too.
template <class V>
class Doubt {
 public:
  POOL_INLINE void see(Vec<V> elements) { sum_ += elements; }
  // Several, of which none waits for the sum of those before.
  template <int kCount>
  POOL_INLINE void see(const Vec<V>* elements) {
    Vec<V> all = elements[0];
#pragma GCC unroll 9
    for (int i = 1; i < kCount; ++i) all += elements[i];
    see(all);
  }
  POOL_INLINE bool is_sure() const {
    const auto differs = sum_ != sum_;
#if POOL_AVX2
    if constexpr (sizeof(V) == 4) return _mm256_movemask_ps((__m256)differs) == 0;
    else return _mm256_movemask_pd((__m256d)differs) == 0;
#endif
    std::int64_t some = 0;
    for (int i = 0; i < kLanes<V>; ++i) some |= differs[i];
    return some == 0;
  }

 private:
  Vec<V> sum_{};
};

// The same for operations that take every element.
struct NoDoubt {
  template <class V>
  POOL_INLINE void see(V) {}
  template <int kCount, class V>
  POOL_INLINE void see(const V*) {}
  POOL_INLINE bool is_sure() const { return true; }
};

template <class Op>
struct DoubtIn {
  using type = NoDoubt;
};
template <class S>
struct DoubtIn<MaxOfNumbers<S>> {
  using type = Doubt<S>;
};
template <class Op>
using DoubtOf = typename DoubtIn<Op>::type;

POOL_END
