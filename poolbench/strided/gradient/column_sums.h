// Gradients of averages whose windows reach over three neighbours along w, with stride 1 and the channels innermost.
// Each window is read once: what those above each other come to is kept in registers for the three positions that need
// it. Nine reads a position become three.
#pragma once

#include "gradient/reads.h"

POOL_BEGIN

template <class S>
struct ColumnSums {
  using E = Elements<S>;
  using V = typename E::Value;
  static constexpr int kN = E::kCount;
  static constexpr int kWindow = 3, kMostRows = 3;  // of windows that read a position, along w and along the other axes

  // Whether it is worth it for `n` channels. Large arrays are asked for ahead of time in the order in which they lie,
  // which is not the order here.
  static bool fits(const Plan& p, int rows, std::int64_t n) {
    return p.w.stride == 1 && p.w.window == kWindow && p.w.dilation == 1 && rows >= 1 && rows <= kMostRows &&
           n % kN == 0 && !asks_ahead<S>(p) && !is_large<S>(p);
  }

  // A row of windows: the first one that the first position reads, and what all of them are multiplied by.
  struct Row {
    const char* values;
    V factor;
  };

  // As many positions of a row as `count`.
  static POOL_INLINE void positions(const Plan& p, const Row* rows, int rows_count, char* to, std::int64_t n,
                                    std::int64_t count) {
    switch (rows_count) {
      case 1: channels<1>(p, rows, to, n, count); break;
      case 2: channels<2>(p, rows, to, n, count); break;
      default: channels<kMostRows>(p, rows, to, n, count);
    }
  }

 private:
  template <int kRows>
  static __attribute__((noinline)) void channels(const Plan& p, const Row* rows, char* to, std::int64_t n,
                                                 std::int64_t count) {
    std::int64_t x = 0;
    for (; x + 4 * kN <= n; x += 4 * kN) along<kRows, 4>(p, rows, to, x, count);
    if (x + 2 * kN <= n) {
      along<kRows, 2>(p, rows, to, x, count);
      x += 2 * kN;
    }
    if (x < n) along<kRows, 1>(p, rows, to, x, count);
  }

  template <int kRows, int kVectors>
  static POOL_INLINE void along(const Plan& p, const Row* rows, char* to, std::int64_t x, std::int64_t count) {
    const char* at[kRows];
    Vec<V> factors[kRows];
#pragma GCC unroll 3
    for (int i = 0; i < kRows; ++i) {
      at[i] = rows[i].values + x * E::kSize;
      factors[i] = fill_vec<V>(rows[i].factor);
    }
    const std::int64_t in_step = p.w.in_step, out_step = p.w.out_step;
    to += x * E::kSize;
    Vec<V> before[kVectors], last[kVectors], fresh[kVectors];
    column<kRows>(at, factors, in_step, before);
    column<kRows>(at, factors, in_step, last);
    for (std::int64_t i = 0; i < count; ++i, to += out_step) {
      column<kRows>(at, factors, in_step, fresh);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        E::store(to + v * kN * E::kSize, before[v] + last[v] + fresh[v]);
        before[v] = last[v];
        last[v] = fresh[v];
      }
    }
  }

  // What the windows above each other come to, and on to the next ones.
  template <int kRows, int kVectors>
  static POOL_INLINE void column(const char* (&at)[kRows], const Vec<V> (&factors)[kRows], std::int64_t in_step,
                                 Vec<V> (&sums)[kVectors]) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[v] = E::load(at[0] + v * kN * E::kSize) * factors[0];
#pragma GCC unroll 3
    for (int i = 1; i < kRows; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) sums[v] += E::load(at[i] + v * kN * E::kSize) * factors[i];
    }
#pragma GCC unroll 3
    for (int i = 0; i < kRows; ++i) at[i] += in_step;
  }
};

POOL_END
