#include "run/list.h"

namespace poolbench::pool {
KernelList baseline_kernels() { return baseline::list(); }
}  // namespace poolbench::pool
