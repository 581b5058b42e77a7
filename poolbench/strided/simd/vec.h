// Vectors of kBytes bytes, and what every instruction set does with them.
//
// Whatever the compilers' own vector notation says well is said in it; intrinsics stand where it would be slower.
#pragma once

#include "run/isa.h"

POOL_BEGIN

template <class T>
struct VecOf {
  typedef T type __attribute__((vector_size(kBytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;

template <class T>
constexpr int kLanes = kBytes / static_cast<int>(sizeof(T));

template <int... kIndices>
struct Indices {};
template <int kCount, int... kRest>
struct MakeIndices : MakeIndices<kCount - 1, kCount - 1, kRest...> {};
template <int... kRest>
struct MakeIndices<0, kRest...> {
  using type = Indices<kRest...>;
};
template <class T>
using LaneIndices = typename MakeIndices<kLanes<T>>::type;

template <class T>
POOL_INLINE Vec<T> load_vec(const void* at) {
  Vec<T> value;
  __builtin_memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
POOL_INLINE void store_vec(void* at, Vec<T> value) {
  __builtin_memcpy(at, &value, sizeof value);
}

template <class T>
POOL_INLINE Vec<T> fill_vec(T value) {
  return Vec<T>{} + value;
}
template <>
POOL_INLINE Vec<float> fill_vec<float>(float value) {
  Vec<float> all{};
  for (int i = 0; i < kLanes<float>; ++i) all[i] = value;
  return all;
}
template <>
POOL_INLINE Vec<double> fill_vec<double>(double value) {
  Vec<double> all{};
  for (int i = 0; i < kLanes<double>; ++i) all[i] = value;
  return all;
}

// Stores to memory around the caches; `at` is a multiple of kBytes. What other threads may see has to wait for
// finish_streams.
#if POOL_AVX512 || POOL_AVX2 || POOL_SSE2
constexpr bool kStreams = true;
static POOL_INLINE void stream_vec(char* at, Vec<std::uint8_t> value) {
#if POOL_AVX512
  _mm512_stream_si512(reinterpret_cast<__m512i*>(at), (__m512i)value);
#elif POOL_AVX2
  _mm256_stream_si256(reinterpret_cast<__m256i*>(at), (__m256i)value);
#else
  _mm_stream_si128(reinterpret_cast<__m128i*>(at), (__m128i)value);
#endif
}
static POOL_INLINE void finish_streams() { _mm_sfence(); }
#else
constexpr bool kStreams = false;
static POOL_INLINE void stream_vec(char* at, Vec<std::uint8_t> value) { store_vec<std::uint8_t>(at, value); }
static POOL_INLINE void finish_streams() {}
#endif

// Copies to memory around the caches, but for what isn't a whole line of them.
static void stream_out(const char* from, char* to, std::int64_t bytes) {
  const std::int64_t before = std::min<std::int64_t>(-reinterpret_cast<std::intptr_t>(to) & 63, bytes);
  std::memcpy(to, from, static_cast<std::size_t>(before));
  const std::int64_t end = before + (bytes - before) / 64 * 64;
  for (std::int64_t x = before; x < end; x += kBytes) stream_vec(to + x, load_vec<std::uint8_t>(from + x));
  std::memcpy(to + end, from + end, static_cast<std::size_t>(bytes - end));
}

#if !POOL_AVX512
// Copies fewer bytes than a vector has, in pieces that halve. Not inlined: it stands at the end of every loop.
static __attribute__((noinline)) void copy_few(char* to, const char* from, std::int64_t bytes) {
  char piece[kBytes];
  if (kBytes > 16 && bytes >= 16) {
    __builtin_memcpy(piece, from, 16);
    __builtin_memcpy(to, piece, 16);
    to += 16, from += 16, bytes -= 16;
  }
  if (bytes >= 8) {
    __builtin_memcpy(piece, from, 8);
    __builtin_memcpy(to, piece, 8);
    to += 8, from += 8, bytes -= 8;
  }
  if (bytes >= 4) {
    __builtin_memcpy(piece, from, 4);
    __builtin_memcpy(to, piece, 4);
    to += 4, from += 4, bytes -= 4;
  }
  for (; bytes > 0; --bytes) *to++ = *from++;
}
#endif

#if POOL_AVX512
// The mask of the first n lanes, 0 < n <= 64. Shifts count modulo 64, so that this is a negation and a shift.
POOL_INLINE std::uint64_t first_lanes(int n) { return ~std::uint64_t{0} >> (-n & 63); }

template <int kSize>
struct Masked;
template <>
struct Masked<1> {
  using Mask = __mmask64;
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask, __m512i rest) {
    return _mm512_mask_loadu_epi8(rest, static_cast<__mmask64>(mask), at);
  }
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask) {
    return _mm512_maskz_loadu_epi8(static_cast<__mmask64>(mask), at);
  }
  static POOL_INLINE void store_lanes(void* at, std::uint64_t mask, __m512i value) {
    _mm512_mask_storeu_epi8(at, static_cast<__mmask64>(mask), value);
  }
  static POOL_INLINE __m512i blend(std::uint64_t mask, __m512i known, __m512i fresh) {
    return _mm512_mask_mov_epi8(known, static_cast<__mmask64>(mask), fresh);
  }
};
template <>
struct Masked<2> {
  using Mask = __mmask32;
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask, __m512i rest) {
    return _mm512_mask_loadu_epi16(rest, static_cast<__mmask32>(mask), at);
  }
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask) {
    return _mm512_maskz_loadu_epi16(static_cast<__mmask32>(mask), at);
  }
  static POOL_INLINE void store_lanes(void* at, std::uint64_t mask, __m512i value) {
    _mm512_mask_storeu_epi16(at, static_cast<__mmask32>(mask), value);
  }
  static POOL_INLINE __m512i blend(std::uint64_t mask, __m512i known, __m512i fresh) {
    return _mm512_mask_mov_epi16(known, static_cast<__mmask32>(mask), fresh);
  }
};
template <>
struct Masked<4> {
  using Mask = __mmask16;
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask, __m512i rest) {
    return _mm512_mask_loadu_epi32(rest, static_cast<__mmask16>(mask), at);
  }
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask) {
    return _mm512_maskz_loadu_epi32(static_cast<__mmask16>(mask), at);
  }
  static POOL_INLINE void store_lanes(void* at, std::uint64_t mask, __m512i value) {
    _mm512_mask_storeu_epi32(at, static_cast<__mmask16>(mask), value);
  }
  static POOL_INLINE __m512i blend(std::uint64_t mask, __m512i known, __m512i fresh) {
    return _mm512_mask_mov_epi32(known, static_cast<__mmask16>(mask), fresh);
  }
};
template <>
struct Masked<8> {
  using Mask = __mmask8;
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask, __m512i rest) {
    return _mm512_mask_loadu_epi64(rest, static_cast<__mmask8>(mask), at);
  }
  static POOL_INLINE __m512i load_lanes(const void* at, std::uint64_t mask) {
    return _mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), at);
  }
  static POOL_INLINE void store_lanes(void* at, std::uint64_t mask, __m512i value) {
    _mm512_mask_storeu_epi64(at, static_cast<__mmask8>(mask), value);
  }
  static POOL_INLINE __m512i blend(std::uint64_t mask, __m512i known, __m512i fresh) {
    return _mm512_mask_mov_epi64(known, static_cast<__mmask8>(mask), fresh);
  }
};
#endif

