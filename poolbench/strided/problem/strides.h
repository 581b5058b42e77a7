// An array in memory, and what its shape and steps say of it.
#pragma once

#include <cstdint>
#include <string>

namespace poolbench::pool {

// No length, number of elements or number of bytes goes beyond this: sums of a few of them then fit their type.
constexpr std::int64_t kLimit = std::int64_t{1} << 60;

constexpr int kMostAxes = 5;  // batch, channels, depth, height, width

// An array in memory. Steps are in bytes, of any sign.
struct Array {
  char* data = nullptr;
  int dims = 0;
  std::int64_t shape[kMostAxes] = {};
  std::int64_t steps[kMostAxes] = {};
};

// The bytes from the first to behind the last that an array's elements take up; `first` is relative to the data.
// Returns false where that overflows.
bool extent(const Array& array, std::int64_t size, std::int64_t* first, std::int64_t* length);

// Whether no two elements of the array share a byte, as far as comparing its steps can tell: true is certain.
bool is_free_of_overlap(const Array& array, std::int64_t size);

// "(1, 3, 4, 4)".
std::string text_of(const std::int64_t* values, int count);

}  // namespace poolbench::pool
