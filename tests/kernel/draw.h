// Random problems: everything that follows from a seed and a number, before there is memory for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "problem.h"

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

// Which shapes: each engine of the kernel is good for some of them.
enum class Profile { kTiny, kImage, kShortRows, kLongRows, kChannels, kVolume, kWhole, kSame, kAnything, kLarge };
constexpr const char* kProfileNames[] = {"tiny",   "image", "short rows", "long rows", "channels",
                                         "volume", "whole", "same size",  "anything",  "large"};

enum class Filling { kIntegers, kNumbers, kMagnitudes, kSpecials, kLargest, kLowest };
constexpr int kFillings = 6;
constexpr const char* kFillingNames[] = {"small integers", "random numbers", "magnitudes far apart",
                                         "special values among others", "the largest numbers", "special values alone"};

constexpr int kDims = 5;  // batch, channels, d, h, w
constexpr const char* kDimNames[] = {"n", "c", "d", "h", "w"};

// A strided array in a buffer of exactly as many bytes as it needs from the buffer's start.
struct View {
  std::int64_t counts[kDims];
  std::int64_t steps[kDims];  // bytes
  std::int64_t first;         // of element 0, 0, … in the buffer
  std::int64_t bytes;         // the buffer's

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t count : counts) product *= count;
    return product;
  }
};

struct Drawn {
  Problem problem;  // its pointers are still null
  View in, out, indices;
  bool with_indices;
  Profile profile;
  Filling filling;
  std::uint64_t filling_seed;
  int threads;
  bool any_isa;  // whether the kernel chooses the instruction set too, or the engine alone
};

Drawn draw(std::uint64_t seed, std::uint64_t number);

// The bits of values to fill an input with, to be taken in any order.
const std::vector<std::uint64_t>& filling_values(Type type, Filling filling);

std::string describe(const Drawn& drawn);  // in words, over several lines

}  // namespace poolbench::pool
