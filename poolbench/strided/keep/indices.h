// From where in its window each maximum lies to where in its plane: the int64 indices that callers ask for.
#pragma once

#include <cstdint>

#include "problem/problem.h"

namespace poolbench::pool {

// Where indices are written, with a step in bytes for batch, channels, d, h and w.
struct Indices {
  char* data = nullptr;
  std::int64_t steps[5] = {};
};

// Writes the place (d * H + h) * W + w of each maximum, from the offsets that a Pass::kKeep of `kept` has written.
void write_indices(const Problem& kept, const Indices& indices, int threads);

}  // namespace poolbench::pool
