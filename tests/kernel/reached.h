// How often each kernel of the list was reached.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "run/dispatch.h"

namespace poolbench::pool {

class Reached {
 public:
  Reached() : counts_(static_cast<std::size_t>(kernel_count())) {}

  void count(int position) { ++counts_[static_cast<std::size_t>(position)]; }

  // The kernels that may do the problem, those reached least first.
  std::vector<int> candidates(const Problem& problem) const;
  // Those reached less often than that.
  std::vector<int> missed(std::int64_t least) const;
  // A line for each kernel, pass, instruction set and operation, a column for each type.
  std::string table() const;

 private:
  std::int64_t of(int position) const { return counts_[static_cast<std::size_t>(position)]; }

  std::vector<std::int64_t> counts_;
};

// The instruction sets that occur in the list, each once.
std::vector<int> known_isas();

}  // namespace poolbench::pool
