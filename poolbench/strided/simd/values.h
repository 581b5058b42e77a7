// Elements as the values that gradients are summed as, offsets beside them, and the maximum of two with its place.
#pragma once

#include "simd/avg.h"
#include "simd/max.h"

POOL_BEGIN

template <class V>
using PlaceOf = std::conditional_t<sizeof(V) == 4, std::int32_t, std::int64_t>;
template <class V>
using Places = Vec<PlaceOf<V>>;

// float64 is computed with in float64, all else in float32.
template <class S>
struct Elements {
  using Stored = S;
  using Value = S;
  static constexpr int kCount = kLanes<Value>;
  static constexpr std::int64_t kSize = sizeof(S);
  static POOL_INLINE Vec<Value> load(const char* at) { return load_vec<S>(at); }
  static POOL_INLINE Vec<Value> load_part(const char* at, int n) { return isa::load_part<S>(at, n, Vec<S>{}); }
  static POOL_INLINE void store(char* at, Vec<Value> value) { store_vec<S>(at, value); }
  static POOL_INLINE void store_part(char* at, Vec<Value> value, int n) { isa::store_part<S>(at, value, n); }
  // As stream_vec of vec.h, where there is such a store.
  static constexpr bool kStreamed = kStreams;
  static POOL_INLINE void stream(char* at, Vec<Value> value) { stream_vec(at, (Vec<std::uint8_t>)value); }
  static POOL_INLINE Value get(const char* at) {
    S value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
  }
  static POOL_INLINE void put(char* at, Value value) { __builtin_memcpy(at, &value, sizeof value); }
};

template <class S>
struct HalfElements {
  using Stored = S;
  using Value = float;
  static constexpr int kCount = kLanes<Value>;
  static constexpr std::int64_t kSize = sizeof(S);
  static POOL_INLINE Vec<Value> load(const char* at) { return Widened<S>::load(at); }
  static POOL_INLINE Vec<Value> load_part(const char* at, int n) { return Avg<S>::load_part(at, n); }
  static POOL_INLINE void store(char* at, Vec<Value> value) { Widened<S>::store(at, value); }
  static POOL_INLINE void store_part(char* at, Vec<Value> value, int n) {
    Avg<S>::store_part(at, value, fill_vec<float>(1.0f), n);
  }
  static constexpr bool kStreamed = false;
  static POOL_INLINE void stream(char* at, Vec<Value> value) { store(at, value); }
  static POOL_INLINE Value get(const char* at) { return Widened<S>::get(at); }
  static POOL_INLINE void put(char* at, Value value) { Widened<S>::put(at, value); }
};
template <>
struct Elements<F16> : HalfElements<F16> {};
template <>
struct Elements<Bf16> : HalfElements<Bf16> {};

template <class V>
constexpr V least_value() {
  return -std::numeric_limits<V>::infinity();
}

// Puts the fresh value in the place of the best where it is larger or NaN, and with it where it was.
template <class V>
POOL_INLINE void take(Vec<V>& best, Places<V>& place, Vec<V> fresh, Places<V> fresh_place) {
#if POOL_AVX512
  if constexpr (sizeof(V) == 4) {
    const __m512 f = (__m512)fresh, b = (__m512)best;
    const __mmask16 taken = _kor_mask16(_mm512_cmp_ps_mask(f, b, _CMP_GT_OQ), _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q));
    best = (Vec<V>)_mm512_mask_mov_ps(b, taken, f);
    place = (Places<V>)_mm512_mask_mov_epi32((__m512i)place, taken, (__m512i)fresh_place);
  } else {
    const __m512d f = (__m512d)fresh, b = (__m512d)best;
    const __mmask8 taken = _kor_mask8(_mm512_cmp_pd_mask(f, b, _CMP_GT_OQ), _mm512_cmp_pd_mask(f, f, _CMP_UNORD_Q));
    best = (Vec<V>)_mm512_mask_mov_pd(b, taken, f);
    place = (Places<V>)_mm512_mask_mov_epi64((__m512i)place, taken, (__m512i)fresh_place);
  }
#else
  const Places<V> taken = (fresh > best) | (fresh != fresh);
  best = taken ? fresh : best;
  place = taken ? fresh_place : place;
#endif
}

// The same for a place that is the same in all lanes.
template <class V>
POOL_INLINE void take(Vec<V>& best, Places<V>& place, Vec<V> fresh, PlaceOf<V> number) {
#if POOL_AVX512
  if constexpr (sizeof(V) == 4) {
    const __m512 f = (__m512)fresh, b = (__m512)best;
    const __mmask16 taken = _kor_mask16(_mm512_cmp_ps_mask(f, b, _CMP_GT_OQ), _mm512_cmp_ps_mask(f, f, _CMP_UNORD_Q));
    best = (Vec<V>)_mm512_mask_mov_ps(b, taken, f);
    place = (Places<V>)_mm512_mask_set1_epi32((__m512i)place, taken, number);
    return;
  }
#endif
  take<V>(best, place, fresh, fill_vec<PlaceOf<V>>(number));
}

