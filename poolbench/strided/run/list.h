// The list: every kernel of one instruction set, for every pass, and the only way to reach one.
//
// A kernel is a class template. For Pass::kPool it is one over the operation (Max<float>, Avg<F16>), for the others over the
// type of the elements. It has
//   kName, kTakes, kCost             what it is called, what it is for, what it costs (see Kernel)
//   fits(plan)                       whether it can do a plan, and should rather than those behind it in the list
//   units(plan), run(plan, a, b)     how many units of work it has, and the doing of units [a, b)
// A new one is its header, and here its #include and its row.
#pragma once

#include "gradient/channels.h"
#include "gradient/full.h"
#include "gradient/gather_flat.h"
#include "gradient/gather_rows.h"
#include "gradient/scatter.h"
#include "gradient/spread_rows.h"
#include "keep/channels.h"
#include "keep/full.h"
#include "keep/rows.h"
#include "keep/separable.h"
#include "pool/channels.h"
#include "pool/full.h"
#include "pool/rows.h"
#include "pool/separable.h"
#include "run/rows_of_list.h"
#if POOL_AVX512
#include "gradient/direct.h"
#include "gradient/patches.h"
#include "gradient/skips.h"
#include "keep/direct.h"
#include "keep/patches.h"
#include "keep/skips.h"
#include "pool/direct.h"
#include "pool/flat.h"
#include "pool/joined.h"
#include "pool/patches.h"
#include "pool/skips.h"
#include "pool/stripes.h"
#endif
#if POOL_AVX2
#include "gradient/stripes_narrow.h"
#include "keep/stripes_narrow.h"
#include "pool/pairs.h"
#include "pool/stripes_narrow.h"
#endif
#if POOL_AVX512 || POOL_AVX2
#include "gradient/turned.h"
#include "keep/turned.h"
#include "pool/columns.h"
#include "pool/turned.h"
#endif

POOL_BEGIN

// In the order of preference: of a pass, the first one that fits does the work.
constexpr auto kList = join(
    pool<Full, Maxima, ByteMaxima, Averages>(),
#if POOL_AVX512
    pool<Skips, WideMaxima, ShortAverages>(),
    pool<PoolPatches, WideMaxima, ShortAverages>(),
    pool<Joined, Maxima, ByteMaxima, Averages>(),
    pool<PoolTurned, WideMaxima>(),
    pool<Columns, WideMaxima, Averages>(),
    pool<Stripes, Maxima, Averages>(),
    pool<Direct, WideMaxima, Averages>(),
    pool<Flat, Maxima, ByteMaxima, Averages>(),
#elif POOL_AVX2
    pool<PoolNarrow, WideMaxima, WideShortAverages>(),
    pool<Columns, WideMaxima, Averages>(),
    pool<Pairs, WideMaxima, WideShortAverages>(),
    pool<PoolTurned, WideMaxima, Averages>(),
#endif
    pool<Separable, WideMaxima>(),
    pool<Channels, Maxima, ByteMaxima, Averages>(),
    pool<Rows, Maxima, ByteMaxima, Averages>(),

    keep<KeepFull>(),
    keep<KeepSeparable>(),
    keep<KeepChannels>(),
#if POOL_AVX512
    keep<KeepSkips>(),
    keep<KeepPatches>(),
    keep<KeepTurned>(),
    keep<KeepDirect>(),
#elif POOL_AVX2
    keep_wide<KeepNarrow>(),
    keep<KeepTurned>(),
#endif
    keep<KeepRows>(),

    gradient<Op::kMax, PutFull>(),
    gradient<Op::kMax, GatherChannels>(),
#if POOL_AVX2
    gradient_wide<Op::kMax, GatherNarrow>(),
    gradient<Op::kMax, GatherTurned>(),
#endif
    gradient<Op::kMax, GatherFlat>(),
#if POOL_AVX512
    gradient<Op::kMax, GatherPatches>(),
    gradient<Op::kMax, GatherSkips>(),
    gradient<Op::kMax, GatherTurned>(),
    gradient<Op::kMax, GatherDirect>(),
#endif
    gradient<Op::kMax, GatherRows>(),
    gradient<Op::kMax, Scatter>(),

    gradient<Op::kAvg, SpreadFull>(),
    gradient<Op::kAvg, SpreadChannels>(),
#if POOL_AVX512
    gradient<Op::kAvg, SpreadPatches>(),
    gradient<Op::kAvg, SpreadSkips>(),
    gradient<Op::kAvg, SpreadTurned>(),
    gradient<Op::kAvg, SpreadDirect>(),
#elif POOL_AVX2
    gradient_wide<Op::kAvg, SpreadNarrow>(),
    gradient<Op::kAvg, SpreadTurned>(),
#endif
    gradient<Op::kAvg, SpreadRows>());

inline KernelList list() { return {kList.rows, kList.kCount}; }

POOL_END
