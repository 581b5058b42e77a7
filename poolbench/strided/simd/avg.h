// The average as an operation on vectors, with the same members as the maximum (max.h): elements are widened when they
// are loaded, added up, multiplied with a factor and narrowed when they are stored.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

// Half as many elements as a vector has bytes for, side by side: what is widened into a whole vector.
template <class T>
struct HalfVecOf {
  typedef T type __attribute__((vector_size(kBytes / 2)));
};

template <class S>
struct Widened;  // how a vector of values is made of stored elements, and back

template <>
struct Widened<double> {
  using Value = double;
  static POOL_INLINE Vec<double> load(const char* at) { return load_vec<double>(at); }
  static POOL_INLINE void store(char* at, Vec<double> value) { store_vec<double>(at, value); }
  static POOL_INLINE double get(const char* at) {
    double value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
  }
  static POOL_INLINE void put(char* at, double value) { __builtin_memcpy(at, &value, sizeof value); }
};

using Floats = HalfVecOf<float>::type;

template <>
struct Widened<float> {
  using Value = double;
  static POOL_INLINE Vec<double> widen(Floats floats) {
#if POOL_AVX512  // GCC splits the conversion of whole vectors in two
    return (Vec<double>)_mm512_maskz_cvtps_pd(0xff, (__m256)floats);
#else
    return __builtin_convertvector(floats, Vec<double>);
#endif
  }
  static POOL_INLINE Floats narrow(Vec<double> value) {
#if POOL_AVX512
    return (Floats)_mm512_maskz_cvtpd_ps(0xff, (__m512d)value);
#else
    return __builtin_convertvector(value, Floats);
#endif
  }
  static POOL_INLINE Vec<double> load(const char* at) {
    Floats floats;
    __builtin_memcpy(&floats, at, sizeof floats);
    return widen(floats);
  }
  static POOL_INLINE void store(char* at, Vec<double> value) {
    const Floats floats = narrow(value);
    __builtin_memcpy(at, &floats, sizeof floats);
  }
  static POOL_INLINE double get(const char* at) {
    float value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
  }
  static POOL_INLINE void put(char* at, double value) {
    const float narrow = static_cast<float>(value);
    __builtin_memcpy(at, &narrow, sizeof narrow);
  }
};

// Adds both halves of a vector of floats to vectors of doubles.
POOL_INLINE void add_widened(Vec<float> floats, Vec<double>& low, Vec<double>& high) {
  Floats halves[2];
  __builtin_memcpy(halves, &floats, sizeof halves);
  low += Widened<float>::widen(halves[0]);
  high += Widened<float>::widen(halves[1]);
}

using HalfBits = HalfVecOf<std::uint16_t>::type;
using Words = Vec<std::uint32_t>;

template <class Half>
struct WidenedHalf {
  using Value = float;
  static POOL_INLINE Vec<float> load(const char* at) {
    HalfBits bits;
    __builtin_memcpy(&bits, at, sizeof bits);
    return Widened<Half>::widen(bits);
  }
  static POOL_INLINE void store(char* at, Vec<float> value) {
    const HalfBits bits = Widened<Half>::narrow(value);
    __builtin_memcpy(at, &bits, sizeof bits);
  }
  static POOL_INLINE float get(const char* at) {
    Half value;
    __builtin_memcpy(&value, at, sizeof value);
    return to_float(value);
  }
  static POOL_INLINE void put(char* at, float value) {
    Half narrow;
    from_float(value, narrow);
    __builtin_memcpy(at, &narrow, sizeof narrow);
  }
};

template <>
struct Widened<Bf16> : WidenedHalf<Bf16> {
  static POOL_INLINE Vec<float> widen(HalfBits bits) {
#if POOL_AVX512
    return (Vec<float>)((Words)_mm512_maskz_cvtepu16_epi32(0xffff, (__m256i)bits) << 16);
#else
    return (Vec<float>)(__builtin_convertvector(bits, Words) << 16);
#endif
  }
  static POOL_INLINE HalfBits narrow(Vec<float> value) {
    const Words bits = (Words)value;
    const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const Words nan = (bits >> 16) | 0x40u;
    const Words kept = (Words)(value == value ? rounded : nan);
#if POOL_AVX512
    return (HalfBits)_mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)kept);
#else
    return __builtin_convertvector(kept, HalfBits);
#endif
  }
};

