// What the rows of the list are made by: a kernel's rows are one for each type that it is compiled for.
#pragma once

#include "simd/avg.h"
#include "simd/max.h"

POOL_BEGIN

template <class... O>
struct Operations {};
using WideMaxima = Operations<Max<double>, Max<float>>;
using Maxima = Operations<Max<double>, Max<float>, Max<F16>, Max<Bf16>, Max<std::int16_t>, Max<std::int32_t>,
                          Max<std::int64_t>>;
using ByteMaxima = Operations<Max<std::int8_t>, Max<std::uint8_t>>;
using Averages = Operations<Avg<double>, Avg<float>, Avg<F16>, Avg<Bf16>>;

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

template <template <class> class K, class... O>
constexpr KernelRows<sizeof...(O)> pool_rows(Operations<O...>) {
  return {{row<K<O>>(Pass::kPool, O::kIsMax ? Op::kMax : Op::kAvg, type_of<typename O::Stored>)...}};
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
constexpr auto keep() {
  return float_rows<K>(Pass::kKeep, Op::kMax);
}
template <Op kOp, template <class> class K>
constexpr auto gradient() {
  return float_rows<K>(Pass::kGradient, kOp);
}

POOL_END
