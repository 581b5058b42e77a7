#include "isa.h"

#if defined(__x86_64__)
#define POOL_SSE2 1
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define POOL_NEON 1
#endif

namespace poolbench::pool::baseline {
namespace isa = poolbench::pool::baseline;
constexpr int kBytes = 16;
#if POOL_NEON
constexpr Isa kIsa = Isa::kNeon;
#else
constexpr Isa kIsa = Isa::kBaseline;
#endif
#include "engines.h"
}  // namespace poolbench::pool::baseline

namespace poolbench::pool {
KernelList baseline_kernels() { return {baseline::kList, baseline::kListed}; }
}  // namespace poolbench::pool
