// Maxima over windows that are whole rows, global pooling of contiguous planes, and their places.
#pragma once

#include "simd/whole_rows.h"

POOL_BEGIN

// Each output is the maximum of one contiguous row.
template <class S>
struct KeepFull {
  static constexpr const char* kName = "full";
  static constexpr const char* kTakes = "windows that are whole contiguous rows: global pooling";
  static constexpr const char* kCost = "1 for each vector that is read";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;

  static bool fits(const Plan& p) { return windows_are_rows<S>(p) && p.w.positions >= kN; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.windows * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Ahead ahead(asks_ahead<S>(p));
    WholeRow row(p, first);
    for (std::int64_t unit = first; unit < last; ++unit, row.next()) {
      P place;
      const V best = search(p.in + row.positions, p.w.positions, ahead, &place);
      E::put(p.out + row.window, best);
      store_offset(p.offsets + row.offset, p.offset_size, place);
    }
  }

 private:
  static V search(const char* at, std::int64_t n, Ahead& ahead, P* place) {
    alignas(64) P numbers[kN];
    for (int i = 0; i < kN; ++i) numbers[i] = static_cast<P>(i);
    const Vec<P> first = load_vec<P>(numbers);
    Vec<V> a = E::load(at), b = a;
    Places<V> places_a = first, places_b = first;
    Places<V> next = first + fill_vec<P>(kN);
    std::int64_t x = kN;
    for (; x + 2 * kN <= n; x += 2 * kN) {
      ahead.come_to(at + x * E::kSize);
      take<V>(a, places_a, E::load(at + x * E::kSize), next);
      take<V>(b, places_b, E::load(at + (x + kN) * E::kSize), next + fill_vec<P>(kN));
      next += fill_vec<P>(2 * kN);
    }
    for (; x < n; x += kN) {  // the last vector may lie over the one before it
      const std::int64_t from = std::min(x, n - kN);
      take<V>(a, places_a, E::load(at + from * E::kSize), first + fill_vec<P>(static_cast<P>(from)));
    }
    alignas(64) V values[2 * kN];
    alignas(64) P places[2 * kN];
    store_vec<V>(values, a);
    store_vec<V>(values + kN, b);
    store_vec<P>(places, places_a);
    store_vec<P>(places + kN, places_b);
#if POOL_AVX512
    if constexpr (sizeof(V) == 4) {
      if (_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q) == 0) {
        choose(a, b, places_a, places_b, place);
        return E::get(at + *place * E::kSize);  // of zeros with both signs, the one that was found
      }
    }
#endif
    V best = values[0];
    *place = places[0];
    for (int i = 1; i < 2 * kN; ++i) {
      const bool is_nan = values[i] != values[i];
      if (best != best) {
        if (!is_nan || places[i] < *place) continue;  // the last NaN
      } else if (!is_nan && (values[i] < best || (values[i] == best && places[i] > *place))) {
        continue;  // the first of equals
      }
      best = values[i];
      *place = places[i];
    }
    return best;
  }

#if POOL_AVX512
  // The same choice among all lanes at once, where none is NaN.
  static POOL_INLINE void choose(Vec<V> a, Vec<V> b, Places<V> places_a, Places<V> places_b, P* place) {
    const Vec<V> best = fold<V, kN / 2>(a > b ? a : b, Larger{});
    const Places<V> none = fill_vec<P>(std::numeric_limits<P>::max());
    const Places<V> from_a = a == best ? places_a : none, from_b = b == best ? places_b : none;
    *place = fold<P, kN / 2>(from_a < from_b ? from_a : from_b, Smaller{})[0];
  }
  struct Larger {
    POOL_INLINE Vec<V> operator()(Vec<V> x, Vec<V> y) const { return x > y ? x : y; }
  };
  struct Smaller {
    POOL_INLINE Places<V> operator()(Places<V> x, Places<V> y) const { return x < y ? x : y; }
  };
  template <int kStep, class T, int... kI>
  static POOL_INLINE Vec<T> swap_lanes(Vec<T> value, Indices<kI...>) {
    return __builtin_shufflevector(value, value, (kI ^ kStep)...);
  }
  // Combines all lanes; each then has the result.
  template <class T, int kStep, class Combine>
  static POOL_INLINE Vec<T> fold(Vec<T> value, Combine combine) {
    value = combine(value, swap_lanes<kStep, T>(value, LaneIndices<T>{}));
    if constexpr (kStep > 1) {
      return fold<T, kStep / 2>(value, combine);
    } else {
      return value;
    }
  }
#endif
};

POOL_END
