// A maximum and its offset over contiguous rows that are read and written where they lie.
#pragma once

#include "keep/ahead.h"
#include "simd/lanes.h"
#include "simd/plane_walk.h"

POOL_BEGIN

template <class S>
struct KeepDirect : MaskedLanes<S> {
  using L = MaskedLanes<S>;
  using typename L::E;
  using typename L::Mask;
  using typename L::P;
  using typename L::V;
  using L::kN;
  static constexpr const char* kName = "direct";
  static constexpr const char* kTakes =
      "contiguous rows, strides of up to 4 along w, up to 8 elements along w and 64 in all";
  static constexpr const char* kCost = "kd·kh·kw";
  static constexpr std::int64_t kBand = 32;
  // Unrolled for the usual windows. The other types do with less, for the compiler takes long over each of them.
  static constexpr bool kIsTuned = std::is_same_v<S, float>;

  static bool fits(const Plan& p) { return L::fits(p) && p.w.windows * 2 >= kN / 4; }
  // A unit is a band of rows of outputs.
  static std::int64_t bands(const Plan& p) { return (p.h.windows + kBand - 1) / kBand; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.windows * bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const std::int64_t rows = kIsTuned ? L::largest(p.d) * L::largest(p.h) : 0, window = p.w.window;
    switch (p.w.windows == 1 ? 1 : p.w.stride) {
      case 1:
        if constexpr (kIsTuned) {
          if (window == 3 && rows == 3) return all<1, 3, 3>(p, first, last);
        }
        return window == 3 ? all<1, 3, 0>(p, first, last) : all<1, 0, 0>(p, first, last);
      case 2:
        if constexpr (kIsTuned) {
          if (window == 2 && rows == 2) return all<2, 2, 2>(p, first, last);
          if (window == 3 && rows == 3) return all<2, 3, 3>(p, first, last);
        }
        return window == 2   ? all<2, 2, 0>(p, first, last)
               : window == 3 ? all<2, 3, 0>(p, first, last)
                             : all<2, 0, 0>(p, first, last);
      case 3:
        if constexpr (kIsTuned) {
          if (window == 3 && rows == 1) return all<3, 3, 1>(p, first, last);
        }
        return all<3, 0, 0>(p, first, last);
      default:
        if constexpr (kIsTuned) {
          if (window == 4 && rows == 1) return all<4, 4, 1>(p, first, last);
        }
        return all<4, 0, 0>(p, first, last);
    }
  }

 private:
  // Whether rows are asked for ahead of time. Short ones are found soon enough without.
  static bool asks(const Plan& p) {
    const std::int64_t again = most_readers(p.d) * most_readers(p.h) * most_readers(p.w);
    return p.w.positions * E::kSize >= kLongRow && (again == 1 ? is_large<S>(p) : contiguous_bytes<S>(p) >= kAskedApart);
  }
  static constexpr std::int64_t kLongRow = 384;                    // bytes
  static constexpr std::int64_t kAskedApart = std::int64_t{16} << 20;  // of arrays that windows read several times

  struct Row {
    const char* at;
    P base;
  };

  // The rows that a window of inner rows reads, from its first one on: the same for all of them.
  struct Inner {
    std::int64_t d_begin, d_end, h_begin, h_end;  // outputs whose windows lie in the input
    int count = 0;
    std::int64_t steps[L::kMostWindow];
    P bases[L::kMostWindow];

    explicit Inner(const Plan& p) {
      d_begin = d_end = h_begin = h_end = 0;
      if (p.d.adaptive() || p.h.adaptive()) return;
      p.d.inside(d_begin, d_end);
      p.h.inside(h_begin, h_end);
      for (std::int64_t i = 0; i < p.d.window; ++i) {
        for (std::int64_t j = 0; j < p.h.window; ++j, ++count) {
          steps[count] = i * p.d.dilation * p.d.in_step + j * p.h.dilation * p.h.in_step;
          bases[count] = static_cast<P>((i * p.window_h + j) * p.window_w);
        }
      }
    }
  };

  // What is read for each vector of outputs, as many elements at a time as the stride: the lanes of as many vectors that
  // lie in the row.
  using Reads = Mask[L::kMostAcross][L::kMostStride];
  template <int kStride>
  struct Masks {
    static constexpr std::int64_t kTabled = 32;
    Reads table[kTabled];
    std::int64_t begin = 0, end = 0;  // vectors [begin, end) need none
    std::int64_t count = 0;           // vectors of a row

    explicit Masks(const Axis& w) {
      const std::int64_t reach = (w.window - 1) / kStride * kStride + kStride * kN;
      for (std::int64_t i = 0; i * kN < w.windows; ++i) {
        const std::int64_t start = i * kN * kStride - w.lo;
        count = i + 1;
        if (i < kTabled) find(w, i, table[i]);
        if (start < 0) begin = i + 1;
        if (start + reach <= w.positions) end = i + 1;
      }
    }
    static void find(const Axis& w, std::int64_t vector, Reads& reads) {
      const std::int64_t start = vector * kN * kStride - w.lo;
      for (std::int64_t k = 0; k < w.window; k += kStride) {
        for (int v = 0; v < kStride; ++v) reads[k / kStride][v] = L::within(start + k + v * kN, w.positions);
      }
    }
  };