template <class V>
POOL_INLINE void take_one(V& best, PlaceOf<V>& place, V fresh, PlaceOf<V> fresh_place) {
  if (fresh > best || fresh != fresh) {
    best = fresh;
    place = fresh_place;
  }
}

// Makes the compiler keep a vector that several instructions use in a register: it would rather load the number from
// memory in each of them, where loads are what there is too little time for.
template <class T>
POOL_INLINE void keep_in_register([[maybe_unused]] Vec<T>& vector) {
#if POOL_AVX512
  asm("" : "+v"(vector));
#endif
}

// The best of a window and its place, found without asking each element whether it is NaN. Where an element was NaN, or
// infinite, the result is not sure, and `take` has to find it.
template <class V>
struct QuickSearch {
  Vec<V> best;
  Places<V> place;

  POOL_INLINE void begin(Vec<V> element, PlaceOf<V> number) {
    best = element;
    place = fill_vec<PlaceOf<V>>(number);
#if POOL_AVX512
    doubt_ = element * Vec<V>{};
#endif
  }
  POOL_INLINE void next(Vec<V> element, Places<V> number) {
#if POOL_AVX512
    if constexpr (sizeof(V) == 4) {
      const __m512 e = (__m512)element, b = (__m512)best;
      place = (Places<V>)_mm512_mask_mov_epi32((__m512i)place, _mm512_cmp_ps_mask(e, b, _CMP_GT_OQ), (__m512i)number);
      best = (Vec<V>)_mm512_maskz_max_ps(0xffff, e, b);
    } else {
      const __m512d e = (__m512d)element, b = (__m512d)best;
      place = (Places<V>)_mm512_mask_mov_epi64((__m512i)place, _mm512_cmp_pd_mask(e, b, _CMP_GT_OQ), (__m512i)number);
      best = (Vec<V>)_mm512_maskz_max_pd(0xff, e, b);
    }
    doubt_ += element * Vec<V>{};  // zero but for NaN and infinities
#else
    take<V>(best, place, element, number);
#endif
  }
  POOL_INLINE bool is_sure() const {
#if POOL_AVX512
    if constexpr (sizeof(V) == 4) {
      return _mm512_cmp_ps_mask((__m512)doubt_, (__m512)doubt_, _CMP_UNORD_Q) == 0;
    } else {
      return _mm512_cmp_pd_mask((__m512d)doubt_, (__m512d)doubt_, _CMP_UNORD_Q) == 0;
    }
#else
    return true;
#endif
  }

  // The best where it is sure, and NaN elsewhere.
  POOL_INLINE Vec<V> best_or_nan() const {
#if POOL_AVX512
    if constexpr (sizeof(V) == 4) {
      const __m512 doubt = (__m512)doubt_;
      return (Vec<V>)_mm512_mask_mov_ps((__m512)best, _mm512_cmp_ps_mask(doubt, doubt, _CMP_UNORD_Q), doubt);
    } else {
      const __m512d doubt = (__m512d)doubt_;
      return (Vec<V>)_mm512_mask_mov_pd((__m512d)best, _mm512_cmp_pd_mask(doubt, doubt, _CMP_UNORD_Q), doubt);
    }
#else
    return best;
#endif
  }

#if POOL_AVX512
 private:
  Vec<V> doubt_;
#endif
};

// Adds the values whose places are the ones looked for.
template <class V>
POOL_INLINE Vec<V> add_where(Vec<V> sum, Places<V> place, Places<V> wanted, Vec<V> value) {
#if POOL_AVX512
  if constexpr (sizeof(V) == 4) {
    return (Vec<V>)_mm512_mask_add_ps((__m512)sum, _mm512_cmpeq_epi32_mask((__m512i)place, (__m512i)wanted),
                                      (__m512)sum, (__m512)value);
  } else {
    return (Vec<V>)_mm512_mask_add_pd((__m512d)sum, _mm512_cmpeq_epi64_mask((__m512i)place, (__m512i)wanted),
                                      (__m512d)sum, (__m512d)value);
  }
#else
  return sum + (Vec<V>)((place == wanted) & (Places<V>)value);
#endif
}

#if POOL_AVX512
// The same for kVectors vectors of floats, whose offsets are bytes. Sixteen bytes are compared at a time: to cut a mask
// of 64 into four takes longer than three more comparisons.
template <class S, int kVectors>
POOL_INLINE void add_where_bytes(Vec<float> (&sums)[kVectors], const char* offsets, __m128i wanted, const char* values) {
  constexpr std::int64_t kStep = 16 * sizeof(S);
#pragma GCC unroll 4
  for (int i = 0; i < kVectors; ++i) {
    const __m128i places = _mm_loadu_si128(reinterpret_cast<const __m128i*>(offsets + 16 * i));
    sums[i] = (Vec<float>)_mm512_mask_add_ps((__m512)sums[i], _mm_cmpeq_epi8_mask(places, wanted), (__m512)sums[i],
                                             (__m512)Elements<S>::load(values + i * kStep));
  }
}
#endif

POOL_END
