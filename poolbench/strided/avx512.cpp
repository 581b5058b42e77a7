#include "isa.h"

#if defined(__x86_64__)

#define POOL_AVX512 1

POOL_BEGIN_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
namespace poolbench::pool::avx512 {
namespace isa = poolbench::pool::avx512;
constexpr int kBytes = 64;
constexpr Isa kIsa = Isa::kAvx512;
#include "engines.h"
}  // namespace poolbench::pool::avx512
POOL_END_TARGET

namespace poolbench::pool {
KernelList avx512_kernels() { return {avx512::kList, avx512::kListed}; }
}  // namespace poolbench::pool

#endif
