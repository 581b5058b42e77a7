#include "backward_isa.h"

#if defined(__x86_64__)

#define POOL_AVX2 1

POOL_BEGIN_TARGET("avx2,fma,f16c")
namespace poolbench::pool::training_avx2 {
namespace isa = poolbench::pool::training_avx2;
constexpr int kBytes = 32;
constexpr Isa kIsa = Isa::kAvx2;
#include "backward_engines.h"
}  // namespace poolbench::pool::training_avx2
POOL_END_TARGET

namespace poolbench::pool {
TrainingList avx2_training() { return {training_avx2::kList, training_avx2::kListed}; }
}  // namespace poolbench::pool

#endif
