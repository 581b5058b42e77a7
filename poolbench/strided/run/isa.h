// The instruction set that a unit of vector code is compiled for, and what that code is written in. The units avx512.cpp,
// avx2.cpp and baseline.cpp each say theirs before they include anything; a header read by itself is the baseline's.
//
// Instruction sets are chosen by regions, never by flags per file: a flag would let code that the compiler shares between
// files, such as inline functions of the standard library, run on a processor that lacks them. So every header of the
// language is included here, outside, and vector code stands between POOL_BEGIN and POOL_END: a region of its own
// instructions, and a namespace of its own.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "run/kernel.h"
#include "simd/convert.h"
#include "simd/element.h"

#define POOL_INLINE inline __attribute__((always_inline))

#define POOL_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define POOL_BEGIN_TARGET(features) POOL_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define POOL_END_TARGET _Pragma("clang attribute pop")
#else
#define POOL_BEGIN_TARGET(features) _Pragma("GCC push_options") POOL_PRAGMA(GCC target(features))
#define POOL_END_TARGET _Pragma("GCC pop_options")
#endif

#if POOL_AVX512
#define POOL_BEGIN \
  POOL_BEGIN_TARGET("avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl") namespace poolbench::pool::avx512 {
#define POOL_END } POOL_END_TARGET
#elif POOL_AVX2
#define POOL_BEGIN POOL_BEGIN_TARGET("avx2,fma,f16c") namespace poolbench::pool::avx2 {
#define POOL_END } POOL_END_TARGET
#else
#define POOL_BEGIN namespace poolbench::pool::baseline {
#define POOL_END }
#if defined(__x86_64__)
#define POOL_SSE2 1
#elif defined(__ARM_NEON) && defined(__aarch64__)
#define POOL_NEON 1
#endif
#endif

POOL_BEGIN

#if POOL_AVX512
namespace isa = poolbench::pool::avx512;
constexpr Isa kIsa = Isa::kAvx512;
constexpr int kBytes = 64;  // of a vector
#elif POOL_AVX2
namespace isa = poolbench::pool::avx2;
constexpr Isa kIsa = Isa::kAvx2;
constexpr int kBytes = 32;
#else
namespace isa = poolbench::pool::baseline;
#if POOL_NEON
constexpr Isa kIsa = Isa::kNeon;
#else
constexpr Isa kIsa = Isa::kBaseline;
#endif
constexpr int kBytes = 16;
#endif

POOL_END
