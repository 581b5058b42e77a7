// Vectors of a row and the lanes that a stride picks from them, and back.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

// kStride vectors that lie behind each other, and in their place one for each remainder: the lanes f, f + kStride, … .
template <class T, int kStride>
struct StridedLanes;

template <class T>
struct StridedLanes<T, 1> {
  static POOL_INLINE void part(Vec<T> (&)[1]) {}
  static POOL_INLINE void join(Vec<T> (&)[1]) {}
};

template <class T>
struct StridedLanes<T, 2> {
  static POOL_INLINE void part(Vec<T> (&v)[2]) { part(v[0], v[1]); }
  static POOL_INLINE void join(Vec<T> (&v)[2]) { join(v[0], v[1], LaneIndices<T>{}); }
  static POOL_INLINE void part(Vec<T>& a, Vec<T>& b) {
    const Vec<T> even = even_lanes<T>(a, b);
    b = odd_lanes<T>(a, b);
    a = even;
  }
  template <int... kI>
  static POOL_INLINE void join(Vec<T>& a, Vec<T>& b, Indices<kI...>) {
    constexpr int kN = kLanes<T>;
    const Vec<T> low = __builtin_shufflevector(a, b, (kI / 2 + kI % 2 * kN)...);
    b = __builtin_shufflevector(a, b, (kN / 2 + kI / 2 + kI % 2 * kN)...);
    a = low;
  }
};

template <class T>
struct StridedLanes<T, 3> {
  static constexpr int kN = kLanes<T>;
  static POOL_INLINE void part(Vec<T> (&v)[3]) {
    const Vec<T> a = part<0>(v, LaneIndices<T>{}), b = part<1>(v, LaneIndices<T>{});
    v[2] = part<2>(v, LaneIndices<T>{});
    v[0] = a;
    v[1] = b;
  }
  static POOL_INLINE void join(Vec<T> (&v)[3]) {
    const Vec<T> a = join<0>(v, LaneIndices<T>{}), b = join<1>(v, LaneIndices<T>{});
    v[2] = join<2>(v, LaneIndices<T>{});
    v[0] = a;
    v[1] = b;
  }

 private:
  template <int kRest, int... kI>
  static POOL_INLINE Vec<T> part(const Vec<T> (&v)[3], Indices<kI...>) {
    const Vec<T> some = __builtin_shufflevector(v[0], v[1], (3 * kI + kRest < 2 * kN ? 3 * kI + kRest : 0)...);
    return __builtin_shufflevector(some, v[2], (3 * kI + kRest < 2 * kN ? kI : 3 * kI + kRest - kN)...);
  }
  template <int kVector, int... kI>
  static POOL_INLINE Vec<T> join(const Vec<T> (&v)[3], Indices<kI...>) {
    constexpr int kFirst = kVector * kN;
    const Vec<T> some = __builtin_shufflevector(v[0], v[1], ((kFirst + kI) % 3 == 2 ? 0 : (kFirst + kI) / 3 + (kFirst + kI) % 3 * kN)...);
    return __builtin_shufflevector(some, v[2], ((kFirst + kI) % 3 == 2 ? (kFirst + kI) / 3 + kN : kI)...);
  }
};

template <class T>
struct StridedLanes<T, 4> {
  using Pair = StridedLanes<T, 2>;
  static POOL_INLINE void part(Vec<T> (&v)[4]) {
    Pair::part(v[0], v[1]);
    Pair::part(v[2], v[3]);
    Pair::part(v[0], v[2]);
    Pair::part(v[1], v[3]);  // 0, 1, 2, 3 lie at 0, 1, 2, 3
  }
  static POOL_INLINE void join(Vec<T> (&v)[4]) {
    Pair::join(v[0], v[2], LaneIndices<T>{});
    Pair::join(v[1], v[3], LaneIndices<T>{});
    Pair::join(v[0], v[1], LaneIndices<T>{});
    Pair::join(v[2], v[3], LaneIndices<T>{});
  }
};

POOL_END
