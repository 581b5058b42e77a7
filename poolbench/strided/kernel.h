// What a kernel is to the dispatcher: one row of the list.
#pragma once

#include <cstdint>

#include "plan.h"
#include "problem.h"

namespace poolbench::pool {

// A kernel pools a range of units of a plan; which part of the output a unit is, is the engine's affair.
struct Kernel {
  Variant variant;
  bool (*fits)(const Plan&);
  std::int64_t (*units)(const Plan&);
  void (*run)(const Plan&, std::int64_t first, std::int64_t last);
};

// A list of kernels, the preferred ones first.
struct KernelList {
  const Kernel* kernels;
  int count;
};

KernelList scalar_kernels();
#if defined(__x86_64__)
KernelList baseline_kernels();
KernelList avx2_kernels();
KernelList avx512_kernels();
#else
KernelList baseline_kernels();  // NEON on AArch64
#endif

}  // namespace poolbench::pool
