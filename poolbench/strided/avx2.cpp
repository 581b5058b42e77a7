#include "kernel.h"
#if defined(__x86_64__) || 0
namespace poolbench::pool {
KernelList avx2_kernels() { return {nullptr, 0}; }
}
#endif
