// From what was resolved to a pass over memory: where its output, its offsets and its gradient lie.
#pragma once

#include <cstdint>

#include "problem/resolve.h"

namespace poolbench::pool {

// The steps of a fresh output with elements of `size` bytes. It keeps the channels innermost where the input's memory
// has them innermost although its shape has not, as PyTorch's channels_last does; all else gets C order.
void choose_steps(const Resolved& resolved, const Array& input, std::int64_t size, std::int64_t* steps);

void bind_output(Resolved& resolved, char* data, const std::int64_t* steps);
// Where a maximum's offsets are kept, of so many bytes each.
void bind_offsets(Resolved& resolved, char* data, int size, const std::int64_t* steps);

// The gradient pass of what was resolved: it reads the gradient of the output, and writes that of the input.
Problem gradient_of(Resolved resolved, const Array& of_output, const Array& of_input);

// How many elements the largest windows have.
std::int64_t window_elements(const Problem& problem);

}  // namespace poolbench::pool
