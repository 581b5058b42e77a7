// Averages of few elements: added up in the order of the elements, as PyTorch does, in the type of the elements (half
// types in float). So short a sum needs no wider type to be as good as PyTorch's, and has twice the lanes. For AVX-512
// alone, like the engines that use it.
#pragma once

#include "simd/avg.h"
#include "simd/combine.h"

POOL_BEGIN

// The sum of a window in the order of its elements, and its average.
template <class S>
struct InOrder {
  using Value = typename Widened<S>::Value;
  static constexpr int kCount = kLanes<Value>;
  static POOL_INLINE Vec<Value> load(const char* at) { return Widened<S>::load(at); }
  static POOL_INLINE Vec<Value> load_masked(const char* at, std::uint64_t mask) { return Avg<S>::load_masked(at, mask); }
  static POOL_INLINE void store_masked(char* at, Vec<Value> value, std::uint64_t mask) {
    Avg<S>::store_masked(at, value, fill_vec<Value>(1), mask);
  }
  static POOL_INLINE void store(char* at, Vec<Value> value) { Widened<S>::store(at, value); }
};

template <>
struct InOrder<float> {
  using Value = float;
  static constexpr int kCount = kLanes<float>;
  static POOL_INLINE Vec<float> load(const char* at) { return load_vec<float>(at); }
  static POOL_INLINE Vec<float> load_masked(const char* at, std::uint64_t mask) {
    return (Vec<float>)Masked<4>::load_lanes(at, mask);
  }
  static POOL_INLINE void store_masked(char* at, Vec<float> value, std::uint64_t mask) {
    Masked<4>::store_lanes(at, mask, (__m512i)value);
  }
  static POOL_INLINE void store(char* at, Vec<float> value) { store_vec<float>(at, value); }
};

// Division by the same number for all lanes, as exact as a division but without one: the quotient by the reciprocal,
// and one step towards what is missing. Half types are rounded afterwards anyway, and a double is multiplied as
// everywhere else.
template <class Value>
struct Divider {
  double by;
  bool power_of_two;  // the reciprocal is exact
  Vec<Value> divisor, reciprocal;

  explicit POOL_INLINE Divider(double number)
      : by(number), power_of_two(is_power_of_two(number)), divisor(fill_vec<Value>(static_cast<Value>(number))),
        reciprocal(fill_vec<Value>(static_cast<Value>(1 / number))) {}

  static POOL_INLINE bool is_power_of_two(double number) {
    std::uint64_t bits;
    __builtin_memcpy(&bits, &number, sizeof bits);
    return (bits & ((std::uint64_t{1} << 52) - 1)) == 0;
  }

  POOL_INLINE Vec<Value> divide(Vec<Value> sum) const {
    const Vec<Value> quotient = sum * reciprocal;
    if constexpr (std::is_same_v<Value, float>) {
      if (!power_of_two) {
        const __m512 missing = _mm512_fnmadd_ps((__m512)quotient, (__m512)divisor, (__m512)sum);
        const __mmask16 infinite = _mm512_fpclass_ps_mask((__m512)quotient, 0x18);  // nothing is missing there
        return (Vec<Value>)_mm512_mask3_fmadd_ps(missing, (__m512)reciprocal, (__m512)quotient,
                                                static_cast<__mmask16>(~infinite));
      }
    }
    return quotient;
  }
};

// Float sums as an operation on rows (combine.h), and where their averages go.
using FloatSums = OnValues<Avg<F16>>;  // the values of half types are floats

struct ToAverages {
  char* at;
  Divider<float> divider;
  POOL_INLINE void whole(std::int64_t x, Vec<float> sum) { InOrder<float>::store(at + x * 4, divider.divide(sum)); }
  POOL_INLINE void part(std::int64_t x, Vec<float> sum, int rest) {
    InOrder<float>::store_masked(at + x * 4, divider.divide(sum), first_lanes(rest));
  }
};

POOL_END
