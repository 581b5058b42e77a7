// Offsets of 1, 2 and 4 bytes, as vectors with as many lanes as values have.
#pragma once

#include "simd/values.h"

POOL_BEGIN

template <int kSize>
struct OffsetOf;
template <>
struct OffsetOf<1> {
  using type = std::uint8_t;
};
template <>
struct OffsetOf<2> {
  using type = std::uint16_t;
};
template <>
struct OffsetOf<4> {
  using type = std::int32_t;
};

template <class V, int kSize>
struct NarrowOf {
  typedef typename OffsetOf<kSize>::type type __attribute__((vector_size(kLanes<V> * kSize)));
};

#if POOL_AVX512
// By masks, since compilers take lanes out one by one where they are told in general words. kBits: of a place.
template <int kBits, int kSize>
struct Convert;
#define POOL_CONVERT(bits, size, mask_type, narrow_mask, load, widen, store)                                   \
  template <>                                                                                                  \
  struct Convert<bits, size> {                                                                                 \
    using Mask = mask_type;                                                                                    \
    static POOL_INLINE __m512i load_lanes(const char* at, Mask mask) {                                         \
      return widen(static_cast<Mask>(-1), load(static_cast<narrow_mask>(mask), at));                           \
    }                                                                                                          \
    static POOL_INLINE void store_lanes(char* at, Mask mask, __m512i places) { store(at, mask, places); }      \
  };
POOL_CONVERT(32, 1, __mmask16, __mmask16, _mm_maskz_loadu_epi8, _mm512_maskz_cvtepu8_epi32,
             _mm512_mask_cvtepi32_storeu_epi8)
POOL_CONVERT(32, 2, __mmask16, __mmask16, _mm256_maskz_loadu_epi16, _mm512_maskz_cvtepu16_epi32,
             _mm512_mask_cvtepi32_storeu_epi16)
POOL_CONVERT(32, 4, __mmask16, __mmask16, _mm512_maskz_loadu_epi32, _mm512_maskz_mov_epi32, _mm512_mask_storeu_epi32)
POOL_CONVERT(64, 1, __mmask8, __mmask16, _mm_maskz_loadu_epi8, _mm512_maskz_cvtepu8_epi64,
             _mm512_mask_cvtepi64_storeu_epi8)
POOL_CONVERT(64, 2, __mmask8, __mmask8, _mm_maskz_loadu_epi16, _mm512_maskz_cvtepu16_epi64,
             _mm512_mask_cvtepi64_storeu_epi16)
POOL_CONVERT(64, 4, __mmask8, __mmask8, _mm256_maskz_loadu_epi32, _mm512_maskz_cvtepu32_epi64,
             _mm512_mask_cvtepi64_storeu_epi32)
#undef POOL_CONVERT
template <class V, int kSize>
using ConvertOf = Convert<8 * static_cast<int>(sizeof(V)), kSize>;
#endif

template <class V, int kSize>
POOL_INLINE Places<V> load_places(const char* at) {
#if POOL_AVX512
  using C = ConvertOf<V, kSize>;
  return (Places<V>)C::load_lanes(at, static_cast<typename C::Mask>(-1));
#else
#if POOL_AVX2
  if constexpr (sizeof(V) == 4 && kSize == 1) {
    return (Places<V>)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(at)));
  } else if constexpr (sizeof(V) == 4 && kSize == 2) {
    return (Places<V>)_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }
#elif POOL_SSE2
  if constexpr (sizeof(V) == 4 && kSize == 1) {
    std::int32_t bytes;
    __builtin_memcpy(&bytes, at, 4);
    const __m128i zero = _mm_setzero_si128();
    return (Places<V>)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
  }
#endif
  typename NarrowOf<V, kSize>::type narrow;
  __builtin_memcpy(&narrow, at, sizeof narrow);
  return __builtin_convertvector(narrow, Places<V>);
#endif
}

template <class V, int kSize>
POOL_INLINE void store_places(char* at, Places<V> places) {
#if POOL_AVX512
  using C = ConvertOf<V, kSize>;
  C::store_lanes(at, static_cast<typename C::Mask>(-1), (__m512i)places);
#else
#if POOL_AVX2 || POOL_SSE2
  if constexpr (sizeof(V) == 4 && kSize == 1) {  // places are at most 255: saturating changes none
#if POOL_AVX2
    const __m256i wide = (__m256i)places;
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
#else
    const __m128i words = _mm_packs_epi32((__m128i)places, (__m128i)places);
#endif
    const __m128i bytes = _mm_packus_epi16(words, words);
    __builtin_memcpy(at, &bytes, kLanes<V>);
    return;
  }
#endif
  const auto narrow = __builtin_convertvector(places, typename NarrowOf<V, kSize>::type);
  __builtin_memcpy(at, &narrow, sizeof narrow);
#endif
}

// The first n of them, 0 < n <= lanes; the lanes behind are 0.
template <class V, int kSize>
POOL_INLINE Places<V> load_places_part(const char* at, int n) {
#if POOL_AVX512
  using C = ConvertOf<V, kSize>;
  return (Places<V>)C::load_lanes(at, static_cast<typename C::Mask>((1u << n) - 1));
#else
  if (n == kLanes<V>) return load_places<V, kSize>(at);
  alignas(kBytes) char few[kBytes] = {};
  copy_few(few, at, n * kSize);
  return load_places<V, kSize>(few);
#endif
}

template <class V, int kSize>
POOL_INLINE void store_places_part(char* at, Places<V> places, int n) {
#if POOL_AVX512
  using C = ConvertOf<V, kSize>;
  C::store_lanes(at, static_cast<typename C::Mask>((1u << n) - 1), (__m512i)places);
#else
  if (n == kLanes<V>) {
    store_places<V, kSize>(at, places);
    return;
  }
  alignas(kBytes) char few[kBytes];
  store_places<V, kSize>(few, places);
  copy_few(at, few, n * kSize);
#endif
}

// The same for a size that is not known beforehand.
template <class V>
POOL_INLINE Places<V> load_places_part(const char* at, int size, int n) {
  return size == 1   ? load_places_part<V, 1>(at, n)
         : size == 2 ? load_places_part<V, 2>(at, n)
                     : load_places_part<V, 4>(at, n);
}

template <class V>
POOL_INLINE void store_places_part(char* at, Places<V> places, int size, int n) {
  if (size == 1) {
    store_places_part<V, 1>(at, places, n);
  } else if (size == 2) {
    store_places_part<V, 2>(at, places, n);
  } else {
    store_places_part<V, 4>(at, places, n);
  }
}

POOL_END