  template <int kStride, int kWindow, int kRows>
  static void all(const Plan& p, std::int64_t first, std::int64_t last) {
    alignas(64) P firsts[kN];  // the first elements of windows that begin in the padding
    for (std::int64_t x = 0; x < kN; ++x) firsts[x] = static_cast<P>(first_tap(p.w, x));
    const Vec<P> begins = load_vec<P>(firsts);
    const Masks<kStride> masks(p.w);
    const Inner inner(p);
    KeepAhead ahead(asks(p));
    PlaneRow at(p, first, p.d.windows, bands(p));
    for (; first < last; ++first, at.next(p, p.d.windows, bands(p))) {
      const std::int64_t begin = at.h * kBand, end = std::min(begin + kBand, p.h.windows);
      std::int64_t low = end, high = end;
      if (at.d >= inner.d_begin && at.d < inner.d_end) {
        low = std::clamp(inner.h_begin, begin, end);
        high = std::clamp(inner.h_end, low, end);
      }
      char* const out = at.out + at.d * p.d.out_step;
      char* const offsets = at.offsets + at.d * p.d.offset_step;
      if (low < high) {
        const Alike rows{at.in + (at.d * p.d.stride - p.d.lo) * p.d.in_step + (low * p.h.stride - p.h.lo) * p.h.in_step,
                         out + low * p.h.out_step, offsets + low * p.h.offset_step, high - low};
        alike<kStride, kWindow, kRows>(p, masks, inner, rows, begins, ahead);
      }
      Row found[L::kMostWindow];
      for (std::int64_t oh = begin; oh < end; ++oh) {
        if (oh == low) oh = high;
        if (oh == end) break;
        const int count = list(p, at.in, at.d, oh, found);
        const Axis::Taps d = p.d.taps(at.d), h = p.h.taps(oh);
        ahead.begin(p, at.in + d.first * p.d.in_step + h.first * p.h.in_step, d, h);
        row<kStride, kWindow, 0>(p, masks, found, count, begins, ahead, out + oh * p.h.out_step,
                                 offsets + oh * p.h.offset_step);
      }
    }
  }

  // Rows of outputs behind each other, whose windows lie in the input.
  struct Alike {
    const char* in;
    char* out;
    char* offsets;
    std::int64_t rows;
  };

  template <int kStride, int kWindow, int kRows>
  static __attribute__((noinline)) void alike(const Plan& p, const Masks<kStride>& masks, const Inner& inner, const Alike& of,
                                              Vec<P> begins, KeepAhead& ahead) {
    const std::int64_t step = p.h.stride * p.h.in_step;
    const int count = kRows > 0 ? kRows : inner.count;
    Row rows[kRows > 0 ? kRows : L::kMostWindow];
    for (int i = 0; i < count; ++i) rows[i] = {of.in + inner.steps[i], inner.bases[i]};
    const Axis::Taps d{0, p.d.window}, h{0, p.h.window};
    const char* in = of.in;
    char* out = of.out;
    char* offsets = of.offsets;
    if constexpr (kRows > 0) {
      if (masks.count == 1 && !ahead.asks()) return alike_short<kStride, kWindow, kRows>(p, masks, rows, of, begins);
    }
    for (std::int64_t r = 0; r < of.rows; ++r, in += step, out += p.h.out_step, offsets += p.h.offset_step) {
      ahead.begin(p, in, d, h);
      row<kStride, kWindow, kRows>(p, masks, rows, count, begins, ahead, out, offsets);
      for (int i = 0; i < count; ++i) rows[i].at += step;
    }
  }

