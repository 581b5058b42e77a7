// A few threads that sleep while there is no work, made when they are first needed and made anew after a fork.
#pragma once

#include <cstdint>

namespace poolbench {

// Calls task(context, 0) … task(context, parts - 1), the first in the calling thread and each of the others in a
// thread of its own, and returns the wrapping sum of the results. Only one caller works at a time.
std::uint64_t run_in_parallel(std::uint64_t (*task)(void*, int), void* context, int parts);

}  // namespace poolbench
