// Gradients of small planes, where few windows read each position: each vector of positions, across the ends of
// rows, brings the windows that read it to its lanes. Which they are is worked out once for a call. Of a maximum a window
// counts where its offset is the number of the element; of an average each does, times its factor. For AVX-512 alone.
#pragma once

#include "simd/lanes.h"
#include "simd/permuted.h"
#include "simd/plane_walk.h"

POOL_BEGIN

template <class S, Op kOp>
struct GradientPatches {
  using L = MaskedLanes<S>;
  using V = typename L::V;
  using P = typename L::P;
  using Mask = typename L::Mask;
  using Lanes = Permuted<sizeof(V)>;
  static constexpr std::int64_t kN = L::kN, kSize = L::E::kSize;
  static constexpr bool kIsMax = kOp == Op::kMax;
  static constexpr const char* kName = kIsMax ? "gather_patches" : "spread_patches";
  static constexpr const char* kTakes =
      "small contiguous planes with up to two windows on an element, four where a vector holds all windows";
  static constexpr const char* kCost = "kd·kh·kw / stride";
  static constexpr std::int64_t kMostVectors = 96;  // of a plane
  static constexpr std::int64_t kMostWindows = 1 << 16;
  static constexpr std::int64_t kPositionsPerPlane = 8;  // more of them take as long to work out as all planes save
  static constexpr std::int64_t kMostReads = 2, kMostReadsOfFew = 4;  // windows that read one position
  static constexpr std::int64_t kMost = kMostReads * kMostVectors * kN;

  static bool fits(const Plan& p) {
    const Axis &d = p.d, &h = p.h, &w = p.w;
    if (p.inner != 1 || (kIsMax ? p.offset_size != 1 : !std::isfinite(p.scale))) return false;
    if (d.dilation > 1 || h.dilation > 1 || w.dilation > 1 || w.windows < 2) return false;
    if (is_adaptive(p) && d.windows * h.windows * w.windows > kN) return false;
    const std::int64_t positions = d.positions * h.positions * w.positions;
    if (positions > std::min(kMostVectors * kN, p.planes() * kPositionsPerPlane)) return false;
    if (reads(p) > kMostReads && !((w.adaptive() || w.stride > 1) && has_few_windows(p))) return false;
    if (d.windows > kMostWindows || h.windows > kMostWindows || d.windows * h.windows * w.windows > kMostWindows) return false;
    if (w.out_step != kSize || w.in_step != kSize || (kIsMax && w.offset_step != 1)) return false;
    if (!touches(h, w.positions, w.windows) || !touches(d, h.positions * w.positions, h.windows * w.windows)) return false;
    return sources(p) <= 2;
  }
  static std::int64_t units(const Plan& p) { return p.planes(); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const GradientPatches self(p);
    switch (self.reads_) {
      case 1: return self.template with_reads<1>(first, last);
      case 2: return self.template with_reads<2>(first, last);
      default: return self.template with_reads<4>(first, last);
    }
  }

 private:
  static bool is_adaptive(const Plan& p) { return p.d.adaptive() || p.h.adaptive() || p.w.adaptive(); }
  static std::int64_t reads(const Plan& p) { return most_readers(p.d) * most_readers(p.h) * most_readers(p.w); }
  static bool has_few_windows(const Plan& p) {
    return reads(p) <= kMostReadsOfFew && p.d.windows * p.h.windows * p.w.windows <= kN &&
           p.d.positions * p.h.positions * p.w.positions <= kMost / kMostReadsOfFew / 2;
  }
  static bool touches(const Axis& axis, std::int64_t positions, std::int64_t windows) {
    return (axis.positions == 1 || axis.out_step == positions * kSize) &&
           (axis.windows == 1 || (axis.in_step == windows * kSize && (!kIsMax || axis.offset_step == windows)));
  }
  // Vectors that hold all windows that one of positions may need.
  static std::int64_t sources(const Plan& p) {
    const std::int64_t rows = (kN + p.w.positions - 2) / p.w.positions + 1;
    const std::int64_t all = p.d.windows * p.h.windows * p.w.windows;
    if (p.d.positions > 1 || p.d.windows > 1 || is_adaptive(p)) return (all + kN - 1) / kN;
    const std::int64_t high = (rows - 1 + p.h.stride - 1) / p.h.stride + most_readers(p.h);
    // Two rows of positions have one row of windows in common, or those at the end of one and the beginning of the next.
    const std::int64_t ends = kN / p.w.stride + 2 * most_readers(p.w);
    const std::int64_t some = rows <= 2 && most_readers(p.h) == 1 ? std::max(p.w.windows, ends) : high * p.w.windows;
    return (std::min(some, all) + kN - 1) / kN;
  }

