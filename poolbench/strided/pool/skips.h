// Windows of one element with a stride along w alone: rows from which elements are left out. Each row is copied by whole
// vectors of outputs, the last of which overlaps with the one before it. For AVX-512 alone.
#pragma once

#include "simd/combine.h"
#include "simd/strides.h"

POOL_BEGIN

template <class O>
struct Skips {
  using Value = typename O::Value;
  static constexpr const char* kName = "skips";
  static constexpr const char* kTakes = "windows of one element with strides of 2 to 4 along w: rows of most of a vector of outputs and more";
  static constexpr const char* kCost = "1 for each vector that is read";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kN = O::kCount;
  static constexpr std::int64_t kLeastOfRow = kN * 3 / 4 + 1;  // outputs: fewer lie side by side in patches

  static bool fits(const Plan& p) {
    const Axis& w = p.w;
    return p.inner == 1 && w.in_step == kSize && w.out_step == kSize && w.window == 1 && w.lo == 0 && w.stride >= 2 &&
           w.stride <= 4 && w.windows >= kLeastOfRow && (w.windows - 1) * w.stride < w.positions && is_identity(p.h) &&
           is_identity(p.d);
  }
  static std::int64_t units(const Plan& p) { return plane_count(p) * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    switch (p.w.stride) {
      case 2: return all<2>(p, first, last);
      case 3: return all<3>(p, first, last);
      default: return all<4>(p, first, last);
    }
  }

 private:
  template <int kStride>
  static void all(const Plan& p, std::int64_t first, std::int64_t last) {
    Plane at = plane_at(p, first / p.h.windows);
    std::int64_t row = first % p.h.windows;
    while (first < last) {
      const std::int64_t rows = std::min(last - first, p.h.windows - row);
      const auto of = p.w.windows < kN ? copy_short<kStride> : copy<kStride>;
      of(p, at.in + (at.od * p.d.in_step + row * p.h.in_step), at.out + row * p.h.out_step, rows);
      first += rows;
      row = 0;
      next_plane(p, at);
    }
  }

  template <int kStride>
  static __attribute__((noinline)) void copy(const Plan& p, const char* in, char* out, std::int64_t rows) {
    const std::int64_t in_step = p.h.in_step, out_step = p.h.out_step, end = p.w.windows - kN;
    const Vec<Value> factor = fill_vec<Value>(static_cast<Value>(p.scale));
    // The last vector that is read may end behind the row.
    const std::int64_t there = (p.w.windows - 1) * kStride + 1 - (end * kStride + (kStride - 1) * kN);
    const std::uint64_t rest = first_lanes(static_cast<int>(there));
    for (std::int64_t r = 0; r < rows; ++r, in += in_step, out += out_step) {
      for (std::int64_t x = 0; x < end; x += kN) {
        Vec<Value> v[kStride];
#pragma GCC unroll 4
        for (int i = 0; i < kStride; ++i) v[i] = O::load(in + (x * kStride + i * kN) * kSize);
        put<kStride>(out + x * kSize, v, factor);
      }
      Vec<Value> v[kStride];
#pragma GCC unroll 4
      for (int i = 0; i < kStride - 1; ++i) v[i] = O::load(in + (end * kStride + i * kN) * kSize);
      v[kStride - 1] = O::load_some(in + (end * kStride + (kStride - 1) * kN) * kSize, rest);
      put<kStride>(out + end * kSize, v, factor);
    }
  }
  template <int kStride>
  static POOL_INLINE void put(char* at, Vec<Value> (&v)[kStride], Vec<Value> factor) {
    StridedLanes<Value, kStride>::part(v);
    O::store(at, v[0], factor);
  }

  // Rows of less than a vector of outputs.
  template <int kStride>
  static __attribute__((noinline)) void copy_short(const Plan& p, const char* in, char* out, std::int64_t rows) {
    const std::int64_t in_step = p.h.in_step, out_step = p.h.out_step, read = (p.w.windows - 1) * kStride + 1;
    const std::uint64_t stored = first_lanes(static_cast<int>(p.w.windows));
    const Vec<Value> factor = fill_vec<Value>(static_cast<Value>(p.scale));
    std::uint64_t masks[kStride];
    for (int i = 0; i < kStride; ++i) masks[i] = read > i * kN ? first_lanes(static_cast<int>(std::min(read - i * kN, kN))) : 0;
    // Where the next row begins behind this one, it writes over what whole vectors write beyond it.
    if (out_step == p.w.windows * kSize && in_step >= kStride * kN * kSize) {
      for (; rows > 1; --rows, in += in_step, out += out_step) {
        Vec<Value> v[kStride];
#pragma GCC unroll 4
        for (int i = 0; i < kStride; ++i) v[i] = O::load(in + i * kN * kSize);
        put<kStride>(out, v, factor);
      }
    }
    for (; rows > 0; --rows, in += in_step, out += out_step) {
      Vec<Value> v[kStride];
#pragma GCC unroll 4
      for (int i = 0; i < kStride; ++i) v[i] = O::load_some(in + i * kN * kSize, masks[i]);
      StridedLanes<Value, kStride>::part(v);
      O::store_masked(out, v[0], factor, stored);
    }
  }
};

POOL_END