  // Rows of one vector, whose masks stay in registers.
  template <int kStride, int kWindow, int kRows>
  static POOL_INLINE void alike_short(const Plan& p, const Masks<kStride>& masks, Row (&rows)[kRows], const Alike& of,
                                      Vec<P> begins) {
    Reads few;
#pragma GCC unroll 8
    for (int i = 0; i < (kWindow + kStride - 1) / kStride; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kStride; ++v) few[i][v] = masks.table[0][i][v];
    }
    char* out = of.out;
    char* offsets = of.offsets;
    for (std::int64_t r = 0; r < of.rows; ++r, out += p.h.out_step, offsets += p.h.offset_step) {
      QuickSearch<V> best;
      search<kStride, kWindow, kRows, false>(p.w, rows, kRows, -p.w.lo, begins, few, best);
      put(p, rows, kRows, 0, static_cast<int>(p.w.windows), begins, best, out, offsets);
#pragma GCC unroll 3
      for (int i = 0; i < kRows; ++i) rows[i].at += p.h.stride * p.h.in_step;
    }
  }

  static __attribute__((noinline)) int list(const Plan& p, const char* in, std::int64_t od, std::int64_t oh, Row* rows) {
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    const std::int64_t tap_d = first_tap(p.d, od), tap_h = first_tap(p.h, oh);
    int count = 0;
    for (std::int64_t i = 0; i < d.count; ++i) {
      for (std::int64_t j = 0; j < h.count; ++j) {
        rows[count++] = {
            in + (d.first + i * p.d.dilation) * p.d.in_step + (h.first + j * p.h.dilation) * p.h.in_step,
            static_cast<P>(((tap_d + i) * p.window_h + tap_h + j) * p.window_w)};
      }
    }
    return count;
  }

  template <int kStride, int kWindow, int kRows>
  static POOL_INLINE void row(const Plan& p, const Masks<kStride>& masks, const Row* rows, int count, Vec<P> begins,
                              KeepAhead& ahead, char* out, char* offsets) {
    const Axis& w = p.w;
    std::int64_t start = -w.lo;
    for (std::int64_t x = 0, vector = 0; x < w.windows; x += kN, ++vector, start += kN * kStride) {
      ahead.come_to(x * kStride * E::kSize);
      QuickSearch<V> best;
      if (vector >= masks.begin && vector < masks.end) {
        search<kStride, kWindow, kRows, true>(w, rows, count, start, Vec<P>{}, nullptr, best);
      } else {
        Reads few;
        const bool tabled = vector < Masks<kStride>::kTabled;
        if (!tabled) Masks<kStride>::find(w, vector, few);
        search<kStride, kWindow, kRows, false>(w, rows, count, start, vector == 0 ? begins : Vec<P>{},
                                               tabled ? masks.table[vector] : few, best);
      }
      const int rest = static_cast<int>(std::min<std::int64_t>(w.windows - x, kN));
      put(p, rows, count, x, rest, begins, best, out, offsets);
    }
  }

  // Outputs from x on, `rest` of them.
  static POOL_INLINE void put(const Plan& p, const Row* rows, int count, std::int64_t x, int rest, Vec<P> begins,
                              const QuickSearch<V>& best, char* out, char* offsets) {
    if (!best.is_sure()) return surely(p, rows, count, x, begins, out, offsets);
    L::store(out + x * E::kSize, static_cast<Mask>((1u << rest) - 1), best.best);
    store_places_part<V>(offsets + x * p.offset_size, best.place, p.offset_size, rest);
  }

  template <int kStride, int kWindow, int kRows, bool kInside>
  static POOL_INLINE void search(const Axis& w, const Row* rows, int count, std::int64_t start, Vec<P> begin,
                                 const Mask (*masks)[L::kMostStride], QuickSearch<V>& best) {
    const std::int64_t taps = kWindow > 0 ? kWindow : w.window;
    best.begin(fill_vec<V>(std::numeric_limits<V>::lowest()), rows[0].base);
    best.place += begin;
#pragma GCC unroll 3
    for (int i = 0; i < (kRows > 0 ? kRows : count); ++i) {
      const char* const at = rows[i].at + start * E::kSize;
#pragma GCC unroll 3
      for (std::int64_t k = 0; k < taps; k += kStride) {
        Vec<V> elements[kStride];
#pragma GCC unroll 4
        for (int v = 0; v < kStride; ++v) elements[v] = read<kInside>(at + (k + v * kN) * E::kSize, masks, k / kStride, v);
        StridedLanes<V, kStride>::part(elements);
#pragma GCC unroll 4
        for (int v = 0; v < kStride; ++v) {
          if (k + v < taps) best.next(elements[v], fill_vec<P>(rows[i].base + static_cast<P>(k + v)));
        }
      }
    }
  }

  // Elements of a row; in place of those that it lacks, what is less than any but minus infinity.
  template <bool kInside>
  static POOL_INLINE Vec<V> read(const char* at, const Mask (*masks)[L::kMostStride], std::int64_t number, int v) {
    if constexpr (kInside) return E::load(at);
    return L::load(at, masks[number][v], fill_vec<V>(std::numeric_limits<V>::lowest()));
  }

  // The same for any elements, from output x on.
  static __attribute__((noinline)) void surely(const Plan& p, const Row* rows, int count, std::int64_t x, Vec<P> begins,
                                               char* out, char* offsets) {
    const Axis& w = p.w;
    Vec<V> best = fill_vec<V>(least_value<V>());
    Places<V> place = (x == 0 ? begins : Vec<P>{}) + fill_vec<P>(rows[0].base);
    alignas(kBytes) V elements[kN];
    for (int i = 0; i < count; ++i) {
      for (std::int64_t k = 0; k < w.window; ++k) {
        for (int lane = 0; lane < kN; ++lane) {
          const std::int64_t at = (x + lane) * w.stride - w.lo + k;
          elements[lane] = at >= 0 && at < w.positions ? E::get(rows[i].at + at * E::kSize) : least_value<V>();
        }
        const Vec<V> element = load_vec<V>(elements);
        take<V>(best, place, element, fill_vec<P>(rows[i].base + static_cast<P>(k)));
      }
    }
    const int rest = static_cast<int>(std::min<std::int64_t>(w.windows - x, kN));
    L::store(out + x * E::kSize, static_cast<Mask>((1u << rest) - 1), best);
    store_places_part<V>(offsets + x * p.offset_size, place, p.offset_size, rest);
  }
};

POOL_END
