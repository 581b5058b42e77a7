// Rows of elements between memory and scratch.
#pragma once

#include "simd/places.h"
#include "simd/row_sink.h"

POOL_BEGIN

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

// Stores a vector in the caches or around them.
template <class E>
POOL_INLINE void put(char* at, Vec<typename E::Value> value, bool streams) {
  if (streams) {
    E::stream(at, value);
  } else {
    E::store(at, value);
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

POOL_END