#if POOL_AVX2
// The first n words, 0 < n <= 8. It may not read behind them.
static POOL_INLINE Vec<std::int32_t> first_words(int n) {
  static constexpr std::int32_t kMasks[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return load_vec<std::int32_t>(kMasks + 8 - n);
}
#endif

// Loads the first n elements, 0 < n <= lanes; the lanes behind them are those of `rest`.
template <class T>
POOL_INLINE Vec<T> load_part(const void* at, int n, Vec<T> rest) {
#if POOL_AVX512
  return (Vec<T>)Masked<sizeof(T)>::load_lanes(at, first_lanes(n), (__m512i)rest);
#else
#if POOL_AVX2
  if constexpr (sizeof(T) >= 4) {
    const Vec<std::int32_t> mask = first_words(n * static_cast<int>(sizeof(T) / 4));
    const __m256 some = (__m256)_mm256_maskload_epi32(static_cast<const int*>(at), (__m256i)mask);
    return (Vec<T>)_mm256_blendv_ps((__m256)rest, some, (__m256)mask);
  }
#endif
  if (n == kLanes<T>) return load_vec<T>(at);
  char few[kBytes];
  store_vec<T>(few, rest);
  copy_few(few, static_cast<const char*>(at), n * static_cast<std::int64_t>(sizeof(T)));
  return load_vec<T>(few);
#endif
}

// Stores the first n elements, 0 < n <= lanes.
template <class T>
POOL_INLINE void store_part(void* at, Vec<T> value, int n) {
#if POOL_AVX512
  Masked<sizeof(T)>::store_lanes(at, first_lanes(n), (__m512i)value);
#else
  if (n == kLanes<T>) {
    store_vec<T>(at, value);
  } else {
    char few[kBytes];
    store_vec<T>(few, value);
    copy_few(static_cast<char*>(at), few, n * static_cast<std::int64_t>(sizeof(T)));
  }
#endif
}

// Lanes 0, 2, 4, … of a, then of b; and 1, 3, 5, ….
template <class T, int... kI>
POOL_INLINE Vec<T> even_lanes(Vec<T> a, Vec<T> b, Indices<kI...>) {
  return __builtin_shufflevector(a, b, (2 * kI)...);
}
template <class T, int... kI>
POOL_INLINE Vec<T> odd_lanes(Vec<T> a, Vec<T> b, Indices<kI...>) {
  return __builtin_shufflevector(a, b, (2 * kI + 1)...);
}
#if POOL_AVX2
// The same within halves, and the halves put in order, for words and larger: GCC finds no way that is as short.
template <class T>
POOL_INLINE Vec<T> even_of_halves(Vec<T> a, Vec<T> b) {
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm256_shuffle_ps((__m256)a, (__m256)b, 0x88);
  else return (Vec<T>)_mm256_shuffle_pd((__m256d)a, (__m256d)b, 0x0);
}
template <class T>
POOL_INLINE Vec<T> odd_of_halves(Vec<T> a, Vec<T> b) {
  if constexpr (sizeof(T) == 4) return (Vec<T>)_mm256_shuffle_ps((__m256)a, (__m256)b, 0xdd);
  else return (Vec<T>)_mm256_shuffle_pd((__m256d)a, (__m256d)b, 0xf);
}
template <class T>
POOL_INLINE Vec<T> halves_in_order(Vec<T> a) {
  return (Vec<T>)_mm256_permute4x64_pd((__m256d)a, 0xd8);
}
#endif
template <class T>
POOL_INLINE Vec<T> even_lanes(Vec<T> a, Vec<T> b) {
#if POOL_AVX2
  if constexpr (sizeof(T) >= 4) return halves_in_order<T>(even_of_halves<T>(a, b));
#endif
  return even_lanes<T>(a, b, LaneIndices<T>{});
}
template <class T>
POOL_INLINE Vec<T> odd_lanes(Vec<T> a, Vec<T> b) {
#if POOL_AVX2
  if constexpr (sizeof(T) >= 4) return halves_in_order<T>(odd_of_halves<T>(a, b));
#endif
  return odd_lanes<T>(a, b, LaneIndices<T>{});
}

// The first half of each group of kGroup lanes of a, then of b; and the second half.
template <class T, int kGroup, int... kI>
POOL_INLINE Vec<T> first_halves(Vec<T> a, Vec<T> b, Indices<kI...>) {
  return __builtin_shufflevector(a, b, (kI + kI / (kGroup / 2) * (kGroup / 2))...);
}
template <class T, int kGroup, int... kI>
POOL_INLINE Vec<T> second_halves(Vec<T> a, Vec<T> b, Indices<kI...>) {
  return __builtin_shufflevector(a, b, (kI + kI / (kGroup / 2) * (kGroup / 2) + kGroup / 2)...);
}
template <class T, int kGroup>
POOL_INLINE Vec<T> first_halves(Vec<T> a, Vec<T> b) {
  return first_halves<T, kGroup>(a, b, LaneIndices<T>{});
}
template <class T, int kGroup>
POOL_INLINE Vec<T> second_halves(Vec<T> a, Vec<T> b) {
  return second_halves<T, kGroup>(a, b, LaneIndices<T>{});
}

// Lanes 0, 3, 6, … of a, b and c behind each other.
template <class T, int... kI>
POOL_INLINE Vec<T> third_lanes(Vec<T> a, Vec<T> b, Vec<T> c, Indices<kI...>) {
  constexpr int kN = kLanes<T>;
  const Vec<T> ab = __builtin_shufflevector(a, b, (3 * kI < 2 * kN ? 3 * kI : 0)...);
  return __builtin_shufflevector(ab, c, (3 * kI < 2 * kN ? kI : 3 * kI - kN)...);
}

// The larger of two, where a NaN is larger than anything: `fresh` is what was loaded last.
template <class T>
POOL_INLINE Vec<T> larger(Vec<T> known, Vec<T> fresh) {
  return known > fresh ? known : fresh;
}
#if POOL_AVX512
template <>
POOL_INLINE Vec<float> larger<float>(Vec<float> known, Vec<float> fresh) {
  // maxps gives its second operand where either is NaN; where `fresh` is one, it stays. In assembler, since compilers
  // copy `fresh` first.
  const __mmask16 numbers = _mm512_cmp_ps_mask((__m512)fresh, (__m512)fresh, _CMP_ORD_Q);
  asm("vmaxps %1, %0, %0%{%2%}" : "+v"(fresh) : "v"(known), "Yk"(numbers));
  return fresh;
}
template <>
POOL_INLINE Vec<double> larger<double>(Vec<double> known, Vec<double> fresh) {
  const __mmask8 numbers = _mm512_cmp_pd_mask((__m512d)fresh, (__m512d)fresh, _CMP_ORD_Q);
  asm("vmaxpd %1, %0, %0%{%2%}" : "+v"(fresh) : "v"(known), "Yk"(numbers));
  return fresh;
}
#elif POOL_AVX2
template <>
POOL_INLINE Vec<float> larger<float>(Vec<float> known, Vec<float> fresh) {
  const __m256 f = (__m256)fresh;
  return (Vec<float>)_mm256_blendv_ps(_mm256_max_ps(f, (__m256)known), f, _mm256_cmp_ps(f, f, _CMP_UNORD_Q));
}
template <>
POOL_INLINE Vec<double> larger<double>(Vec<double> known, Vec<double> fresh) {
  const __m256d f = (__m256d)fresh;
  return (Vec<double>)_mm256_blendv_pd(_mm256_max_pd(f, (__m256d)known), f, _mm256_cmp_pd(f, f, _CMP_UNORD_Q));
}
#elif POOL_SSE2
template <>
POOL_INLINE Vec<float> larger<float>(Vec<float> known, Vec<float> fresh) {
  const __m128 f = (__m128)fresh;
  const __m128 nan = _mm_cmpunord_ps(f, f);
  return (Vec<float>)_mm_or_ps(_mm_and_ps(nan, f), _mm_andnot_ps(nan, _mm_max_ps(f, (__m128)known)));
}
template <>
POOL_INLINE Vec<double> larger<double>(Vec<double> known, Vec<double> fresh) {
  const __m128d f = (__m128d)fresh;
  const __m128d nan = _mm_cmpunord_pd(f, f);
  return (Vec<double>)_mm_or_pd(_mm_and_pd(nan, f), _mm_andnot_pd(nan, _mm_max_pd(f, (__m128d)known)));
}
#elif POOL_NEON
template <>
POOL_INLINE Vec<float> larger<float>(Vec<float> known, Vec<float> fresh) {
  return (Vec<float>)vmaxq_f32((float32x4_t)known, (float32x4_t)fresh);  // NaN wins
}
template <>
POOL_INLINE Vec<double> larger<double>(Vec<double> known, Vec<double> fresh) {
  return (Vec<double>)vmaxq_f64((float64x2_t)known, (float64x2_t)fresh);
}
#else
template <>
POOL_INLINE Vec<float> larger<float>(Vec<float> known, Vec<float> fresh) {
  return (known > fresh) | (known != known) ? known : fresh;
}
template <>
POOL_INLINE Vec<double> larger<double>(Vec<double> known, Vec<double> fresh) {
  return (known > fresh) | (known != known) ? known : fresh;
}
#endif

POOL_END
