// Memory for outputs. A fresh output's page faults can cost more than the pooling, so a few freed ones are kept.
#pragma once

#include <cstddef>

namespace poolbench::pool {

// At least `bytes` bytes on a cache line of their own, with undefined contents; nullptr where there is no memory.
// Safe from any thread, and in a forked child.
char* allocate_output(std::size_t bytes);

// Takes back what allocate_output(bytes) gave: `bytes` must be the same.
void release_output(char* data, std::size_t bytes) noexcept;

// Gives the kept memory back to the system.
void clear_outputs() noexcept;

// How many bytes are kept at the moment.
std::size_t kept_output_bytes() noexcept;

}  // namespace poolbench::pool
