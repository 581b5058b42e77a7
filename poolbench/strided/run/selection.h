// Which kernels the environment variable POOLBENCH_KERNELS leaves in: "-planes,-keep/rows" leaves those out, "rows" has
// those alone. A name counts in every pass, or in the one before its slash. The scalar kernels always stay.
#pragma once

#include <string>
#include <vector>

#include "run/kernel.h"

namespace poolbench::pool {

class Selection {
 public:
  // Throws std::invalid_argument for a name that no kernel of `all` has. `text` may be nullptr.
  Selection(const char* text, const std::vector<Kernel>& all);
  bool has(const Kernel& kernel) const;

 private:
  std::vector<std::string> only_, without_;
};

}  // namespace poolbench::pool