  // What a position asks of a window that reads it: its number there, or an average's factor.
  using Share = std::conditional_t<kIsMax, P, V>;
  // A vector of positions and one of the windows that read each: in which lane of the vector's sources it is, which begin
  // with window `first`, and the position's share there. Where none reads it, the number is below zero.
  struct Read {
    alignas(kBytes) Share shares[kN];
    std::uint16_t indices[kN];
    Mask there;
    std::int32_t first;
  };

  explicit GradientPatches(const Plan& plan)
      : p(plan), positions_(p.d.positions * p.h.positions * p.w.positions),
        windows_(p.d.windows * p.h.windows * p.w.windows), reads_(reads(p) <= kMostReads ? reads(p) : kMostReadsOfFew) {
    P windows[kMost], column[kMost];  // of each read of a position: which window it is, and what of that w decides
    Share shares[kMost];
    std::conditional_t<kIsMax, P, double> along[kMost];
    const std::int64_t across = most_readers(p.w), vectors = (positions_ + kN - 1) / kN, row = p.w.positions;
    for (std::int64_t x = 0; x < row; ++x) {
      const Readers w = readers(p.w, x);
      for (std::int64_t i = 0; i < across; ++i) {
        const std::int64_t o = w.first + i;
        column[i * row + x] = static_cast<P>(o <= w.last ? o : kNone);
        if constexpr (kIsMax) {
          along[i * row + x] = static_cast<P>(o <= w.last ? tap_at(p.w, o, x) : kNone);
        } else {
          along[i * row + x] = p.counts_w && o <= w.last ? p.factor(p.w, o) : 1.0;
        }
      }
    }
    for (std::int64_t x = 0; x < reads_ * vectors * kN; x += kN) {
      store_vec<P>(windows + x, fill_vec<P>(kNone));
      store_vec<Share>(shares + x, fill_vec<Share>(kIsMax ? Share(kNone) : Share(0)));
    }
    std::int64_t at = 0;
    for (std::int64_t z = 0; z < p.d.positions; ++z) {
      const Readers d = readers(p.d, z);
      for (std::int64_t y = 0; y < p.h.positions; ++y, at += row) {
        const Readers h = readers(p.h, y);
        std::int64_t to = at;
        for (std::int64_t od = d.first; od <= d.last; ++od) {
          for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
            const P window = static_cast<P>((od * p.h.windows + oh) * p.w.windows);
            const std::int64_t tap_d = tap_at(p.d, od, z), tap_h = tap_at(p.h, oh, y);
            const P base = static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w);
            const double factor = kIsMax ? 1.0 : p.row_factor(od, oh);
            for (std::int64_t i = 0; i < across; ++i, to += vectors * kN) {
              for (std::int64_t x = 0; x < row; ++x) windows[to + x] = window + column[i * row + x];
              for (std::int64_t x = 0; x < row; ++x) {
                shares[to + x] = static_cast<Share>(kIsMax ? base + along[i * row + x] : factor * along[i * row + x]);
              }
            }
          }
        }
      }
    }
    const std::int64_t held = sources(p) * kN;
    for (std::int64_t v = 0; v < vectors; ++v) find(v, vectors, windows, shares, held);
  }
  // Where no window reads a position, its number is less than any, and so is that of the window.
  static constexpr P kNone = -(P{1} << 20);

  void find(std::int64_t vector, std::int64_t vectors, const P* windows, const Share* shares, std::int64_t held) {
    P least = static_cast<P>(windows_);
    for (std::int64_t i = 0; i < reads_; ++i) {
      const P* const of = windows + (i * vectors + vector) * kN;
      for (std::int64_t x = 0; x < kN; ++x) least = of[x] >= 0 ? std::min(least, of[x]) : least;
    }
    const P first = static_cast<P>(std::max<std::int64_t>(std::min<std::int64_t>(least, windows_ - held), 0));
    for (std::int64_t i = 0; i < reads_; ++i) {
      const std::int64_t from = (i * vectors + vector) * kN;
      Read& read = all_[vector * reads_ + i];
      read.first = static_cast<std::int32_t>(first);
      read.there = 0;
      for (std::int64_t x = 0; x < kN; ++x) {
        read.there = static_cast<Mask>(read.there | static_cast<Mask>(windows[from + x] >= 0) << x);
        read.indices[x] = static_cast<std::uint16_t>(std::max<P>(windows[from + x] - first, 0));
      }
      store_vec<Share>(read.shares, load_vec<Share>(shares + from));
    }
  }

  template <int kReads>
  void with_reads(std::int64_t first, std::int64_t last) const {
    if constexpr (kReads > kMostReads) return planes<kReads, 1, true>(first, last);
    if (sources(p) == 1) {
      windows_ <= kN ? planes<kReads, 1, true>(first, last) : planes<kReads, 1, false>(first, last);
    } else {
      windows_ <= 2 * kN ? planes<kReads, 2, true>(first, last) : planes<kReads, 2, false>(first, last);
    }
  }

  // kAll: the sources hold all windows of a plane.
  template <int kReads, int kSources, bool kAll>
  void planes(std::int64_t first, std::int64_t last) const {
    Mask loads[kSources];
    for (int k = 0; k < kSources; ++k) loads[k] = L::within(k * kN, windows_);
    const std::int64_t whole = positions_ / kN;
    const Mask rest = L::within(whole * kN, positions_);
    PlaneRow at(p, first, 1, 1);
    for (; first < last; ++first, at.next(p, 1, 1)) {
      char* to = at.out;
      Vec<V> values[kSources];
      Vec<P> places[kSources];
      if (kAll) load<kSources, true>(at.in, at.offsets, loads, values, places);
      for (std::int64_t v = 0; v < whole; ++v, to += kN * kSize) {
        L::E::store(to, gather<kReads, kSources, kAll>(at, all_ + v * kReads, loads, values, places));
      }
      if (rest != 0) L::store(to, rest, gather<kReads, kSources, kAll>(at, all_ + whole * kReads, loads, values, places));
    }
  }
  template <int kSources, bool kMasked>
  static POOL_INLINE void load(const char* in, const char* offsets, const Mask* loads, Vec<V> (&values)[kSources],
                               Vec<P> (&places)[kSources]) {
#pragma GCC unroll 2
    for (int k = 0; k < kSources; ++k) {
      const char* const value = in + k * kN * kSize;
      values[k] = kMasked ? L::load(value, loads[k], Vec<V>{}) : L::E::load(value);
      if constexpr (!kIsMax) continue;
      const char* const place = offsets + k * kN;
      places[k] = kMasked ? (Vec<P>)ConvertOf<V, 1>::load_lanes(place, loads[k]) : load_places<V, 1>(place);
    }
  }
  template <int kReads, int kSources, bool kAll>
  static POOL_INLINE Vec<V> gather(const PlaneRow& at, const Read* of, const Mask* loads, Vec<V> (&values)[kSources],
                                   Vec<P> (&places)[kSources]) {
    if (!kAll) {
      const char* const offsets = kIsMax ? at.offsets + of->first : nullptr;
      load<kSources, false>(at.in + of->first * kSize, offsets, loads, values, places);
    }
    Vec<V> sum{};
#pragma GCC unroll 4
    for (int i = 0; i < kReads; ++i) {
      const __m512i index = Lanes::index(of[i].indices);
      if constexpr (!kIsMax) {
        const Vec<V> share = spread(of[i].there, index, values) * load_vec<V>(of[i].shares);
        sum = i == 0 ? share : sum + share;
      } else {
        __m512i place, value;
        if constexpr (kSources == 1) {
          place = Lanes::permute(index, (__m512i)places[0]);
          value = Lanes::permute(index, (__m512i)values[0]);
        } else {
          place = Lanes::permute(index, (__m512i)places[0], (__m512i)places[1]);
          value = Lanes::permute(index, (__m512i)values[0], (__m512i)values[1]);
        }
        sum = add_where<V>(sum, (Vec<P>)place, load_vec<P>(of[i].shares), (Vec<V>)value);
      }
    }
    return sum;
  }
  template <int kSources>
  static POOL_INLINE Vec<V> spread(Mask there, __m512i index, const Vec<V> (&from)[kSources]) {
    if constexpr (kSources == 1) return (Vec<V>)Lanes::permute_or_zero(there, index, (__m512i)from[0]);
    if constexpr (kSources == 2) return (Vec<V>)Lanes::permute_or_zero(there, index, (__m512i)from[0], (__m512i)from[1]);
  }

  const Plan& p;
  const std::int64_t positions_, windows_, reads_;
  Read all_[kMost / kN];
};

template <class S>
using GatherPatches = GradientPatches<S, Op::kMax>;
template <class S>
using SpreadPatches = GradientPatches<S, Op::kAvg>;

POOL_END
