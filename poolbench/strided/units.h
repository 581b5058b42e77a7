// How the units of a kernel are shared by threads. For the dispatchers.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "overflow.h"
#include "thread_pool.h"

namespace poolbench::pool {

// Below so many bytes read and written per thread, waking another one costs more than it saves.
constexpr std::int64_t kBytesPerThread = 384 << 10;
// Parts are handed out as threads come for them, so that one that loses its core delays the others little.
constexpr std::int64_t kPartsPerThread = 4;

template <class Kernel, class Plan>
struct Work {
  const Kernel* kernel;
  const Plan* plan;
  std::int64_t units;
  std::int64_t parts;
  std::atomic<std::int64_t> next{0};
  std::atomic<bool> overflowed{false};

  static std::uint64_t take_parts(void* context, int) {
    Work& work = *static_cast<Work*>(context);
    const bool watches = work.plan->op == Op::kAvg;
    if (watches) forget_overflow();
    for (;;) {
      const std::int64_t part = work.next.fetch_add(1, std::memory_order_relaxed);
      if (part >= work.parts) {
        if (watches && has_overflowed()) work.overflowed.store(true, std::memory_order_relaxed);
        return 0;
      }
      work.kernel->run(*work.plan, work.units * part / work.parts, work.units * (part + 1) / work.parts);
    }
  }
};

// Runs all units, which read and write `bytes` in all, on at most so many threads. Returns whether sums overflowed.
template <class Kernel, class Plan>
bool run_units(const Kernel& kernel, const Plan& plan, std::int64_t units, std::int64_t threads, std::int64_t bytes) {
  if (units == 0) return false;  // an empty batch
  if (threads > 1) threads = std::min({threads, units, bytes / kBytesPerThread});
  if (threads <= 1) {
    const bool watches = plan.op == Op::kAvg;
    if (watches) forget_overflow();
    kernel.run(plan, 0, units);
    return watches && has_overflowed();
  }
  Work<Kernel, Plan> work{&kernel, &plan, units, std::min(units, threads * kPartsPerThread)};
  run_in_parallel(work.take_parts, &work, static_cast<int>(threads));
  return work.overflowed.load(std::memory_order_relaxed);
}

}  // namespace poolbench::pool