template <>
struct Widened<F16> : WidenedHalf<F16> {
  static POOL_INLINE Vec<float> widen(HalfBits bits) {
#if POOL_AVX512
    return (Vec<float>)_mm512_maskz_cvtph_ps(0xffff, (__m256i)bits);
#elif POOL_AVX2
    return (Vec<float>)_mm256_cvtph_ps((__m128i)bits);
#else  // as to_float in convert.h
    const Words wide = __builtin_convertvector(bits, Words);
    const Words rest = (wide & 0x7fffu) << 13;
    const Words scaled = (Words)((Vec<float>)rest * 5.192296858534828e33f);
    const Words special = (Words)(rest >= 0x0f800000u) & 0x7f800000u;
    return (Vec<float>)(scaled | special | ((wide & 0x8000u) << 16));
#endif
  }
  static POOL_INLINE HalfBits narrow(Vec<float> value) {
#if POOL_AVX512
    return (HalfBits)_mm512_maskz_cvtps_ph(0xffff, (__m512)value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif POOL_AVX2
    return (HalfBits)_mm256_cvtps_ph((__m256)value, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else  // as from_float in convert.h
    const Words bits = (Words)value;
    const Words rest = bits & 0x7fffffffu;
    const Words normal = (rest - 0x38000000u + 0xfffu + ((rest >> 13) & 1u)) >> 13;
    const Words tiny = (Words)((Vec<float>)rest + 0.5f) - 0x3f000000u;
    Words result = (Words)(rest < 0x38800000u ? tiny : normal);
    result = (Words)(rest >= 0x477ff000u ? (Words{} + 0x7c00u) : result);
    result = (Words)(rest > 0x7f800000u ? (Words{} + 0x7e00u) : result);
    return __builtin_convertvector(result | ((bits >> 16) & 0x8000u), HalfBits);
#endif
  }
};

// Floats that are added up as they are: good enough where chains of additions are short (has_short_sums in combine.h),
// and twice the lanes.
struct PlainFloats {
  using Value = float;
  static POOL_INLINE Vec<float> load(const char* at) { return load_vec<float>(at); }
  static POOL_INLINE void store(char* at, Vec<float> value) { store_vec<float>(at, value); }
  static POOL_INLINE float get(const char* at) {
    float value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
  }
  static POOL_INLINE void put(char* at, float value) { __builtin_memcpy(at, &value, sizeof value); }
};

// `Elements` says in which type they are added up, and how they get there and back.
template <class S, class Elements = Widened<S>>
struct Avg {
  using Stored = S;
  using Value = typename Elements::Value;
  static constexpr int kCount = kLanes<Value>;
  static constexpr bool kIsMax = false;

  static constexpr Value least() { return 0; }
  static POOL_INLINE Vec<Value> neutral() { return Vec<Value>{}; }
  static POOL_INLINE Vec<Value> load(const char* at) { return Elements::load(at); }
  static POOL_INLINE Vec<Value> load_part(const char* at, int n) {
#if POOL_AVX512
    return load_masked(at, first_lanes(n));
#else
    if constexpr (std::is_same_v<Value, S>) return isa::load_part<S>(at, n, Vec<S>{});
    if (n == kCount) return load(at);
    alignas(kBytes) char few[kBytes] = {};
    copy_few(few, at, n * static_cast<std::int64_t>(sizeof(S)));
    return Elements::load(few);
#endif
  }
#if POOL_AVX512
  static POOL_INLINE Vec<Value> load_masked(const char* at, std::uint64_t mask) {
    if constexpr (std::is_same_v<Elements, PlainFloats>) {
      return (Vec<Value>)_mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), at);
    } else if constexpr (sizeof(S) == 4) {
      return Elements::widen((Floats)_mm256_maskz_loadu_ps(static_cast<__mmask8>(mask), at));
    } else if constexpr (sizeof(S) == 8) {
      return (Vec<Value>)_mm512_maskz_loadu_pd(static_cast<__mmask8>(mask), at);
    } else {
      return Elements::widen((HalfBits)_mm256_maskz_loadu_epi16(static_cast<__mmask16>(mask), at));
    }
  }
  static POOL_INLINE Vec<Value> load_some(const char* at, std::uint64_t mask) { return load_masked(at, mask); }
  static POOL_INLINE void store_masked(char* at, Vec<Value> value, Vec<Value> factor, std::uint64_t mask) {
    value *= factor;
    if constexpr (std::is_same_v<Elements, PlainFloats>) {
      _mm512_mask_storeu_ps(at, static_cast<__mmask16>(mask), (__m512)value);
    } else if constexpr (sizeof(S) == 4) {
      _mm256_mask_storeu_ps(at, static_cast<__mmask8>(mask), (__m256)Elements::narrow(value));
    } else if constexpr (sizeof(S) == 8) {
      _mm512_mask_storeu_pd(at, static_cast<__mmask8>(mask), (__m512d)value);
    } else {
      _mm256_mask_storeu_epi16(at, static_cast<__mmask16>(mask), (__m256i)Elements::narrow(value));
    }
  }
#endif
  static POOL_INLINE Vec<Value> combine(Vec<Value> known, Vec<Value> fresh) { return known + fresh; }
  static POOL_INLINE void store(char* at, Vec<Value> value, Vec<Value> factor) {
    Elements::store(at, value * factor);
  }
  static POOL_INLINE void store_part(char* at, Vec<Value> value, Vec<Value> factor, int n) {
#if POOL_AVX512
    store_masked(at, value, factor, first_lanes(n));
#else
    if (n == kCount) {
      store(at, value, factor);
    } else {
      alignas(kBytes) char few[kBytes];
      store(few, value, factor);
      copy_few(at, few, n * static_cast<std::int64_t>(sizeof(S)));
    }
#endif
  }
  static POOL_INLINE Value one(Value known, Value fresh) { return known + fresh; }
  static POOL_INLINE Value load_one(const char* at) { return Elements::get(at); }
  static POOL_INLINE void store_one(char* at, Value value, Value factor) { Elements::put(at, value * factor); }
};

using FloatAvg = Avg<float, PlainFloats>;

POOL_END
