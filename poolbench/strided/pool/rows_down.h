// The rows engine along d and h: the input rows that an output row reads become one row of values, or, where nothing
// needs doing along w, of the output.
#pragma once

#include "pool/rows_block.h"

POOL_BEGIN

template <class O>
struct RowsDown {
  using Block = RowsBlock<O>;
  using Value = typename O::Value;
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kValue = sizeof(Value);
  static constexpr std::int64_t kN = O::kCount;

  // A band straight from the input: the rows that are alike at once, the others one by one.
  static void combine_band(const Block& b) {
    Value* to = b.band + (b.from - b.begin) * b.inner;
    const std::int64_t begin = std::clamp(b.inside_begin - b.row0, std::int64_t{0}, b.rows);
    const std::int64_t end = std::clamp(b.inside_end - b.row0, begin, b.rows);
    const bool alike = b.window_rows > 0 && b.window_rows <= 16 && end > begin;
    for (std::int64_t r = 0; r < b.rows; ++r) {
      if (alike && r == begin) {
        combine_alike(b, begin, end, to);
        r = end - 1;
      } else {
        combine_input(b, b.row0 + r, to + r * b.l.pitch);
      }
    }
  }

  // A row of the output straight from the input, where nothing needs doing along w.
  static void straight(const Block& b, std::int64_t r) {
    const Plan& p = b.p;
    const std::int64_t oh = b.row0 + r;
    const Axis::Taps h = p.h.taps(oh);
    ToOutput<O> sink{b.row_out(oh), b.factor_of(oh)};
    if (b.d.count * h.count <= kMostRows) {
      combine_taps(b, oh, sink, sink);
    } else {
      // A window with so many rows is added up in a few steps of a vector's width.
      straight_tall(b, h, sink);
    }
    if (b.l.flush) b.scatter(oh);
  }

  // Brings the input rows of a band into scratch: packed, padded, and combined along d.
  static void fetch(Block& b) {
    const Plan& p = b.p;
    b.fetched0 = p.h.adaptive() ? p.h.taps(b.row0).first : b.row0 * p.h.stride - p.h.lo;
    const Axis::Taps end = p.h.taps(b.row0 + b.rows - 1);
    b.fetched_rows = p.h.adaptive() ? end.first + end.count - b.fetched0
                                    : (b.rows - 1) * p.h.stride + (p.h.window - 1) * p.h.dilation + 1;
    b.pad(b.fetched, b.fetched_rows);
    const std::int64_t left = (b.from - b.begin) * b.inner;
    for (std::int64_t r = 0; r < b.fetched_rows; ++r) {
      Value* row = b.fetched + r * b.l.pitch + left;
      const std::int64_t ih = b.fetched0 + r;
      if (ih < 0 || ih >= p.h.positions || b.d.count == 0) {
        Block::fill(row, (b.to - b.from) * b.inner);
        continue;
      }
      const char* at = b.in + b.d.first * p.d.in_step + ih * p.h.in_step + b.from * p.w.in_step +
                       b.inner0 * p.inner_in_step;
      for (std::int64_t i = 0; i < b.d.count; ++i, at += p.d.dilation * p.d.in_step) fetch_row(b, at, row, i == 0);
    }
    if (b.l.scan_h) scan(b);
  }

  // A band of the fetched rows, combined along h.
  static void combine_fetched(const Block& b) {
    const char* rows[kMostRows];
    for (std::int64_t r = 0; r < b.rows; ++r) {
      ToValues<O> fresh{b.band + r * b.l.pitch};
      std::int64_t count = list_fetched(b, r, rows, kMostRows, 0);
      if (count == 0) {
        combine_nothing<O>(b.l.pitch, fresh);
        continue;
      }
      combine_rows<OnValues<O>>(rows, count, b.l.pitch, fresh);
      IntoValues<O> more{b.band + r * b.l.pitch};
      for (std::int64_t done = count; !b.l.scan_h && count == kMostRows; done += count) {
        count = list_fetched(b, r, rows, kMostRows, done);
        if (count > 0) combine_rows<OnValues<O>>(rows, count, b.l.pitch, more);
      }
    }
    if (b.l.fold_w) Block::fill(b.band + b.rows * b.l.pitch, b.l.slack(b.p));
  }

