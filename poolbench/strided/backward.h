// Training: a maximum that keeps where it found each value, and the gradients of maxima and averages. A problem says
// what is pooled; a Training says which of its passes is asked for, and where the memory of that pass is.
#pragma once

#include <cstdint>

#include "problem.h"

namespace poolbench::pool {

enum class Pass : std::uint8_t {
  kKeep,      // reads `in`, writes `out` and `offsets`; for maxima alone
  kBackward,  // reads `out`, the gradient of the output (and `offsets`, for maxima), writes `in`, that of the input
};

// An offset counts the elements of a window, padding included, in row-major order: (kd * window_h + kh) * window_w + kw,
// where the windows of an adaptive pooling count as the largest of them.
struct Training {
  Pass pass = Pass::kKeep;
  Problem problem;  // shapes and rules, the steps of `in` and `out`, and as index_step those of `offsets`; its own
                    // pointers mean nothing here
  char* in = nullptr;
  char* out = nullptr;
  char* offsets = nullptr;
  int offset_size = 1;  // in bytes: 1, 2 or 4
};

// The length of an axis's largest window.
std::int64_t largest_window(const Axis& axis);

// How many bytes an offset takes where windows have so many elements.
constexpr int offset_size_for(std::int64_t window) { return window <= 256 ? 1 : window <= 65536 ? 2 : 4; }

// Does it. Returns the variant that did, as a position in the list, or -1 where the settings ask for one that is not
// there or cannot do this (nothing is written then). Does not throw. The result is the same, bit by bit, for any number
// of threads.
int run(const Training& training, const Settings& settings);

// Writes the place of each maximum within its plane, as int64, from the offsets that were kept. `indices` has the steps
// that `problem` has as index_step.
void write_indices(const Training& kept, const Problem& problem);

int training_variant_count();  // those that this processor can execute
const Variant& training_variant(int position);

}  // namespace poolbench::pool
