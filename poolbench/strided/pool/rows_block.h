// The part of a plan that the rows engine has in hand, and the scratch memory that it works in.
//
// A row of values has `inner` values for each position along w. Positions outside the input hold the neutral value, so
// that windows need no bounds.
#pragma once

#include "pool/rows_layout.h"

POOL_BEGIN

template <class O>
struct RowsBlock {
  using Value = typename O::Value;
  using Layout = RowsLayout<O>;
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kN = O::kCount;

  RowsBlock(const Plan& plan, char* scratch)
      : p(plan), first(asks(plan) && plan.d.window > 1 && plan.d.stride > 1), last(asks(plan)) {
    l.choose(plan);
    Value* next = reinterpret_cast<Value*>(scratch);
    const std::int64_t band_values = l.band * l.pitch + l.slack(p);
    if (l.fetch) {
      fetched = next;
      next += l.fetched * l.pitch + l.slack(p);
    }
    if (l.scan_h) {
      suffix = next;
      next += l.fetched * l.pitch;
    }
    if (l.fetch && l.shares_rows(p)) {
      band = fetched;
    } else if (!l.direct) {
      band = next;
      next += band_values;
    }
    if (l.fold_w && !O::kIsMax) {
      sums = next;
      next += band_values;
    }
    if (p.counts_w) {
      factors = next;
      next += Layout::round_up(l.columns);
    }
    if (l.flush || l.stream) flushed = reinterpret_cast<char*>(next);
    if (!p.h.adaptive()) p.h.inside(inside_begin, inside_end);
  }

  // The columns from output q on.
  void begin_columns(std::int64_t q) {
    column0 = q;
    columns = std::min(l.columns, p.w.windows - q);
    if (p.w.adaptive()) {
      const Axis::Taps last = p.w.taps(q + columns - 1);
      begin = p.w.taps(q).first;
      end = last.first + last.count;
    } else {
      begin = q * p.w.stride - p.w.lo;
      end = (q + columns - 1) * p.w.stride - p.w.lo + (p.w.window - 1) * p.w.dilation + 1;
    }
    from = std::min(std::max<std::int64_t>(begin, 0), p.w.positions);
    to = std::max(std::min(end, p.w.positions), from);
    if (p.counts_w) {
      for (std::int64_t o = 0; o < columns; ++o) factors[o] = static_cast<Value>(p.factor(p.w, q + o));
      // What is behind the last output is computed too, and garbage is slow.
      std::fill(factors + columns, factors + Layout::round_up(columns), Value{1});
    }
    padded = false;
  }

  // Gives the margins of scratch rows, which are outside the input, the neutral value.
  void pad(Value* rows, std::int64_t count) {
    if (padded && !l.fold_w && !l.fetch) return;
    const std::int64_t left = (from - begin) * inner, right = (to - begin) * inner;
    for (std::int64_t r = 0; r < count; ++r) {
      Value* row = rows + r * l.pitch;
      fill(row, left);
      fill(row + right, l.pitch - right);
    }
    if (l.fold_w || l.fetch) fill(rows + count * l.pitch, l.slack(p));
    // The other rows of a band are as wide; a shorter band may come first.
    padded = count == l.band;
  }

  static void fill(Value* at, std::int64_t n) {
    const VecFor<O> nothing = O::neutral();
    for (; n >= kN; n -= kN, at += kN) store_vec<Value>(at, nothing);
    if (n > 0) isa::store_part<Value>(at, nothing, static_cast<int>(n));
  }

  static const char* bytes_of(const Value* at) { return reinterpret_cast<const char*>(at); }

  Value scalar_factor(std::int64_t oh) const {
    if constexpr (O::kIsMax) return Value{};
    return static_cast<Value>(p.counts_h ? plane_factor * p.factor(p.h, oh) : plane_factor);
  }

  VecFor<O> factor_of(std::int64_t oh) const { return fill_vec<Value>(scalar_factor(oh)); }

  // Where output row `oh` is written to: its place, or scratch from which it is scattered.
  char* row_out(std::int64_t oh) const { return l.flush ? flushed : out + oh * p.h.out_step + column0 * p.w.out_step; }

  // Moves a row from scratch to where its elements belong.
  void scatter(std::int64_t oh) const {
    char* place = out + oh * p.h.out_step + column0 * p.w.out_step + inner0 * p.inner_out_step;
    const char* own = flushed;
    for (std::int64_t o = 0; o < columns; ++o, place += p.w.out_step) {
      for (std::int64_t c = 0; c < inner; ++c, own += kSize) __builtin_memcpy(place + c * p.inner_out_step, own, kSize);
    }
  }

  static bool asks(const Plan& p) { return input_bytes(p, kSize) >= kAskedBytes; }

  const Plan& p;
  mutable Ahead first, last;  // where the rows of windows are read
  Layout l;
  Value *fetched = nullptr, *suffix = nullptr, *band = nullptr, *sums = nullptr, *factors = nullptr;
  char* flushed = nullptr;

  // The plane in hand.
  const char* in = nullptr;
  char* out = nullptr;
  Axis::Taps d{};
  double plane_factor = 1;
  std::int64_t window_rows = 0;     // input rows of a window that lies inside, along d and h
  const char* at_top[kMostRows];    // and where they are for a window that begins with row 0
  std::int64_t inside_begin = 0, inside_end = 0;

  // The block in hand: output rows [row0, row0 + rows) × columns [column0, …) × inner elements [inner0, …).
  std::int64_t row0 = 0, rows = 0, column0 = 0, columns = 0, inner0 = 0, inner = 1;
  std::int64_t begin = 0, end = 0;  // along w, positions that are read, padding included
  std::int64_t from = 0, to = 0;    // those of them that lie in the input
  std::int64_t fetched0 = 0, fetched_rows = 0;
  bool padded = false;
};

POOL_END
