// All training engines of one instruction set and the list of their kernels: the only way to reach one. Included once
// per instruction set, inside a namespace of its own.

#include "vec.h"
#include "row_sink.h"
#include "max.h"
#include "avg.h"
#include "backward_values.h"
#include "backward_offsets.h"
#include "backward_lines.h"
#include "backward_keep_rows.h"
#include "backward_rows.h"
#include "backward_gather_rows.h"
#include "backward_spread_rows.h"
#include "backward_flat.h"
#include "backward_keep_channels.h"
#include "backward_keep_separable.h"
#include "backward_reads.h"
#include "backward_column_sums.h"
#include "backward_gradient_channels.h"
#include "backward_full.h"
#include "backward_scatter.h"
#if POOL_AVX512
#include "backward_direct.h"
#include "backward_keep_direct.h"
#include "backward_gather_direct.h"
#endif

template <class Engine>
constexpr TrainingKernel entry(Pass pass, Op op, Type type) {
  return {pass, {Engine::kName, kIsa, op, type}, Engine::fits, Engine::units, Engine::run};
}

template <class S>
using GatherChannels = GradientChannels<S, Op::kMax>;
template <class S>
using SpreadChannels = GradientChannels<S, Op::kAvg>;

#define POOL_TRAINING(Engine, pass, op)                                                      \
  entry<Engine<double>>(pass, op, Type::kF64), entry<Engine<float>>(pass, op, Type::kF32),   \
      entry<Engine<F16>>(pass, op, Type::kF16), entry<Engine<Bf16>>(pass, op, Type::kBf16)

// In the order of preference: the first one that fits does the work.
constexpr TrainingKernel kList[] = {
    POOL_TRAINING(KeepFull, Pass::kKeep, Op::kMax),
    POOL_TRAINING(KeepSeparable, Pass::kKeep, Op::kMax),
    POOL_TRAINING(KeepChannels, Pass::kKeep, Op::kMax),
#if POOL_AVX512
    POOL_TRAINING(KeepDirect, Pass::kKeep, Op::kMax),
#endif
    POOL_TRAINING(KeepRows, Pass::kKeep, Op::kMax),
    POOL_TRAINING(PutFull, Pass::kBackward, Op::kMax),
    POOL_TRAINING(GatherChannels, Pass::kBackward, Op::kMax),
    POOL_TRAINING(GatherFlat, Pass::kBackward, Op::kMax),
#if POOL_AVX512
    POOL_TRAINING(GatherDirect, Pass::kBackward, Op::kMax),
#endif
    POOL_TRAINING(GatherRows, Pass::kBackward, Op::kMax),
    POOL_TRAINING(Scatter, Pass::kBackward, Op::kMax),
    POOL_TRAINING(SpreadFull, Pass::kBackward, Op::kAvg),
    POOL_TRAINING(SpreadChannels, Pass::kBackward, Op::kAvg),
    POOL_TRAINING(SpreadRows, Pass::kBackward, Op::kAvg),
};
constexpr int kListed = static_cast<int>(sizeof kList / sizeof *kList);
