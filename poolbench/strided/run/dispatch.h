// Which kernel does a problem, and on how many threads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/kernel.h"

namespace poolbench::pool {

// How to run. The defaults let the list choose.
struct Settings {
  int isa = -1;                  // an Isa, or -1 for the widest one that POOLBENCH_ISA and the processor allow
  const char* kernel = nullptr;  // the name of a kernel, or nullptr for the first that fits
  int threads = 1;               // at most; small problems stay on one
};

// Does the problem. Returns the kernel that did, as a position in the list, or -1 where the settings ask for one that is
// not there or cannot do this (nothing is written then). What is empty is done by the scalar kernel. The result is the same, bit by bit, for any number of threads,
// and that of a sample of an average the same in any batch. Does not throw, once default_isa() has not.
int run(const Problem& problem, const Settings& settings);

// What run() would do, and by whom.
struct Choice {
  int kernel = -1;            // as run() returns it
  std::vector<int> fitting;   // all that could do it, in order of preference; `kernel` is the first of them
  bool is_planned = false;    // what is so small that no plan is made goes to the scalar kernel as it is
  bool by_sample = false;     // whether the samples of a batch are done one by one
  Plan plan{};
  std::int64_t units = 0;
  int threads = 1;
};
Choice choose(const Problem& problem, const Settings& settings);

// The list: the kernels that this processor can execute and that POOLBENCH_KERNELS leaves in, preferred ones first.
int kernel_count();
const Kernel& kernel_at(int position);
std::string name_of(const Kernel& kernel);  // such as "avx512/pool/rows/max/f32"

const char* name_of(Isa isa);    // baseline, avx2, avx512, neon
const char* name_of(Pass pass);  // pool, keep, gradient
const char* name_of(Op op);      // max, avg
const char* name_of(Type type);  // f64, f32, …

// The instruction set that is used where the settings name none. Throws std::invalid_argument, as often as it is asked,
// where POOLBENCH_ISA or POOLBENCH_KERNELS names something that is not there.
Isa default_isa();

}  // namespace poolbench::pool
