// What gradients over rows of any strides share. Each row of positions is done at once: the rows of windows that read it
// are packed into scratch memory, added up in row-major order, and written.
//
// Position x of a row is x + lo = j * stride + f. Which elements of windows it may be depends on the remainder f alone,
// and the windows that read it lie beside j: so for each remainder the windows are shifted and added as whole vectors.
#pragma once

#include "gradient/tables.h"

POOL_BEGIN

template <class S>
struct GradientRows {
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBand = 16;                 // rows of positions of a unit
  static constexpr std::int64_t kRing = 24576 / sizeof(V);  // values of the packed rows
  static constexpr std::int64_t kLine = 6144 / sizeof(V);   // values of a row of positions
  static constexpr std::int64_t kMostRows = 64;
  static constexpr std::int64_t kPiece = 256;  // elements that are written at once

  // Rows of positions that are done together. Long ones that share no windows are done one by one, as they lie.
  static std::int64_t together(const Plan& p, std::int64_t blocks) {
    return blocks > 1 && most_readers(p.h) == 1 && p.h.window == 1 ? 1 : kBand;
  }

  static std::int64_t slots(const Plan& p) { return most_readers(p.d) * most_readers(p.h); }
  static std::int64_t reach(const Axis& w) { return (w.window - 1) * w.dilation / w.stride; }

  // How many j a block has: what the scratch memory has room for.
  static std::int64_t block(const Plan& p) {
    if (slots(p) > kMostRows || p.w.stride > kLine / (2 * kN)) return 0;
    return std::min(kRing / slots(p) - reach(p.w) - 3 * kN, kLine / p.w.stride - kN) / kN * kN;
  }

  static std::int64_t bands(const Plan& p) { return (p.h.positions + kBand - 1) / kBand; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * bands(p); }

  // A row of windows that reads the row of positions in hand.
  struct Reader {
    std::int32_t od, oh, slot;
    std::int32_t base;  // the number of the window's first element in this row
  };

  // Lists them in row-major order.
  static int list(const Plan& p, const ReaderTable& table, std::int64_t id, std::int64_t ih, Reader* found) {
    const std::int64_t ring_d = most_readers(p.d), ring_h = most_readers(p.h);
    const Readers d = readers(p.d, id), h = table.at(ih);
    int count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, id);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        found[count++] = {static_cast<std::int32_t>(od), static_cast<std::int32_t>(oh),
                          static_cast<std::int32_t>((ring_d == 1 ? 0 : od % ring_d * ring_h) +
                                                    (ring_h == 1 ? 0 : oh % ring_h)),
                          static_cast<std::int32_t>((tap_d * p.window_h + tap_h) * p.window_w)};
      }
    }
    return count;
  }

  // The windows that a packed row holds: those from `first` on that exist, behind `before` that do not.
  struct Span {
    std::int64_t first, before, count, length;
  };
  static Span span_of(const Axis& w, std::int64_t j0, std::int64_t n) {
    Span span;
    const std::int64_t begin = j0 - reach(w);
    span.length = (n + kN - 1) / kN * kN + reach(w) + kN;
    span.first = std::max<std::int64_t>(begin, 0);
    span.before = span.first - begin;
    span.count = std::max<std::int64_t>(std::min(w.windows, j0 + n) - span.first, 0);
    return span;
  }

  static POOL_INLINE void clear(V* row, std::int64_t from, std::int64_t to) {
    std::int64_t x = from;
    for (; x + kN <= to; x += kN) store_vec<V>(row + x, Vec<V>{});
    for (; x < to; ++x) row[x] = 0;
  }

  // Puts sums[f * pitch + j] in the order of the row: into `line`, unless they are so already. Returns where they are.
  static const V* line_up(std::int64_t s, std::int64_t n, const V* sums, std::int64_t pitch, V* line) {
    if (s == 1) return sums;
    if (s == 2) {
      for (std::int64_t x = 0; x < n; x += kN) {
        const Vec<V> a = load_vec<V>(sums + x), b = load_vec<V>(sums + pitch + x);
        store_vec<V>(line + 2 * x, zip_low<V>(a, b, LaneIndices<V>{}));
        store_vec<V>(line + 2 * x + kN, zip_high<V>(a, b, LaneIndices<V>{}));
      }
    } else if (s == 4) {
      constexpr LaneIndices<V> kAll{};
      for (std::int64_t x = 0; x < n; x += kN) {
        const Vec<V> a = load_vec<V>(sums + x), b = load_vec<V>(sums + pitch + x);
        const Vec<V> c = load_vec<V>(sums + 2 * pitch + x), d = load_vec<V>(sums + 3 * pitch + x);
        const Vec<V> even = zip_low<V>(a, c, kAll), even_2 = zip_high<V>(a, c, kAll);
        const Vec<V> odd = zip_low<V>(b, d, kAll), odd_2 = zip_high<V>(b, d, kAll);
        store_vec<V>(line + 4 * x, zip_low<V>(even, odd, kAll));
        store_vec<V>(line + 4 * x + kN, zip_high<V>(even, odd, kAll));
        store_vec<V>(line + 4 * x + 2 * kN, zip_low<V>(even_2, odd_2, kAll));
        store_vec<V>(line + 4 * x + 3 * kN, zip_high<V>(even_2, odd_2, kAll));
      }
    } else if (s > 2) {
      for (std::int64_t f = 0; f < s; ++f) {
        for (std::int64_t x = 0; x < n; ++x) line[x * s + f] = sums[f * pitch + x];
      }
    }
    return line;
  }

  // Writes what a block of j has for a row of positions.
  static void write(const Axis& w, RowSink& sink, char* row, std::int64_t j0, std::int64_t n, const V* line) {
    const std::int64_t s = w.stride;
    const std::int64_t begin = std::max<std::int64_t>(j0 * s - w.lo, 0),
                       end = std::min(w.positions, (j0 + n) * s - w.lo);
    for (std::int64_t x = begin; x < end; x += kPiece) {
      const std::int64_t count = std::min(kPiece, end - x);
      write_row<S>(sink.at(row + x * w.out_step, count * E::kSize), w.out_step, count, line + (x + w.lo - j0 * s));
    }
  }
};

POOL_END
