// What the units for the instruction sets share before any of their code. Instruction sets are chosen by regions, never
// by flags per file: a flag would let code that the compiler shares between files, such as inline functions of the
// standard library, run on a processor that lacks them. So every header of the language is included here, outside.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#include "convert.h"
#include "element.h"
#include "kernel.h"

#define POOL_INLINE inline __attribute__((always_inline))

#if defined(__clang__)
#define POOL_BEGIN_TARGET(features) POOL_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define POOL_END_TARGET _Pragma("clang attribute pop")
#else
#define POOL_BEGIN_TARGET(features) _Pragma("GCC push_options") POOL_PRAGMA(GCC target(features))
#define POOL_END_TARGET _Pragma("GCC pop_options")
#endif
#define POOL_PRAGMA(text) _Pragma(#text)
