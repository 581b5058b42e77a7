#define POOL_AVX512 1
#if defined(__x86_64__)
#include "run/list.h"

namespace poolbench::pool {
KernelList avx512_kernels() { return avx512::list(); }
}  // namespace poolbench::pool
#endif
