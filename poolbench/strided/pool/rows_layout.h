// How the rows engine cuts a plan so that a band fits into its scratch memory.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

// How much scratch memory a thread has.
constexpr std::int64_t kScratchBytes = 60 << 10;

template <class O>
struct RowsLayout {
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kValue = sizeof(typename O::Value);
  static constexpr std::int64_t kN = O::kCount;

  std::int64_t columns = 0;     // outputs along w in one block
  std::int64_t inner = 0;       // inner elements in one block
  std::int64_t band = 0;        // output rows in one band
  std::int64_t pitch = 0;       // values from one scratch row to the next
  std::int64_t fetched = 0;     // input rows that a full band needs, where they are fetched into scratch first
  bool fetch = false;           // rows are first brought into scratch: packed, and combined along d
  bool scan_h = false;          // windows along h by running maxima or sums, in blocks
  bool fold_w = false;          // windows along w by doubling
  bool direct = false;          // rows need nothing done along w: they go straight to the output
  bool flush = false;           // the output is not contiguous: rows are written to scratch, then scattered
  bool stream = false;          // a band's outputs are written to scratch, then to memory around the caches

  static std::int64_t round_up(std::int64_t n) { return (n + kN - 1) / kN * kN; }

  // Positions along the axis that `outputs` outputs next to each other read, at most.
  static std::int64_t span(const Axis& axis, std::int64_t outputs) {
    if (axis.adaptive()) return std::min(axis.positions, outputs * axis.most_taps() + 1);
    return (outputs - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1;
  }

  bool choose(const Plan& p) {
    const bool contiguous_in = p.w.in_step == p.inner * kSize && (p.inner == 1 || p.inner_in_step == kSize);
    const bool contiguous_out = p.w.out_step == p.inner * kSize && (p.inner == 1 || p.inner_out_step == kSize);
    const bool wide_h = !p.h.adaptive() && p.h.windows > 1;
    scan_h = wide_h && p.h.stride == 1 && p.h.dilation == 1 && p.h.window >= 7;
    const std::int64_t d_taps = p.d.adaptive() ? 1 : std::min(p.d.window, p.d.positions);
    const bool shares_d = d_taps > 1 && wide_h && p.h.window > p.h.stride && d_taps * p.h.window > 12;
    direct = is_identity(p.w);
    fold_w = !p.w.adaptive() && (p.w.window > 8 || (p.w.window > 4 && p.w.stride > 4));
    // What a band reads should stay in the nearest cache.
    const std::int64_t row_bytes =
        p.w.positions * p.inner * kSize * (p.h.adaptive() ? p.h.positions / p.h.windows + 1 : p.h.stride);
    const std::int64_t most_rows = std::clamp<std::int64_t>((32 << 10) / row_bytes, 4, 32);
    for (inner = p.inner; inner > 0; inner = inner > kN ? round_up(inner / 2) : 0) {
      const bool whole = inner == p.inner;
      fetch = scan_h || shares_d || !(contiguous_in && whole);
      flush = !(contiguous_out && whole);
      for (columns = p.w.windows; columns > 0; columns = columns > 4 * kN ? round_up(columns / 2) : columns / 2) {
        stream = !flush && columns == p.w.windows && streams(p);
        pitch = pitch_of(p);
        if (pitch > kScratchBytes) continue;  // what follows multiplies it
        for (band = std::min(p.h.windows, most_rows); band > 0; band /= 2) {
          fetched = span(p.h, band);
          const bool enough = band >= 4 || band == p.h.windows || columns <= 4 * kN;
          const bool pays = !scan_h || band >= p.h.window / 2 || band == p.h.windows || columns <= 4 * kN;
          if (enough && pays && bytes(p) <= kScratchBytes) return true;
        }
      }
      if (inner <= kN) break;
    }
    return false;
  }

  // Whether the output is so large that it would only push the input out of the caches: then lines of it that are
  // written whole need not be read first.
  static bool streams(const Plan& p) {
    return kStreams && plane_count(p) * p.h.windows * p.w.windows * kSize >= kStreamedBytes && p.inner == 1 &&
           !p.w.adaptive() && p.w.stride <= 4 && !is_identity(p.w) && p.h.out_step == p.w.windows * kSize;
  }

  // Whether rows are the fastest of what takes long rows of small windows: where little is done for each of many outputs,
  // since the others do not write around the caches.
  static bool leads(const Plan& p) {
    if (kBytes != 64 || !streams(p) || !is_single(p.d) || p.h.adaptive()) return false;
    return p.h.stride == 1 && p.w.stride == 1 && p.h.window <= 3 && p.w.window <= 3 && p.h.windows >= 8 &&
           p.w.windows >= 3 * kN;
  }

  std::int64_t pitch_of(const Plan& p) const {
    const std::int64_t reach = span(p.w, columns) * inner;
    if (inner > 1 || p.w.adaptive() || p.w.stride > 4) return round_up(reach + kN);
    // Neighbours are loaded `stride` vectors at a time, also those behind the last output.
    return round_up(round_up(columns) * p.w.stride + (p.w.window - 1) * p.w.dilation + kN);
  }

  // Values behind a band that its last row's windows may reach.
  std::int64_t slack(const Plan& p) const {
    const std::int64_t reach = p.w.adaptive() ? 0 : (p.w.window - 1) * p.w.dilation * inner;
    return round_up(reach + kN);
  }

  std::int64_t bytes(const Plan& p) const {
    std::int64_t values = 0;
    const std::int64_t rows = band * pitch + slack(p);
    const bool shared = fetch && shares_rows(p);
    if (!shared && !direct) values += rows;
    if (fold_w && !O::kIsMax) values += rows;
    if (fetch) values += fetched * pitch + slack(p);
    if (scan_h) values += fetched * pitch;
    if (p.counts_w) values += round_up(columns);
    return values * kValue + (flush ? round_up(columns * inner) * kSize + 64 : 0) +
           (stream ? band * columns * kSize : 0) + 64;
  }

  // Whether the fetched rows are already what the band needs, without combining along h.
  bool shares_rows(const Plan& p) const {
    return !scan_h && !p.h.adaptive() && p.h.window == 1 && p.h.stride == 1;
  }
};

POOL_END
