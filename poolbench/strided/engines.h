// All engines of one instruction set and the list of its kernels: the only way to reach one. Included once per
// instruction set, inside a namespace of its own.

#include "vec.h"
#include "row_sink.h"
#include "max.h"
#include "avg.h"
#include "combine.h"
#include "grid.h"
#include "rows_layout.h"
#include "rows_block.h"
#include "rows_down.h"
#include "rows_across.h"
#include "rows.h"
#if POOL_AVX512
#include "in_order.h"
#endif
#include "channels.h"
#include "full.h"
#if POOL_AVX512
#include "flat.h"
#include "short_rows_layout.h"
#include "short_rows.h"
#include "direct.h"
#include "turn.h"
#include "planes.h"
#endif

template <template <class> class Engine, class O>
constexpr Kernel entry(Op op, Type type) {
  return {{Engine<O>::kName, kIsa, op, type}, Engine<O>::fits, Engine<O>::units, Engine<O>::run};
}

#define POOL_ENTRIES_OF_MAX(Engine)                                                                            \
  entry<Engine, Max<double>>(Op::kMax, Type::kF64), entry<Engine, Max<float>>(Op::kMax, Type::kF32),           \
      entry<Engine, Max<F16>>(Op::kMax, Type::kF16), entry<Engine, Max<Bf16>>(Op::kMax, Type::kBf16),          \
      entry<Engine, Max<std::int16_t>>(Op::kMax, Type::kI16), entry<Engine, Max<std::int32_t>>(Op::kMax, Type::kI32), \
      entry<Engine, Max<std::int64_t>>(Op::kMax, Type::kI64)
#define POOL_ENTRIES_OF_BYTES(Engine) \
  entry<Engine, Max<std::int8_t>>(Op::kMax, Type::kI8), entry<Engine, Max<std::uint8_t>>(Op::kMax, Type::kU8)
#define POOL_ENTRIES_OF_AVG(Engine)                                                                  \
  entry<Engine, Avg<double>>(Op::kAvg, Type::kF64), entry<Engine, Avg<float>>(Op::kAvg, Type::kF32), \
      entry<Engine, Avg<F16>>(Op::kAvg, Type::kF16), entry<Engine, Avg<Bf16>>(Op::kAvg, Type::kBf16)

// In the order of preference: the first one that fits does the work.
constexpr Kernel kList[] = {
    POOL_ENTRIES_OF_MAX(Full), POOL_ENTRIES_OF_BYTES(Full), POOL_ENTRIES_OF_AVG(Full),
#if POOL_AVX512
    entry<Planes, Max<double>>(Op::kMax, Type::kF64), entry<Planes, Max<float>>(Op::kMax, Type::kF32),
    POOL_ENTRIES_OF_AVG(Planes), POOL_ENTRIES_OF_AVG(Direct),
    POOL_ENTRIES_OF_MAX(ShortRows), POOL_ENTRIES_OF_AVG(ShortRows),
    POOL_ENTRIES_OF_MAX(Flat), POOL_ENTRIES_OF_BYTES(Flat), POOL_ENTRIES_OF_AVG(Flat),
#endif
    POOL_ENTRIES_OF_MAX(Channels), POOL_ENTRIES_OF_BYTES(Channels), POOL_ENTRIES_OF_AVG(Channels),
    POOL_ENTRIES_OF_MAX(Rows), POOL_ENTRIES_OF_BYTES(Rows), POOL_ENTRIES_OF_AVG(Rows),
};
constexpr int kListed = static_cast<int>(sizeof kList / sizeof *kList);
