// What the kernels share for contiguous rows with strides of up to 4 and small windows, which are read and written where
// they lie: masks leave out what is beyond a row's ends. Nothing goes through memory in between, from which a vector
// could only be read again when all that lies in it has arrived there.
#pragma once

#include "simd/lines.h"
#include "simd/strides.h"

POOL_BEGIN

// How many of the lanes of the vectors that `count` elements take hold one.
template <class S>
double lanes_used(std::int64_t count) {
  constexpr std::int64_t kN = Elements<S>::kCount;
  return static_cast<double>(count) / static_cast<double>((count + kN - 1) / kN * kN);
}

template <class S>
struct MaskedLanes {
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  using Mask = std::conditional_t<sizeof(V) == 4, __mmask16, __mmask8>;
  static constexpr int kN = E::kCount;
  static constexpr Mask kAll = static_cast<Mask>(-1);

  // MaskedLanes i for which 0 <= first + i < count.
  static POOL_INLINE Mask within(std::int64_t first, std::int64_t count) {
    if (first >= 0 && first + kN <= count) return kAll;
    const std::int64_t begin = std::min<std::int64_t>(std::max<std::int64_t>(-first, 0), kN);
    const std::int64_t end = std::min<std::int64_t>(std::max<std::int64_t>(count - first, begin), kN);
    return static_cast<Mask>((std::uint32_t{1} << end) - (std::uint32_t{1} << begin));
  }
  // The lanes left out are `rest`.
  static POOL_INLINE Vec<V> load(const char* at, Mask mask, Vec<V> rest) {
    if constexpr (std::is_same_v<S, float> || std::is_same_v<S, double>) {
      return (Vec<V>)Masked<sizeof(V)>::load_lanes(at, mask, (__m512i)rest);
    } else {
      return (Vec<V>)_mm512_mask_mov_ps((__m512)rest, mask, (__m512)Avg<S>::load_masked(at, mask));
    }
  }
  static POOL_INLINE void store(char* at, Mask mask, Vec<V> value) {
    if constexpr (std::is_same_v<S, float> || std::is_same_v<S, double>) {
      Masked<sizeof(V)>::store_lanes(at, mask, (__m512i)value);
    } else {
      _mm256_mask_storeu_epi16(at, mask, (__m256i)Widened<S>::narrow(value));
    }
  }
  static POOL_INLINE Mask equal(Mask mask, Vec<P> a, Vec<P> b) {
    if constexpr (sizeof(V) == 4) {
      return _mm512_mask_cmpeq_epi32_mask(mask, (__m512i)a, (__m512i)b);
    } else {
      return _mm512_mask_cmpeq_epi64_mask(mask, (__m512i)a, (__m512i)b);
    }
  }
  static POOL_INLINE Vec<V> add(Vec<V> sum, Mask mask, const char* at) {
    const Vec<V> value = load(at, mask, Vec<V>{});
    if constexpr (sizeof(V) == 4) {
      return (Vec<V>)_mm512_mask_add_ps((__m512)sum, mask, (__m512)sum, (__m512)value);
    } else {
      return (Vec<V>)_mm512_mask_add_pd((__m512d)sum, mask, (__m512d)sum, (__m512d)value);
    }
  }

  static constexpr std::int64_t kMostAcross = 8;   // elements of a window along w
  static constexpr int kMostStride = 4;            // along w
  static constexpr std::int64_t kMostWindow = 64;  // in all

  static bool fits(const Plan& p) {
    const Axis& w = p.w;
    const bool small = !w.adaptive() && w.window <= kMostAcross && w.dilation == 1 && w.lo < kN &&
                       (w.stride <= kMostStride || w.windows == 1) &&
                       largest(p.d) * largest(p.h) * w.window <= kMostWindow;
    const bool has_offsets = p.op == Op::kAvg || (p.offset_size <= 2 && (w.windows == 1 || w.offset_step == p.offset_size));
    return p.inner == 1 && has_offsets && small && p.position_step(w) == E::kSize &&
           (w.windows == 1 || p.window_step(w) == E::kSize);
  }
  static std::int64_t largest(const Axis& axis) { return axis.most_taps(); }
};

POOL_END
