// Elements as the values that gradients are summed as, offsets beside them, and the maximum of two with its place.
// Included once per instruction set, behind vec.h and ops.h.

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

// Adds the values whose places are the ones looked for.
template <class V>
POOL_INLINE Vec<V> add_where(Vec<V> sum, Places<V> place, Places<V> wanted, Vec<V> value) {
#if POOL_AVX512
  if constexpr (sizeof(V) == 4) {
    return (Vec<V>)_mm512_mask_add_ps((__m512)sum, _mm512_cmpeq_epi32_mask((__m512i)place, (__m512i)wanted), (__m512)sum,
                                      (__m512)value);
  } else {
    return (Vec<V>)_mm512_mask_add_pd((__m512d)sum, _mm512_cmpeq_epi64_mask((__m512i)place, (__m512i)wanted),
                                      (__m512d)sum, (__m512d)value);
  }
#else
  return sum + (Vec<V>)((place == wanted) & (Places<V>)value);
#endif
}

#if POOL_AVX512
// The same for four vectors of floats at once, whose offsets are bytes.
template <class S>
POOL_INLINE void add_where_bytes(Vec<float> (&sums)[4], const char* offsets, __m512i wanted, const char* values) {
  constexpr std::int64_t kStep = 16 * sizeof(S);
  const std::uint64_t found = _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(offsets), wanted);
  const __mmask16 masks[4] = {static_cast<__mmask16>(found), static_cast<__mmask16>(found >> 16),
                              static_cast<__mmask16>(found >> 32), static_cast<__mmask16>(found >> 48)};
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    sums[i] = (Vec<float>)_mm512_mask_add_ps((__m512)sums[i], masks[i], (__m512)sums[i],
                                             (__m512)Elements<S>::load(values + i * kStep));
  }
}
#endif
