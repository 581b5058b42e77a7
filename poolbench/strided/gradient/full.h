// Gradients of windows that are whole rows: global pooling of contiguous planes.
#pragma once

#include "simd/whole_rows.h"

POOL_BEGIN

constexpr std::int64_t kPiece = 2048;  // elements of a gradient's row that are written at once

// n elements alike. With vectors for zeros, too: what GCC makes of a memset took seven times as long, on a processor
// of Intel's, before a sink that streams, which reads again as vectors what has not arrived in memory yet.
template <class E>
static __attribute__((noinline)) void fill_row(char* to, std::int64_t n, Vec<typename E::Value> value) {
  std::int64_t x = 0;
  for (; x + E::kCount <= n; x += E::kCount) E::store(to + x * E::kSize, value);
  if (x < n) E::store_part(to + x * E::kSize, value, static_cast<int>(n - x));
}

// The gradient of that maximum: nothing but for one element.
template <class S>
struct PutFull {
  static constexpr const char* kName = "put_full";
  static constexpr const char* kTakes = "what keep/full takes: zeros and one element";
  static constexpr const char* kCost = "1";
  using E = Elements<S>;
  using V = typename E::Value;

  static bool fits(const Plan& p) { return windows_are_rows<S>(p) && p.d.stride == 1 && p.h.stride == 1; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * p.h.positions; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    RowSink sink(contiguous_bytes<S>(p), true);
    WholeRow row(p, first);
    for (std::int64_t unit = first; unit < last; ++unit, row.next()) {
      char* const to = p.out + row.positions;
      const std::int64_t place = load_offset(p.offsets + row.offset, p.offset_size);
      // Adding to nothing, as wherever windows overlap: it makes a zero of a zero that has a sign.
      const V value = 0 + E::get(p.in + row.window);
      for (std::int64_t x = 0; x < p.w.positions; x += kPiece) {
        const std::int64_t n = std::min(kPiece, p.w.positions - x);
        char* const piece = sink.at(to + x * E::kSize, n * E::kSize);
        fill_row<E>(piece, n, Vec<V>{});
        if (place >= x && place < x + n) E::put(piece + (place - x) * E::kSize, value);
      }
    }
  }
};

// The gradient of an average that each element of a row gets alike.
template <class S>
struct SpreadFull {
  static constexpr const char* kName = "spread_full";
  static constexpr const char* kTakes = "windows that are whole contiguous rows: one number, all along";
  static constexpr const char* kCost = "1";
  using E = Elements<S>;
  using V = typename E::Value;
  static constexpr int kN = E::kCount;

  static bool fits(const Plan& p) { return windows_are_rows<S>(p) && p.d.stride == 1 && p.h.stride == 1; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * p.h.positions; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    RowSink sink(contiguous_bytes<S>(p), true);
    const std::int64_t bytes = contiguous_bytes<S>(p);
    const bool plain = bytes < kAskedBytes || (bytes < kStreamedBytes && p.w.positions * E::kSize < 256);
    const double along_w = p.counts_w ? p.factor(p.w, 0) : 1.0;
    const bool alike = !p.counts_d && !p.counts_h;
    V factor = static_cast<V>(p.scale * along_w);
    WholeRow row(p, first);
    for (std::int64_t unit = first; unit < last; ++unit, row.next()) {
      if (!alike) factor = static_cast<V>(p.row_factor(row.d(), row.h()) * along_w);
      const V value = E::get(p.in + row.window);
      const Vec<V> all = fill_vec<V>(value * factor);
      char* const to = p.out + row.positions;
      if (plain) {
        fill_row<E>(to, p.w.positions, all);
        continue;
      }
      for (std::int64_t x = 0; x < p.w.positions; x += kPiece) {
        const std::int64_t n = std::min(kPiece, p.w.positions - x);
        fill_row<E>(sink.at(to + x * E::kSize, n * E::kSize), n, all);
      }
    }
  }
};

POOL_END
