// What the arrays that are read are filled with.
#pragma once

#include <cstdint>
#include <vector>

#include "problem/problem.h"

namespace poolbench::pool {

enum class Filling { kIntegers, kNumbers, kMagnitudes, kSpecials, kLargest, kLowest };
constexpr int kFillings = 6;
constexpr const char* kFillingNames[] = {"small integers", "random numbers", "magnitudes far apart",
                                         "special values among others", "the largest numbers", "special values alone"};

// The bits of values to fill an array with, to be taken in any order.
const std::vector<std::uint64_t>& filling_values(Type type, Filling filling);

}  // namespace poolbench::pool
