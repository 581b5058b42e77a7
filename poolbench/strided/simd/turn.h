// Blocks of vectors turned, as a matrix is transposed, in registers. For AVX-512 and AVX2; included once per instruction
// set.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

// Turns kLanes vectors: lane j of vector i becomes lane i of vector j.
template <class T>
struct Turn;
#if POOL_AVX2
template <>
struct Turn<float> {
  static POOL_INLINE void run(Vec<float>* a) {
    Vec<float> b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      b[i] = __builtin_shufflevector(a[i], a[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      b[i + 4] = __builtin_shufflevector(a[i], a[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
    quarters(b);
    quarters(b + 4);
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) a[i] = b[i];
  }
  // Turns both halves of four vectors.
  static POOL_INLINE void quarters(Vec<float>* a) {
    const Vec<float> low01 = low(a[0], a[1]), high01 = high(a[0], a[1]), low23 = low(a[2], a[3]), high23 = high(a[2], a[3]);
    a[0] = low_pairs(low01, low23);
    a[1] = high_pairs(low01, low23);
    a[2] = low_pairs(high01, high23);
    a[3] = high_pairs(high01, high23);
  }

 private:
  static POOL_INLINE Vec<float> low(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
  }
  static POOL_INLINE Vec<float> high(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
  }
  static POOL_INLINE Vec<float> low_pairs(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
  }
  static POOL_INLINE Vec<float> high_pairs(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
  }
};
template <>
struct Turn<double> {
  static POOL_INLINE void run(Vec<double>* a) {
    Vec<double> b[4];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      b[i] = __builtin_shufflevector(a[i], a[i + 2], 0, 1, 4, 5);
      b[i + 2] = __builtin_shufflevector(a[i], a[i + 2], 2, 3, 6, 7);
    }
    a[0] = b[0], a[1] = b[1], a[2] = b[2], a[3] = b[3];
    quarters(a);
    quarters(a + 2);
  }
  // Turns both halves of two vectors.
  static POOL_INLINE void quarters(Vec<double>* a) {
    const Vec<double> first = a[0];
    a[0] = __builtin_shufflevector(first, a[1], 0, 4, 2, 6);
    a[1] = __builtin_shufflevector(first, a[1], 1, 5, 3, 7);
  }
};
#else
template <>
struct Turn<float> {
  static POOL_INLINE void run(Vec<float>* a) {
    Vec<float> b[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
      b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      a[i] = low_pairs(b[i], b[i + 2]);
      a[i + 1] = high_pairs(b[i], b[i + 2]);
      a[i + 2] = low_pairs(b[i + 1], b[i + 3]);
      a[i + 3] = high_pairs(b[i + 1], b[i + 3]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 16; i += 8) {
#pragma GCC unroll 4
      for (int c = i; c < i + 4; ++c) {
        b[c] = even_quarters(a[c], a[c + 4]);
        b[c + 4] = odd_quarters(a[c], a[c + 4]);
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < 8; ++c) {
      a[c] = even_quarters(b[c], b[c + 8]);
      a[c + 8] = odd_quarters(b[c], b[c + 8]);
    }
  }
  static POOL_INLINE Vec<float> low_pairs(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
  }
  static POOL_INLINE Vec<float> high_pairs(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  static POOL_INLINE Vec<float> even_quarters(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);
  }
  static POOL_INLINE Vec<float> odd_quarters(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  }
};
template <>
struct Turn<double> {
  static POOL_INLINE void run(Vec<double>* a) {
    Vec<double> b[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
      b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
#pragma GCC unroll 2
      for (int c = i; c < i + 2; ++c) {
        a[c] = even_quarters(b[c], b[c + 2]);
        a[c + 2] = odd_quarters(b[c], b[c + 2]);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; ++c) {
      b[c] = even_quarters(a[c], a[c + 4]);
      b[c + 4] = odd_quarters(a[c], a[c + 4]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) a[i] = b[i];
  }
  static POOL_INLINE Vec<double> even_quarters(Vec<double> a, Vec<double> b) {
    return __builtin_shufflevector(a, b, 0, 1, 4, 5, 8, 9, 12, 13);
  }
  static POOL_INLINE Vec<double> odd_quarters(Vec<double> a, Vec<double> b) {
    return __builtin_shufflevector(a, b, 2, 3, 6, 7, 10, 11, 14, 15);
  }
};
#endif

// Lanes of kCount vectors in turn: lane 0 of each, then lane 1 of each, … .
template <class T, int... kI>
POOL_INLINE Vec<T> low_in_turn(Vec<T> a, Vec<T> b, Indices<kI...>) {
  return __builtin_shufflevector(a, b, (kI / 2 + kI % 2 * kLanes<T>)...);
}
template <class T, int... kI>
POOL_INLINE Vec<T> high_in_turn(Vec<T> a, Vec<T> b, Indices<kI...>) {
  return __builtin_shufflevector(a, b, (kLanes<T> / 2 + kI / 2 + kI % 2 * kLanes<T>)...);
}
template <class T, int kCount>
POOL_INLINE void interleave(Vec<T>* a) {
  Vec<T> b[kCount];
#pragma GCC unroll 4
  for (int done = 1; done < kCount; done *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < kCount / 2; ++i) {
      b[2 * i] = low_in_turn<T>(a[i], a[i + kCount / 2], LaneIndices<T>{});
      b[2 * i + 1] = high_in_turn<T>(a[i], a[i + kCount / 2], LaneIndices<T>{});
    }
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) a[i] = b[i];
  }
}

POOL_END