  // A row of the output from the fetched rows, where nothing needs doing along w.
  static void straight_from_fetched(const Block& b, std::int64_t r) {
    const std::int64_t oh = b.row0 + r;
    ToOutput<O> sink{b.row_out(oh), b.factor_of(oh)};
    const char* rows[kMostRows];
    const std::int64_t n = b.columns * b.inner;
    std::int64_t count = list_fetched(b, r, rows, kMostRows, 0);
    if (count == 0) {
      combine_nothing<O>(n, sink);
    } else if (count < kMostRows) {
      combine_rows<OnValues<O>>(rows, count, n, sink);
    } else {
      // So many rows are summed a vector at a time, listed anew for each: rare, and no row may be written to.
      for (std::int64_t x = 0; x < n; x += kN) {
        const int now = static_cast<int>(std::min<std::int64_t>(n - x, kN));
        VecFor<O> sum = O::neutral();
        for (std::int64_t done = 0;; done += count) {
          count = list_fetched(b, r, rows, kMostRows, done);
          for (std::int64_t i = 0; i < count; ++i) sum = O::combine(sum, load_vec<Value>(rows[i] + x * kValue));
          if (count < kMostRows) break;
        }
        sink.part(x, sum, now);
      }
    }
    if (b.l.flush) b.scatter(oh);
  }

 private:
  // ---- From the input itself

  static void combine_alike(const Block& b, std::int64_t begin, std::int64_t end, Value* to) {
    const char* rows[16];
    list_inside(b, b.row0 + begin, rows);
    const std::int64_t n = (b.to - b.from) * b.inner, step = b.p.h.stride * b.p.h.in_step;
    to += begin * b.l.pitch;
    switch (b.window_rows) {
      case 1: combine_times<O, 1>(rows, 1, n, end - begin, step, to, b.l.pitch, b.first, b.last); break;
      case 2: combine_times<O, 2>(rows, 2, n, end - begin, step, to, b.l.pitch, b.first, b.last); break;
      case 3: combine_times<O, 3>(rows, 3, n, end - begin, step, to, b.l.pitch, b.first, b.last); break;
      default: combine_times<O, 0>(rows, b.window_rows, n, end - begin, step, to, b.l.pitch, b.first, b.last);
    }
  }

  static void combine_input(const Block& b, std::int64_t oh, Value* to) {
    ToValues<O> fresh{to};
    IntoValues<O> more{to};
    combine_taps(b, oh, fresh, more);
  }

  // Combines all input rows that output row `oh` reads, columns [b.from, b.to), into `sink`.
  template <class Sink, class More>
  static void combine_taps(const Block& b, std::int64_t oh, Sink& sink, More& more) {
    const Plan& p = b.p;
    const std::int64_t n = (b.to - b.from) * b.inner;
    const char* rows[kMostRows];
    if (oh >= b.inside_begin && oh < b.inside_end && b.window_rows > 0 && b.window_rows <= kMostRows) {
      list_inside(b, oh, rows);
      combine_rows<O>(rows, b.window_rows, n, sink);
      return;
    }
    const WindowRows window(p, b.in + b.from * p.w.in_step, b.d, p.h.taps(oh));
    const std::int64_t count = window.count();
    if (count <= kMostRows) {
      if (count == 0) {
        combine_nothing<O>(n, sink);
      } else {
        window.list(rows);
        combine_rows<O>(rows, count, n, sink);
      }
      return;
    }
    for (std::int64_t first = 0; first < count; first += kMostRows) {
      const std::int64_t now = std::min<std::int64_t>(kMostRows, count - first);
      window.list(rows, first, now);
      if (first == 0) {
        combine_rows<O>(rows, now, n, sink);
      } else {
        combine_rows<O>(rows, now, n, more);
      }
    }
  }

  // The input rows of the window of output row `oh`, which lies inside the input, from column b.from on.
  static POOL_INLINE void list_inside(const Block& b, std::int64_t oh, const char** rows) {
    const Plan& p = b.p;
    const std::int64_t moved = b.from * p.w.in_step + (oh * p.h.stride - p.h.lo) * p.h.in_step;
    for (std::int64_t i = 0; i < b.window_rows; ++i) rows[i] = b.at_top[i] + moved;
  }

  static void straight_tall(const Block& b, Axis::Taps h, ToOutput<O>& sink) {
    const std::int64_t n = (b.to - b.from) * b.inner;
    constexpr std::int64_t kWidth = 4;  // vectors
    WindowRows window(b.p, b.in + b.from * b.p.w.in_step, b.d, h);
    const std::int64_t count = window.count();
    for (std::int64_t x = 0; x < n; x += kWidth * kN, window.first += kWidth * kN * kSize) {
      alignas(64) Value sums[kWidth * kN];
      const std::int64_t now = std::min(n - x, kWidth * kN);
      const char* rows[kMostRows];
      for (std::int64_t first = 0; first < count; first += kMostRows) {
        const std::int64_t taken = std::min<std::int64_t>(kMostRows, count - first);
        window.list(rows, first, taken);
        if (first == 0) {
          ToValues<O> fresh{sums};
          combine_rows<O>(rows, taken, now, fresh);
        } else {
          IntoValues<O> more{sums};
          combine_rows<O>(rows, taken, now, more);
        }
      }
      const char* all = reinterpret_cast<const char*>(sums);
      ToOutput<O> to{sink.at + x * kSize, sink.factor};
      combine_rows<OnValues<O>>(&all, 1, now, to);
    }
  }

