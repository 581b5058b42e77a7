#include "isa.h"

#if defined(__x86_64__)

#define POOL_AVX2 1

POOL_BEGIN_TARGET("avx2,fma,f16c")
namespace poolbench::pool::avx2 {
namespace isa = poolbench::pool::avx2;
constexpr int kBytes = 32;
constexpr Isa kIsa = Isa::kAvx2;
#include "engines.h"
}  // namespace poolbench::pool::avx2
POOL_END_TARGET

namespace poolbench::pool {
KernelList avx2_kernels() { return {avx2::kList, avx2::kListed}; }
}  // namespace poolbench::pool

#endif
