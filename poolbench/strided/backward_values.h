// Elements as the values that gradients are summed as, offsets beside them, and the maximum of two with its place.
// Included once per instruction set, behind vec.h, max.h and avg.h.

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

// --- Offsets of 1, 2 and 4 bytes --------------------------------------------------------------------------------------

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
POOL_CONVERT(32, 1, __mmask16, __mmask16, _mm_maskz_loadu_epi8, _mm512_maskz_cvtepu8_epi32, _mm512_mask_cvtepi32_storeu_epi8)
POOL_CONVERT(32, 2, __mmask16, __mmask16, _mm256_maskz_loadu_epi16, _mm512_maskz_cvtepu16_epi32, _mm512_mask_cvtepi32_storeu_epi16)
POOL_CONVERT(32, 4, __mmask16, __mmask16, _mm512_maskz_loadu_epi32, _mm512_maskz_mov_epi32, _mm512_mask_storeu_epi32)
POOL_CONVERT(64, 1, __mmask8, __mmask16, _mm_maskz_loadu_epi8, _mm512_maskz_cvtepu8_epi64, _mm512_mask_cvtepi64_storeu_epi8)
POOL_CONVERT(64, 2, __mmask8, __mmask8, _mm_maskz_loadu_epi16, _mm512_maskz_cvtepu16_epi64, _mm512_mask_cvtepi64_storeu_epi16)
POOL_CONVERT(64, 4, __mmask8, __mmask8, _mm256_maskz_loadu_epi32, _mm512_maskz_cvtepu32_epi64, _mm512_mask_cvtepi64_storeu_epi32)
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

// --- Rows ---------------------------------------------------------------------------------------------------------------

// Reads n elements, `step` bytes apart, into a row that has room for whole vectors.
template <class S>
POOL_INLINE void read_row(const char* at, std::int64_t step, std::int64_t n, typename Elements<S>::Value* to) {
  using E = Elements<S>;
  if (step == E::kSize) {
    std::int64_t x = 0;
    for (; x + E::kCount <= n; x += E::kCount) store_vec<typename E::Value>(to + x, E::load(at + x * E::kSize));
    if (x < n) store_vec<typename E::Value>(to + x, E::load_part(at + x * E::kSize, static_cast<int>(n - x)));
  } else {
    for (std::int64_t x = 0; x < n; ++x) to[x] = E::get(at + x * step);
  }
}

template <class S>
POOL_INLINE void write_row(char* at, std::int64_t step, std::int64_t n, const typename Elements<S>::Value* from) {
  using E = Elements<S>;
  if (step == E::kSize) {
    std::int64_t x = 0;
    for (; x + E::kCount <= n; x += E::kCount) E::store(at + x * E::kSize, load_vec<typename E::Value>(from + x));
    if (x < n) E::store_part(at + x * E::kSize, load_vec<typename E::Value>(from + x), static_cast<int>(n - x));
  } else {
    for (std::int64_t x = 0; x < n; ++x) E::put(at + x * step, from[x]);
  }
}

// Fills [from, to) of a row, at least a vector's worth.
template <class T>
POOL_INLINE void fill_row(T* row, std::int64_t from, std::int64_t to, Vec<T> value) {
  for (; from + kLanes<T> < to; from += kLanes<T>) store_vec<T>(row + from, value);
  store_vec<T>(row + to - kLanes<T>, value);
}

template <class V, int kSize>
POOL_INLINE void read_places(const char* at, std::int64_t n, PlaceOf<V>* to) {
  std::int64_t x = 0;
  for (; x + kLanes<V> <= n; x += kLanes<V>) store_vec<PlaceOf<V>>(to + x, load_places<V, kSize>(at + x * kSize));
  if (x < n) store_vec<PlaceOf<V>>(to + x, load_places_part<V, kSize>(at + x * kSize, static_cast<int>(n - x)));
}

template <class V>
POOL_INLINE void read_places(const char* at, std::int64_t step, int size, std::int64_t n, PlaceOf<V>* to) {
  if (step == size) {
    switch (size) {
      case 1: read_places<V, 1>(at, n, to); break;
      case 2: read_places<V, 2>(at, n, to); break;
      default: read_places<V, 4>(at, n, to);
    }
  } else {
    for (std::int64_t x = 0; x < n; ++x) to[x] = static_cast<PlaceOf<V>>(load_offset(at + x * step, size));
  }
}

// Lanes of a and b in turns: a0 b0 a1 b1 …, the first half of them and the second.
template <class T, int... kI>
POOL_INLINE Vec<T> zip_low(Vec<T> a, Vec<T> b, Indices<kI...>) {
  constexpr int kN = kLanes<T>;
  return __builtin_shufflevector(a, b, (kI / 2 + kI % 2 * kN)...);
}
template <class T, int... kI>
POOL_INLINE Vec<T> zip_high(Vec<T> a, Vec<T> b, Indices<kI...>) {
  constexpr int kN = kLanes<T>;
  return __builtin_shufflevector(a, b, (kN / 2 + kI / 2 + kI % 2 * kN)...);
}

// The readers of an axis's first positions, looked up, since divisions take longer than a short row.
struct ReaderTable {
  static constexpr std::int64_t kMost = 256;
  const Axis& axis;
  struct {
    std::int32_t first, last;
  } known[kMost];

  explicit ReaderTable(const Axis& of) : axis(of) {
    for (std::int64_t i = 0; i < std::min(of.in, kMost); ++i) {
      const Readers all = readers(of, i);
      known[i] = {static_cast<std::int32_t>(all.first), static_cast<std::int32_t>(all.last)};
    }
  }
  POOL_INLINE Readers at(std::int64_t i) const {
    return i < kMost ? Readers{known[i].first, known[i].last} : readers(axis, i);
  }
};

// The most windows that read one element along an axis.
static inline std::int64_t most_readers(const Axis& axis) {
  if (axis.adaptive()) return std::min(axis.out, (axis.out + axis.in - 1) / axis.in + 1);
  return std::min(axis.out, (axis.window - 1) * axis.dilation / axis.stride + 1);
}
