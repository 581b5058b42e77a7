// Lanes brought together by indices that are known at run time alone, by the size of a value. For AVX-512 alone.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

template <int kSize>
struct Permuted;  // from one register or two
template <>
struct Permuted<2> {
  using Mask = __mmask32;
  static POOL_INLINE __m512i index(const std::uint16_t* at) { return _mm512_loadu_si512(at); }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a) { return _mm512_permutexvar_epi16(index, a); }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a, __m512i b) {
    return _mm512_permutex2var_epi16(a, index, b);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi16(mask, index, a);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a, __m512i b) {
    return _mm512_maskz_permutex2var_epi16(mask, a, index, b);
  }
  // The lanes left out are `rest`.
  static POOL_INLINE __m512i permute_some(__m512i rest, Mask mask, __m512i index, __m512i a) {
    return _mm512_mask_permutexvar_epi16(rest, mask, index, a);
  }
};
template <>
struct Permuted<4> {
  using Mask = __mmask16;
  static POOL_INLINE __m512i index(const std::uint16_t* at) {
    return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi32(0xffff, index, a);
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a, __m512i b) {
    return _mm512_permutex2var_epi32(a, index, b);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi32(mask, index, a);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a, __m512i b) {
    return _mm512_maskz_permutex2var_epi32(mask, a, index, b);
  }
  // The lanes left out are `rest`.
  static POOL_INLINE __m512i permute_some(__m512i rest, Mask mask, __m512i index, __m512i a) {
    return _mm512_mask_permutexvar_epi32(rest, mask, index, a);
  }
};
template <>
struct Permuted<8> {
  using Mask = __mmask8;
  static POOL_INLINE __m512i index(const std::uint16_t* at) {
    return _mm512_maskz_cvtepu16_epi64(0xff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi64(0xff, index, a);
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a, __m512i b) {
    return _mm512_permutex2var_epi64(a, index, b);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi64(mask, index, a);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a, __m512i b) {
    return _mm512_maskz_permutex2var_epi64(mask, a, index, b);
  }
  // The lanes left out are `rest`.
  static POOL_INLINE __m512i permute_some(__m512i rest, Mask mask, __m512i index, __m512i a) {
    return _mm512_mask_permutexvar_epi64(rest, mask, index, a);
  }
};

POOL_END
