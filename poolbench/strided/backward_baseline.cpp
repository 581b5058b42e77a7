#include "backward_isa.h"

#if defined(__x86_64__)
#define POOL_SSE2 1
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define POOL_NEON 1
#endif

namespace poolbench::pool::training_baseline {
namespace isa = poolbench::pool::training_baseline;
constexpr int kBytes = 16;
#if POOL_NEON
constexpr Isa kIsa = Isa::kNeon;
#else
constexpr Isa kIsa = Isa::kBaseline;
#endif
#include "backward_engines.h"
}  // namespace poolbench::pool::training_baseline

namespace poolbench::pool {
TrainingList baseline_training() { return {training_baseline::kList, training_baseline::kListed}; }
}  // namespace poolbench::pool
