// The element types as C++ types: how each is stored, and what an average of it is accumulated in.
#pragma once

#include <cstdint>
#include <cstring>

#include "problem/problem.h"

namespace poolbench::pool {

// Stored as 16 bits; computed with as something else.
struct F16 { std::uint16_t bits; };
struct Bf16 { std::uint16_t bits; };

// Calls visit.template operator()<T>() for the C++ type of `type`.
template <class Visitor>
inline void visit_type(Type type, Visitor&& visit) {
  switch (type) {
    case Type::kF64: visit.template operator()<double>(); break;
    case Type::kF32: visit.template operator()<float>(); break;
    case Type::kF16: visit.template operator()<F16>(); break;
    case Type::kBf16: visit.template operator()<Bf16>(); break;
    case Type::kI8: visit.template operator()<std::int8_t>(); break;
    case Type::kU8: visit.template operator()<std::uint8_t>(); break;
    case Type::kI16: visit.template operator()<std::int16_t>(); break;
    case Type::kI32: visit.template operator()<std::int32_t>(); break;
    case Type::kI64: visit.template operator()<std::int64_t>(); break;
  }
}

template <class T>
constexpr Type type_of = Type::kF32;
template <>
inline constexpr Type type_of<double> = Type::kF64;
template <>
inline constexpr Type type_of<F16> = Type::kF16;
template <>
inline constexpr Type type_of<Bf16> = Type::kBf16;
template <>
inline constexpr Type type_of<std::int8_t> = Type::kI8;
template <>
inline constexpr Type type_of<std::uint8_t> = Type::kU8;
template <>
inline constexpr Type type_of<std::int16_t> = Type::kI16;
template <>
inline constexpr Type type_of<std::int32_t> = Type::kI32;
template <>
inline constexpr Type type_of<std::int64_t> = Type::kI64;

}  // namespace poolbench::pool
