// The element types as numbers: their bits read and written, and their spacing.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "problem/problem.h"

namespace poolbench::pool {

constexpr bool is_float(Type type) { return type <= Type::kBf16; }

// A binary floating-point format: numbers below 2^most, `digits` significant bits, none closer than 2^least.
struct Format {
  int digits;
  int least;
  int most;

  // The distance of this format's numbers where x lies.
  long double ulp(long double x) const {
    if (x == 0) return std::ldexp(1.0L, least);  // of no binade
    int exponent;
    std::frexp(x, &exponent);
    return std::ldexp(1.0L, exponent - digits > least ? exponent - digits : least);
  }
  // To the nearest number of this format, ties to even.
  long double round(long double x) const {
    if (!std::isfinite(x)) return x;
    const long double nearest = std::nearbyint(x / ulp(x)) * ulp(x);
    const long double infinity = std::numeric_limits<long double>::infinity();
    return std::fabs(nearest) >= std::ldexp(1.0L, most) ? std::copysign(infinity, x) : nearest;
  }
};

constexpr Format kFormats[] = {{53, -1074, 1024}, {24, -149, 128}, {11, -24, 16}, {8, -133, 128}};
inline const Format& format_of(Type type) { return kFormats[static_cast<int>(type)]; }

inline double decode_half(const Format& format, std::uint16_t bits) {
  const int fraction = bits & ((1 << (format.digits - 1)) - 1);
  const int field = (bits & 0x7fff) >> (format.digits - 1);
  const int top = 0x7fff >> (format.digits - 1);
  double value;
  if (field == top) {
    value = fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else if (field == 0) {
    value = std::ldexp(fraction, format.least);
  } else {
    value = std::ldexp(fraction + (1 << (format.digits - 1)), field - 1 + format.least);
  }
  return (bits & 0x8000) != 0 ? -value : value;
}

inline std::uint16_t encode_half(const Format& format, double value) {
  const long double nearest = format.round(value);
  const unsigned sign = std::signbit(value) ? 0x8000u : 0u;
  const unsigned infinity = 0x7fffu >> (format.digits - 1) << (format.digits - 1);
  if (nearest != nearest) return static_cast<std::uint16_t>(sign | infinity | 1u);
  if (std::isinf(nearest)) return static_cast<std::uint16_t>(sign | infinity);
  // Each binade above the first adds 2^(digits - 1), which is the exponent field going up by one.
  const long double ulp = format.ulp(nearest);
  const auto multiple = static_cast<unsigned>(std::fabs(nearest) / ulp);
  const auto binade = static_cast<unsigned>(std::ilogb(ulp) - format.least);
  return static_cast<std::uint16_t>(sign | (multiple + (binade << (format.digits - 1))));
}

inline std::vector<double> decode_all(const Format& format) {
  std::vector<double> all;
  for (int bits = 0; bits < 1 << 16; ++bits) all.push_back(decode_half(format, static_cast<std::uint16_t>(bits)));
  return all;
}

// Every 16-bit pattern, decoded once.
inline const std::vector<double>& half_table(Type type) {
  static const std::vector<double> tables[] = {decode_all(format_of(Type::kF16)), decode_all(format_of(Type::kBf16))};
  return tables[type == Type::kF16 ? 0 : 1];
}

template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The value that an element's bits mean, exactly: V is double for the floats, int64 for the integers.
template <class V>
V decode(Type type, std::uint64_t bits) {
  switch (type) {
    case Type::kF64: return static_cast<V>(from_bits<double>(bits));
    case Type::kF32: return static_cast<V>(from_bits<float>(bits));
    case Type::kF16: case Type::kBf16: return static_cast<V>(half_table(type)[from_bits<std::uint16_t>(bits)]);
    case Type::kI8: return static_cast<V>(from_bits<std::int8_t>(bits));
    case Type::kU8: return static_cast<V>(from_bits<std::uint8_t>(bits));
    case Type::kI16: return static_cast<V>(from_bits<std::int16_t>(bits));
    case Type::kI32: return static_cast<V>(from_bits<std::int32_t>(bits));
    case Type::kI64: return static_cast<V>(from_bits<std::int64_t>(bits));
  }
  return V{};
}

template <class T>
std::uint64_t bits_of(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

inline bool is_nan(Type type, std::uint64_t bits) { return is_float(type) && std::isnan(decode<double>(type, bits)); }

// A value's bits in the type; the integers take what fits of it.
inline std::uint64_t encode(Type type, double value) {
  switch (type) {
    case Type::kF64: return bits_of(value);
    case Type::kF32: return bits_of(static_cast<float>(value));
    case Type::kF16: case Type::kBf16: return encode_half(format_of(type), value);
    default: return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
  }
}

}  // namespace poolbench::pool
