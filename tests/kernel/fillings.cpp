#include "fillings.h"

#include <cmath>
#include <limits>

#include "random.h"
#include "values.h"

namespace poolbench::pool {
namespace {

double lowest_of(Type type) {
  switch (type) {
    case Type::kU8: return 0;
    case Type::kI8: return -128;
    case Type::kI16: return -32768;
    case Type::kI32: return -2147483648.0;
    case Type::kI64: return -9223372036854775808.0;
    default: return -std::numeric_limits<double>::infinity();
  }
}

std::uint64_t draw_value(Random& random, Type type, Filling filling) {
  const bool real = is_float(type);
  const auto small = [&] { return encode(type, static_cast<double>(random.between(type == Type::kU8 ? 0 : -9, 9))); };
  const auto number = [&] {
    if (!real) return random.next();
    const double uniform = static_cast<double>(random.between(-1000000000, 1000000000)) * 1e-9;
    return encode(type, uniform * static_cast<double>(random.between(1, 100)));
  };
  const auto special = [&] {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
    if (!real) return random.percent(50) ? encode(type, lowest_of(type)) : ~encode(type, lowest_of(type));
    const Format& format = format_of(type);
    switch (random.between(0, 7)) {
      case 0: return encode(type, kNan);
      case 1: return encode(type, std::copysign(kNan, -1.0));
      case 2: return encode(type, kInfinity);
      case 3: return encode(type, -kInfinity);
      case 4: return encode(type, -0.0);
      case 5: return encode(type, 0.0);
      default: return encode(type, std::ldexp(static_cast<double>(random.between(-20, 20)), format.least));
    }
  };
  switch (filling) {
    case Filling::kIntegers: return small();
    case Filling::kNumbers: return number();
    case Filling::kMagnitudes: {
      if (!real) return random.percent(50) ? small() : number();
      const double large = type == Type::kF16 ? 3e4 : 1e8;
      return random.percent(10) ? encode(type, random.percent(50) ? large : -large) : number();
    }
    case Filling::kLargest: {  // sums overflow, averages don't
      if (!real) return number();
      const Format& format = format_of(type);
      const double largest = std::ldexp(2 - std::ldexp(1.0, 1 - format.digits), format.most - 1);
      return encode(type, (random.percent(50) ? largest : -largest) * (random.percent(50) ? 1 : 0.75));
    }
    case Filling::kSpecials: return random.percent(12) ? special() : small();
    default: return random.percent(4) ? special() : encode(type, lowest_of(type));
  }
}

}  // namespace

const std::vector<std::uint64_t>& filling_values(Type type, Filling filling) {
  static std::vector<std::uint64_t> known[kTypes][kFillings];
  std::vector<std::uint64_t>& values = known[static_cast<int>(type)][static_cast<int>(filling)];
  if (values.empty()) {
    Random random(static_cast<std::uint64_t>(type), static_cast<std::uint64_t>(filling));
    for (int i = 0; i < 4096; ++i) values.push_back(draw_value(random, type, filling));
  }
  return values;
}

}  // namespace poolbench::pool
