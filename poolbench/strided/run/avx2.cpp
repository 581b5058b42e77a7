#define POOL_AVX2 1
#if defined(__x86_64__)
#include "run/list.h"

namespace poolbench::pool {
KernelList avx2_kernels() { return avx2::list(); }
}  // namespace poolbench::pool
#endif
