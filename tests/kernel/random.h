// Random numbers that follow from a seed and a number alone, on every machine.
#pragma once

#include <cstdint>

namespace poolbench::pool {

class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t number) : state_(seed * 0x9e3779b97f4a7c15u ^ number * 0xd1342543de82ef95u) {
    next();
  }
  std::uint64_t next() {  // S. Vigna's splitmix64
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  std::int64_t between(std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(next() % static_cast<std::uint64_t>(most - least + 1));
  }
  bool percent(int chance) { return between(1, 100) <= chance; }

 private:
  std::uint64_t state_;
};

}  // namespace poolbench::pool
