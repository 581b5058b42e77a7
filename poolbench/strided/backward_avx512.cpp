#include "backward_isa.h"

#if defined(__x86_64__)

#define POOL_AVX512 1

POOL_BEGIN_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl")
namespace poolbench::pool::training_avx512 {
namespace isa = poolbench::pool::training_avx512;
constexpr int kBytes = 64;
constexpr Isa kIsa = Isa::kAvx512;
#include "backward_engines.h"
}  // namespace poolbench::pool::training_avx512
POOL_END_TARGET

namespace poolbench::pool {
TrainingList avx512_training() { return {training_avx512::kList, training_avx512::kListed}; }
}  // namespace poolbench::pool

#endif
