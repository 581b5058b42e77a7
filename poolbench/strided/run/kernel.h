// What a kernel is to the dispatcher: one row of the list.
#pragma once

#include <cstdint>

#include "problem/plan.h"
#include "problem/problem.h"

namespace poolbench::pool {

// A kernel does a range of units of a plan for one pass, operation and type. Which part of the output a unit is, is its own
// affair; no two units write the same element, since different threads do them.
//
// Dispatch, the listing in Python, the fuzzer and the table in the documentation all read these rows.
struct Kernel {
  Pass pass;
  const char* name;   // within its pass
  const char* takes;  // what it is for, in words
  const char* cost;   // combinations of one vector for each vector of what it writes
  Isa isa;
  Op op;
  Type type;
  bool (*fits)(const Plan&);
  std::int64_t (*units)(const Plan&);
  void (*run)(const Plan&, std::int64_t first, std::int64_t last);
};

// A list of kernels, the preferred ones first.
struct KernelList {
  const Kernel* kernels;
  int count;
};

KernelList scalar_pool_kernels();
KernelList scalar_keep_kernels();
KernelList scalar_gradient_kernels();
KernelList baseline_kernels();  // NEON on AArch64
#if defined(__x86_64__)
KernelList avx2_kernels();
KernelList avx512_kernels();
#endif

}  // namespace poolbench::pool
