// Half types to and from float, one value at a time. The vector units have their own.
#pragma once

#include <cstdint>
#include <cstring>

#include "simd/element.h"

namespace poolbench::pool {

inline float float_of_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline std::uint32_t bits_of_float(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float to_float(Bf16 value) { return float_of_bits(std::uint32_t{value.bits} << 16); }

inline float to_float(F16 value) {
  const std::uint32_t sign = std::uint32_t{value.bits & 0x8000u} << 16;
  const std::uint32_t rest = std::uint32_t{value.bits & 0x7fffu} << 13;
  // Multiplying by 2^112 moves the exponent's bias and makes denormals normal; infinities and NaN need all ones.
  const float scaled = float_of_bits(rest) * float_of_bits(0x77800000u);
  return float_of_bits((bits_of_float(scaled) | (rest >= 0x0f800000u ? 0x7f800000u : 0u)) | sign);
}

inline void from_float(float value, Bf16& result) {
  const std::uint32_t bits = bits_of_float(value);
  if (value != value) {
    result.bits = static_cast<std::uint16_t>((bits >> 16) | 0x40u);  // quiet, so that it stays a NaN when cut
  } else {
    result.bits = static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
  }
}

inline void from_float(float value, F16& result) {
  const std::uint32_t bits = bits_of_float(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t rest = bits & 0x7fffffffu;
  if (rest > 0x7f800000u) {
    result.bits = static_cast<std::uint16_t>(sign | 0x7e00u);
  } else if (rest >= 0x477ff000u) {  // rounds to 65520 or more
    result.bits = static_cast<std::uint16_t>(sign | 0x7c00u);
  } else if (rest < 0x38800000u) {  // denormal: adding 0.5 rounds at the right place
    const std::uint32_t aligned = bits_of_float(float_of_bits(rest) + 0.5f);
    result.bits = static_cast<std::uint16_t>(sign | (aligned - 0x3f000000u));
  } else {
    result.bits = static_cast<std::uint16_t>(sign | ((rest - 0x38000000u + 0xfffu + ((rest >> 13) & 1u)) >> 13));
  }
}

}  // namespace poolbench::pool
