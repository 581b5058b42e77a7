// The list of kernels, as this processor and the environment leave it, sorted by what is asked for.
#pragma once

#include <vector>

#include "run/dispatch.h"

namespace poolbench::pool {

struct Registry {
  std::vector<Kernel> kernels;  // in the order of preference
  Isa widest;
  // The kernels of one pass, instruction set, operation and type, preferred first; the scalar one last.
  std::vector<int> by_need[kPasses][4][2][kTypes];

  const std::vector<int>& need(Pass pass, Isa isa, Op op, Type type) const {
    return by_need[static_cast<int>(pass)][static_cast<int>(isa)][static_cast<int>(op)][static_cast<int>(type)];
  }
  const Kernel& at(int position) const { return kernels[static_cast<std::size_t>(position)]; }
};

const Registry& registry();

bool is_scalar(const Kernel& kernel);

}  // namespace poolbench::pool
