// What the rows of the list are made by: a kernel's rows are one for each type that it is compiled for.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

template <class... O>
struct Operations {};
using WideMaxima = Operations<Max<double>, Max<float>>;
using Maxima = Operations<Max<double>, Max<float>, Max<F16>, Max<Bf16>, Max<std::int16_t>, Max<std::int32_t>,
                          Max<std::int64_t>>;
using ByteMaxima = Operations<Max<std::int8_t>, Max<std::uint8_t>>;
using Averages = Operations<Avg<double>, Avg<float>, Avg<F16>, Avg<Bf16>>;
using ShortAverages = Operations<Avg<double>, FloatAvg, Avg<F16>, Avg<Bf16>>;  // of kernels that take short sums alone
using WideShortAverages = Operations<Avg<double>, FloatAvg>;

template <int kRows>
struct KernelRows {
  static constexpr int kCount = kRows;
  Kernel rows[kRows];
};

template <class K>
constexpr Kernel row(Pass pass, Op op, Type type) {
  return {pass, K::kName, K::kTakes, K::kCost, kIsa, op, type, K::fits, K::units, K::run};
}

template <int kFirst, int kSecond>
constexpr KernelRows<kFirst + kSecond> join(const KernelRows<kFirst>& first, const KernelRows<kSecond>& second) {
  KernelRows<kFirst + kSecond> all{};
  for (int i = 0; i < kFirst; ++i) all.rows[i] = first.rows[i];
  for (int i = 0; i < kSecond; ++i) all.rows[kFirst + i] = second.rows[i];
  return all;
}
template <int kFirst, int kSecond, class... Rest>
constexpr auto join(const KernelRows<kFirst>& first, const KernelRows<kSecond>& second, const Rest&... rest) {
  return join(join(first, second), rest...);
}

// A kernel for averages of floats: short sums are taken in float, others in double.
template <template <class> class K>
struct OfFloats {
  using Short = K<FloatAvg>;
  using Long = K<Avg<float>>;
  static constexpr const char* kName = Long::kName;
  static constexpr const char* kTakes = Long::kTakes;
  static constexpr const char* kCost = Long::kCost;
  static bool fits(const Plan& p) { return ShortSums<K>::has(p) ? Short::fits(p) : Long::fits(p); }
  static std::int64_t units(const Plan& p) { return ShortSums<K>::has(p) ? Short::units(p) : Long::units(p); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    ShortSums<K>::has(p) ? Short::run(p, first, last) : Long::run(p, first, last);
  }
};
template <template <class> class K, class O>
using PoolKernel = std::conditional_t<std::is_same_v<O, Avg<float>>, OfFloats<K>, K<O>>;

template <template <class> class K, class... O>
constexpr KernelRows<sizeof...(O)> pool_rows(Operations<O...>) {
  return {{row<PoolKernel<K, O>>(Pass::kPool, O::kIsMax ? Op::kMax : Op::kAvg, type_of<typename O::Stored>)...}};
}
template <template <class> class K, class Some>
constexpr auto pool() {
  return pool_rows<K>(Some{});
}
template <template <class> class K, class Some, class More, class... Rest>
constexpr auto pool() {
  return join(pool_rows<K>(Some{}), pool<K, More, Rest...>());
}

template <template <class> class K>
constexpr KernelRows<4> float_rows(Pass pass, Op op) {
  return {{row<K<double>>(pass, op, Type::kF64), row<K<float>>(pass, op, Type::kF32),
           row<K<F16>>(pass, op, Type::kF16), row<K<Bf16>>(pass, op, Type::kBf16)}};
}
template <template <class> class K>
constexpr KernelRows<2> wide_rows(Pass pass, Op op) {
  return {{row<K<double>>(pass, op, Type::kF64), row<K<float>>(pass, op, Type::kF32)}};
}
template <template <class> class K>
constexpr auto keep_wide() {
  return wide_rows<K>(Pass::kKeep, Op::kMax);
}
template <template <class> class K>
constexpr auto keep() {
  return float_rows<K>(Pass::kKeep, Op::kMax);
}
template <Op kOp, template <class> class K>
constexpr auto gradient_wide() {
  return wide_rows<K>(Pass::kGradient, kOp);
}
template <Op kOp, template <class> class K>
constexpr auto gradient() {
  return float_rows<K>(Pass::kGradient, kOp);
}

POOL_END