  // ---- Through scratch

  static void fetch_row(const Block& b, const char* at, Value* to, bool first) {
    const Plan& p = b.p;
    const std::int64_t n = b.to - b.from;
    const bool inner_touches = b.inner == 1 || p.inner_in_step == kSize;
    if (inner_touches && p.w.in_step == b.inner * kSize) {
      fetch_run(at, to, n * b.inner, first);
    } else if (inner_touches && b.inner > 1) {
      for (std::int64_t x = 0; x < n; ++x) fetch_run(at + x * p.w.in_step, to + x * b.inner, b.inner, first);
    } else {
      for (std::int64_t x = 0; x < n; ++x) {
        for (std::int64_t c = 0; c < b.inner; ++c) {
          const Value value = O::load_one(at + x * p.w.in_step + c * p.inner_in_step);
          Value& known = to[x * b.inner + c];
          known = first ? value : O::one(known, value);
        }
      }
    }
  }

  static void fetch_run(const char* at, Value* to, std::int64_t n, bool first) {
    if (first) {
      ToValues<O> fresh{to};
      combine_rows<O>(&at, 1, n, fresh);
    } else {
      IntoValues<O> more{to};
      combine_rows<O>(&at, 1, n, more);
    }
  }

  // Windows of stride 1 along h at a cost that does not grow with them (M. van Herk, 1992; J. Gil, M. Werman, 1993):
  // rows are cut into blocks as long as the window; a window is the end of one block and the beginning of the next.
  // Leaves the running beginnings in `b.fetched` and the running ends in `b.suffix`.
  static void scan(const Block& b) {
    const std::int64_t k = b.p.h.window, n = b.l.pitch, phase = phase_of(b);
    for (std::int64_t r = b.fetched_rows - 1; r >= 0; --r) {
      const Value* row = b.fetched + r * n;
      Value* to = b.suffix + r * n;
      const bool last = (phase + r) % k == k - 1 || r == b.fetched_rows - 1;
      for (std::int64_t x = 0; x < n; x += kN) {
        const VecFor<O> own = load_vec<Value>(row + x);
        store_vec<Value>(to + x, last ? own : O::combine(load_vec<Value>(to + n + x), own));
      }
    }
    for (std::int64_t r = 1; r < b.fetched_rows; ++r) {
      if ((phase + r) % k == 0) continue;
      Value* row = b.fetched + r * n;
      for (std::int64_t x = 0; x < n; x += kN) {
        store_vec<Value>(row + x, O::combine(load_vec<Value>(row - n + x), load_vec<Value>(row + x)));
      }
    }
  }

  // Which row of its block the first of the fetched rows is. Blocks begin at the same rows of a plane wherever a band does:
  // so what a window comes to does not depend on how the rows are shared among threads.
  static std::int64_t phase_of(const Block& b) {
    const std::int64_t k = b.p.h.window, rest = b.fetched0 % k;
    return rest < 0 ? rest + k : rest;
  }

  // The fetched rows that output row r of the band combines.
  static std::int64_t list_fetched(const Block& b, std::int64_t r, const char** rows, std::int64_t most,
                                   std::int64_t skip) {
    const Plan& p = b.p;
    const std::int64_t oh = b.row0 + r;
    if (b.l.scan_h) {
      const std::int64_t first = oh - p.h.lo - b.fetched0;
      rows[0] = Block::bytes_of(b.suffix + first * b.l.pitch);
      if ((phase_of(b) + first) % p.h.window == 0) return 1;
      rows[1] = Block::bytes_of(b.fetched + (first + p.h.window - 1) * b.l.pitch);
      return 2;
    }
    const Axis::Taps h = p.h.taps(oh);
    std::int64_t count = 0;
    for (std::int64_t j = skip; j < h.count && count < most; ++j) {
      rows[count++] = Block::bytes_of(b.fetched + (h.first + j * p.h.dilation - b.fetched0) * b.l.pitch);
    }
    return count;
  }
};

POOL_END
