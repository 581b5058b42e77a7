// Pooling row by row, separably: rows of the input are combined into one row of values in a small scratch buffer,
// several output rows at a time (a band), and then neighbours within each row. Takes any strides.
#pragma once

#include "pool/rows_across.h"
#include "pool/rows_down.h"

POOL_BEGIN

template <class O>
struct Rows {
  using Block = RowsBlock<O>;
  using Down = RowsDown<O>;
  using Across = RowsAcross<O>;
  static constexpr const char* kName = "rows";
  static constexpr const char* kTakes = "rows of any strides: along h and d in scratch, then along w";
  static constexpr const char* kCost = "kd·kh + kw; about 3 for kh and log₂ for kw where they are large";

  static bool fits(const Plan& p) {
    RowsLayout<O> layout;
    return layout.choose(p);
  }

  static std::int64_t units(const Plan& p) { return plane_count(p) * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    alignas(64) char scratch[kScratchBytes];
    Block b(p, scratch);
    while (first < last) {
      const std::int64_t oh = first % p.h.windows;
      const std::int64_t rows = std::min(last - first, p.h.windows - oh);
      const Plane plane = plane_at(p, first / p.h.windows);
      b.in = plane.in;
      b.out = plane.out;
      rows_of_plane(b, plane.od, oh, oh + rows);
      first += rows;
    }
    if (b.l.stream) finish_streams();
  }

 private:
  static void rows_of_plane(Block& b, std::int64_t od, std::int64_t first, std::int64_t last) {
    const Plan& p = b.p;
    b.d = p.d.taps(od);
    b.window_rows = p.h.adaptive() ? kMostRows + 1 : b.d.count * p.h.window;
    if (b.window_rows <= kMostRows) WindowRows(p, b.in, b.d, {0, p.h.window}).list(b.at_top);
    b.plane_factor = p.counts_d ? p.scale * p.factor(p.d, od) : p.scale;
    for (std::int64_t band = first; band < last; band += b.l.band) {
      b.row0 = band;
      b.rows = std::min(b.l.band, last - band);
      for (std::int64_t q = 0; q < p.w.windows; q += b.l.columns) {
        if (q != b.column0 || b.columns == 0) b.begin_columns(q);
        for (b.inner0 = 0; b.inner0 < p.inner; b.inner0 += b.l.inner) {
          b.inner = std::min(b.l.inner, p.inner - b.inner0);
          block(b);
        }
      }
    }
  }

  static void block(Block& b) {
    if (b.l.fetch) Down::fetch(b);
    if (b.l.direct && !b.l.fetch) {
      for (std::int64_t r = 0; r < b.rows; ++r) Down::straight(b, r);
      return;
    }
    if (b.l.direct) {
      for (std::int64_t r = 0; r < b.rows; ++r) Down::straight_from_fetched(b, r);
      return;
    }
    if (!b.l.fetch) {
      if (Across::from_input(b)) return;
      b.pad(b.band, b.rows);
      Down::combine_band(b);
    } else if (b.band != b.fetched) {
      Down::combine_fetched(b);
    }
    Across::from_band(b);
  }
};

POOL_END
