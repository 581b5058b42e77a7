// Gradients over contiguous rows that are read and written where they lie. Of a maximum a window counts where its offset is
// the number of the element; of an average each window counts, times its factor.
#pragma once

#include "gradient/tables.h"
#include "simd/lanes.h"
#include "simd/plane_walk.h"

POOL_BEGIN

template <class S, Op kOp>
struct GradientDirect : MaskedLanes<S> {
  using L = MaskedLanes<S>;
  using typename L::E;
  using typename L::Mask;
  using typename L::P;
  using typename L::V;
  using L::kN;
  static constexpr bool kIsMax = kOp == Op::kMax;
  static constexpr const char* kName = kIsMax ? "gather_direct" : "spread_direct";
  static constexpr const char* kTakes =
      kIsMax ? "what keep/direct takes, by the remainder of the position by the stride"
             : "contiguous rows, strides of up to 4 along w, up to 9 windows on an element";
  static constexpr const char* kCost = "kd·kh·kw / stride";
  static constexpr std::int64_t kBand = 32;
  static constexpr bool kIsTuned = std::is_same_v<S, float>;  // as in keep/direct.h
  static constexpr std::int64_t kLongRow = 384;       // bytes
  static constexpr std::int64_t kMostReads = 9;       // windows of an average that read one element
  static constexpr std::int64_t kMostFactors = 2048;  // windows of a row that count differently

  static bool fits(const Plan& p) {
    // An adaptive axis with more windows than inputs has small windows, but many of them read one position.
    const std::int64_t rows = most_readers(p.d) * most_readers(p.h);
    if (!(L::fits(p) && rows <= L::kMostWindow && p.w.stride <= L::kMostStride && p.w.positions * 2 >= kN / 4 &&
          p.w.windows < (1 << 30) && p.h.windows < (1 << 30)))
      return false;
    if (kIsMax) return p.offset_size == 1;
    const bool has_room = p.w.windows <= kMostFactors && (p.w.lo + p.w.positions) / p.w.stride < p.w.windows + kN;
    // Where no window of an axis reads anything, there is no finite factor.
    return std::isfinite(p.scale) && rows * most_readers(p.w) <= kMostReads && (!p.counts_w || has_room);
  }
  // A unit is a band of rows of positions.
  static std::int64_t bands(const Plan& p) { return (p.h.positions + kBand - 1) / kBand; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const std::int64_t window = p.w.window;
    switch (p.w.stride) {
      case 1: return window == 3 ? all<1, 3>(p, first, last) : all<1, 0>(p, first, last);
      case 2:
        return window == 3   ? all<2, 3>(p, first, last)
               : window == 2 ? all<2, 2>(p, first, last)
                             : all<2, 0>(p, first, last);
      case 3:
        if constexpr (kIsTuned) {
          if (window == 3) return all<3, 3>(p, first, last);
        }
        return all<3, 0>(p, first, last);
      default:
        if constexpr (kIsTuned) {
          if (window == 4) return all<4, 4>(p, first, last);
        }
        return all<4, 0>(p, first, last);
    }
  }

 private:
  // A row of windows that reads the row of positions in hand.
  struct Row {
    const char* values;
    const char* offsets;  // of a maximum
    P base;
    double factor;        // of an average
  };

  // Position x + lo = j * stride + f: as in gradient/rows.h. A vector holds kN numbers j, and for each of its windows,
  // which begin `back` strides before, the lanes that lie within a row of windows.
  template <int kStride>
  struct Masks {
    static constexpr std::int64_t kTabled = 32;
    static constexpr int kBack = L::kMostAcross;
    Mask windows[kTabled][kBack];
    Mask positions[kTabled][kStride];  // what is written of the vector's positions
    std::int64_t begin = 0, end = 0;   // vectors [begin, end) need none
    std::int64_t count = 0;            // vectors of a row
    const std::int64_t first;          // the j of the first one

    explicit Masks(const Axis& w) : first(first_of(w)) {
      const std::int64_t most_back = (w.window - 1) / kStride;
      for (std::int64_t i = 0;; ++i) {
        const std::int64_t j = first + i * kN, at = j * kStride - w.lo;
        if (at >= w.positions) break;
        count = i + 1;
        if (i < kTabled) find(w, i, windows[i], positions[i]);
        if (j < most_back || at < 0) begin = i + 1;
        if (j + kN <= w.windows && at + kStride * kN <= w.positions) end = i + 1;
      }
    }
    // The first number that is not before the row; of an average the first window's, where that takes no vector more: what
    // columns came to is then known from the beginning.
    static std::int64_t first_of(const Axis& w) {
      const std::int64_t least = w.lo / kStride, behind = (w.lo + w.positions - 1) / kStride + 1;
      return !kIsMax && (behind + kN - 1) / kN == (behind - least + kN - 1) / kN ? 0 : least;
    }
    void find(const Axis& w, std::int64_t vector, Mask (&within)[kBack], Mask (&written)[kStride]) const {
      const std::int64_t j = first + vector * kN, at = j * kStride - w.lo;
      for (std::int64_t back = 0; back <= (w.window - 1) / kStride; ++back) within[back] = L::within(j - back, w.windows);
      for (int v = 0; v < kStride; ++v) written[v] = L::within(at + v * kN, w.positions);
    }
  };

  // What an average's windows along w are multiplied by, where they count differently; nothing beyond their ends.
  struct Factors {
    static constexpr std::int64_t kEdge = kN;
    double along[kEdge + kMostFactors + 2 * kN];
    V inner[kEdge + kMostFactors + 2 * kN];  // the products with the factor of inner rows
    bool differ = false;

    Factors(const Plan& p, double row_factor) {
      if (kIsMax || !p.counts_w) return;
      differ = true;
      std::fill(along, along + kEdge + p.w.windows + 2 * kN, 0.0);
      for (std::int64_t o = 0; o < p.w.windows; ++o) along[kEdge + o] = p.factor(p.w, o);
      for (std::int64_t i = 0; i < kEdge + p.w.windows + 2 * kN; ++i) inner[i] = static_cast<V>(row_factor * along[i]);
    }
    // Those of windows from `ow` on, in a row with this factor.
    template <bool kIsInner>
    POOL_INLINE Vec<V> at(double row_factor, std::int64_t ow) const {
      if (!differ) return fill_vec<V>(static_cast<V>(row_factor));
      if constexpr (kIsInner) return load_vec<V>(inner + kEdge + ow);
      const double* const from = along + kEdge + ow;
      const Vec<double> by = fill_vec<double>(row_factor);
      if constexpr (std::is_same_v<V, double>) {
        return load_vec<double>(from) * by;
      } else {
        const Floats low = Widened<float>::narrow(load_vec<double>(from) * by);
        const Floats high = Widened<float>::narrow(load_vec<double>(from + kN / 2) * by);
        return (Vec<V>)_mm512_insertf32x8(_mm512_castps256_ps512((__m256)low), (__m256)high, 1);
      }
    }
  };

  // The rows of windows that read an inner row of positions: the same for all with the same remainders, from the row with
  // the numbers of both on.
  struct Inner {
    static constexpr std::int64_t kMostRemainders = 64;
    std::int64_t d_begin = 0, d_end = 0, h_begin = 0, h_end = 0;  // numbers whose windows are all there, and count alike
    double factor = 1;             // of a row of an average
    int begins[kMostRemainders + 1];
    std::int64_t value_steps[L::kMostWindow], offset_steps[L::kMostWindow];
    P bases[L::kMostWindow];

    explicit Inner(const Plan& p) {
      const Axis &d = p.d, &h = p.h;
      if (d.adaptive() || h.adaptive() || d.dilation != 1 || h.dilation != 1) return;
      if (d.stride > kMostRemainders || h.stride > kMostRemainders || d.stride * h.stride > kMostRemainders) return;
      if (d.window * h.window > L::kMostWindow) return;
      if (!alike(d, p.counts_d, d_begin, d_end) || !alike(h, p.counts_h, h_begin, h_end)) {
        d_end = d_begin;
        return;
      }
      if (!kIsMax) factor = p.row_factor(d_begin, h_begin);
      int count = 0;
      for (std::int64_t f = 0; f < d.stride; ++f) {
        for (std::int64_t g = 0; g < h.stride; ++g) {
          begins[f * h.stride + g] = count;
          // The first windows are those that begin the most before.
          for (std::int64_t i = (d.window - 1 - f + d.stride) / d.stride - 1; i >= 0; --i) {
            for (std::int64_t j = (h.window - 1 - g + h.stride) / h.stride - 1; j >= 0; --j, ++count) {
              value_steps[count] = -i * d.in_step - j * h.in_step;
              offset_steps[count] = -i * d.offset_step - j * h.offset_step;
              bases[count] = static_cast<P>(((i * d.stride + f) * p.window_h + j * h.stride + g) * p.window_w);
            }
          }
        }
      }
      begins[d.stride * h.stride] = count;
      // Numbers are those of the last window; the others lie before it.
      d_begin += (d.window - 1) / d.stride;
      h_begin += (h.window - 1) / h.stride;
    }

   private:
    // The windows [begin, end) that count alike; whether there are any.
    static bool alike(const Axis& axis, bool counts, std::int64_t& begin, std::int64_t& end) {
      begin = 0;
      end = axis.windows;
      if (counts) axis.inside(begin, end);
      return begin < end;
    }
  };

  template <int kStride, int kWindow>
  static void all(const Plan& p, std::int64_t first, std::int64_t last) {
    const Masks<kStride> masks(p.w);
    const Inner inner(p);
    const Factors factors(p, inner.factor);
    Ahead ahead(asks_ahead<S>(p));
    PlaneRow at(p, first, p.d.positions, bands(p));
    for (; first < last; ++first, at.next(p, p.d.positions, bands(p))) {
      band<kStride, kWindow>(p, masks, factors, inner, at, ahead);
    }
  }

  // The rows [begin, end) of the band; those between `low` and `high` are inner ones.
  template <int kStride, int kWindow>
  static void band(const Plan& p, const Masks<kStride>& masks, const Factors& factors, const Inner& inner,
                   const PlaneRow& at, Ahead& ahead) {
    const Axis& h = p.h;
    const std::int64_t begin = at.h * kBand, end = std::min(begin + kBand, h.positions);
    std::int64_t low = end, high = end;
    const std::int64_t number = inner.d_end > inner.d_begin ? (at.d + p.d.lo) / p.d.stride : -1;
    if (number >= inner.d_begin && number < inner.d_end) {
      low = std::clamp(inner.h_begin * h.stride - h.lo, begin, end);
      high = std::clamp(inner.h_end * h.stride - h.lo, low, end);
      const std::int64_t d_remainder = at.d + p.d.lo - number * p.d.stride;
      std::int64_t h_number = (low + h.lo) / h.stride, h_remainder = low + h.lo - h_number * h.stride;
      // Rows that are alike come together. Of arrays larger than the caches they come as they lie, as memory likes it.
      const bool together = p.w.positions * E::kSize < kLongRow || contiguous_bytes<S>(p) < kStreamedBytes;
      for (std::int64_t i = 0; low + i < high && (!together || i < h.stride); ++i) {
        const int from = inner.begins[d_remainder * h.stride + h_remainder];
        const Alike rows{at.in + number * p.d.in_step + h_number * h.in_step,
                         kIsMax ? at.offsets + number * p.d.offset_step + h_number * h.offset_step : nullptr,
                         at.out + at.d * p.d.out_step + (low + i) * h.out_step,
                         from,
                         inner.begins[d_remainder * h.stride + h_remainder + 1] - from,
                         together ? (high - low - i + h.stride - 1) / h.stride : 1};
        by_rows<kStride, kWindow>(p, masks, factors, inner, rows, ahead);
        if (++h_remainder == h.stride) h_remainder = 0, ++h_number;
      }
    }
    Row rows[L::kMostWindow];
    for (std::int64_t ih = begin; ih < end; ++ih) {
      if (ih == low) ih = high;
      if (ih == end) break;
      const int count = list(p, at, ih, rows);
      row<kStride, kWindow, 0, false>(p, masks, factors, rows, count, ahead,
                                      at.out + at.d * p.d.out_step + ih * h.out_step);
    }
  }

  // Rows of positions one stride behind each other, whose windows lie alike.
  struct Alike {
    const char* values;
    const char* offsets;
    char* out;
    int from, count;  // rows of windows, as `Inner` lists them
    std::int64_t rows;
  };

  template <int kStride, int kWindow>
  static POOL_INLINE void by_rows(const Plan& p, const Masks<kStride>& masks, const Factors& factors,
                                  const Inner& inner, const Alike& of, Ahead& ahead) {
    if constexpr (kIsTuned && kWindow > 0) {
      switch (of.count) {
        case 1: return alike<kStride, kWindow, 1>(p, masks, factors, inner, of, ahead);
        case 2: return alike<kStride, kWindow, 2>(p, masks, factors, inner, of, ahead);
        case 3: return alike<kStride, kWindow, 3>(p, masks, factors, inner, of, ahead);
      }
    }
    alike<kStride, kWindow, 0>(p, masks, factors, inner, of, ahead);
  }

  template <int kStride, int kWindow, int kRows>
  static __attribute__((noinline)) void alike(const Plan& p, const Masks<kStride>& masks, const Factors& factors,
                                              const Inner& inner, const Alike& of, Ahead& ahead) {
    const std::int64_t value_step = p.h.in_step, offset_step = p.h.offset_step, out_step = p.h.stride * p.h.out_step;
    Row rows[kRows > 0 ? kRows : L::kMostWindow];
    const int count = kRows > 0 ? kRows : of.count;
    for (int i = 0; i < count; ++i) {
      rows[i] = {of.values + inner.value_steps[of.from + i], of.offsets + inner.offset_steps[of.from + i],
                 inner.bases[of.from + i], inner.factor};
    }
    char* out = of.out;
    if constexpr (kRows > 0) {
      if (masks.count == 1) return alike_short<kStride, kWindow, kRows>(p, masks, factors, rows, of, ahead);
    }
    for (std::int64_t r = 0; r < of.rows; ++r, out += out_step) {
      row<kStride, kWindow, kRows, true>(p, masks, factors, rows, count, ahead, out);
      for (int i = 0; i < count; ++i) rows[i].values += value_step, rows[i].offsets += offset_step;
    }
  }

  // Rows of one vector, whose masks stay in registers.
  template <int kStride, int kWindow, int kRows>
  static POOL_INLINE void alike_short(const Plan& p, const Masks<kStride>& masks, const Factors& factors,
                                      Row (&rows)[kRows], const Alike& of, Ahead& ahead) {
    Mask windows[Masks<kStride>::kBack], written[kStride];
    for (int i = 0; i < Masks<kStride>::kBack; ++i) windows[i] = masks.windows[0][i];
    for (int v = 0; v < kStride; ++v) written[v] = masks.positions[0][v];
    char* out = of.out + (masks.first * kStride - p.w.lo) * E::kSize;
    for (std::int64_t r = 0; r < of.rows; ++r, out += p.h.stride * p.h.out_step) {
      ahead.come_to(out);
      Vec<V> before = first_before<kWindow, kRows, true>(p.w, factors, rows, kRows, masks.first);
      positions<kStride, kWindow, kRows, true, false>(p.w, factors, rows, kRows, masks.first, out, windows,
                                                             written, before);
#pragma GCC unroll 3
      for (int i = 0; i < kRows; ++i) rows[i].values += p.h.in_step, rows[i].offsets += p.h.offset_step;
    }
  }

  static __attribute__((noinline)) int list(const Plan& p, const PlaneRow& at, std::int64_t ih, Row* rows) {
    const Readers d = readers(p.d, at.d), h = readers(p.h, ih);
    int count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, at.d);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        rows[count++] = {at.in + od * p.d.in_step + oh * p.h.in_step,
                         kIsMax ? at.offsets + od * p.d.offset_step + oh * p.h.offset_step : nullptr,
                         static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w),
                         kIsMax ? 1.0 : p.row_factor(od, oh)};
      }
    }
    return count;
  }

  template <int kStride, int kWindow, int kRows, bool kIsInner>
  static POOL_INLINE void row(const Plan& p, const Masks<kStride>& masks, const Factors& factors, const Row* rows,
                              int count, Ahead& ahead, char* out) {
    const Axis& w = p.w;
    Vec<V> before = first_before<kWindow, kRows, kIsInner>(w, factors, rows, count, masks.first);
    std::int64_t j = masks.first, at = j * kStride - w.lo;
    for (std::int64_t vector = 0; vector < masks.count; ++vector, j += kN, at += kStride * kN) {
      char* const to = out + at * E::kSize;
      ahead.come_to(to);
      if (vector >= masks.begin && vector < masks.end) {
        positions<kStride, kWindow, kRows, kIsInner, true>(w, factors, rows, count, j, to, nullptr, nullptr, before);
      } else if (vector < Masks<kStride>::kTabled) {
        positions<kStride, kWindow, kRows, kIsInner, false>(w, factors, rows, count, j, to, masks.windows[vector],
                                                         masks.positions[vector], before);
      } else {
        Mask windows[Masks<kStride>::kBack], written[kStride];
        masks.find(w, vector, windows, written);
        positions<kStride, kWindow, kRows, kIsInner, false>(w, factors, rows, count, j, to, windows, written, before);
      }
    }
  }

  template <int kStride, int kWindow, int kRows, bool kIsInner, bool kInside>
  static POOL_INLINE void positions(const Axis& w, const Factors& factors, const Row* rows, int count, std::int64_t j,
                                    char* to, const Mask* within, const Mask* written, Vec<V>& before) {
    const std::int64_t window = kWindow > 0 ? kWindow : w.window;
    Vec<V> sums[kStride] = {};
    if constexpr (!kIsMax && kWindow > 0) {
      const Vec<V> last = column<kRows, kIsInner, kInside>(factors, rows, count, j, kInside ? L::kAll : within[0]);
      add_shifted<kStride, kWindow>(sums, before, last, std::make_integer_sequence<int, (kWindow - 1) / kStride + 1>{});
      before = last;
    } else {
#pragma GCC unroll 3
      for (int i = 0; i < (kRows > 0 ? kRows : count); ++i) {
        const Row& row = rows[i];
#pragma GCC unroll 4
        for (std::int64_t back = (window - 1) / kStride; back >= 0; --back) {
          const std::int64_t ow = j - back;
          const Mask valid = kInside ? L::kAll : within[back];
          Vec<V> share{};
          if constexpr (!kIsMax) share = load<kInside>(row, ow, valid) * factors.template at<kIsInner>(row.factor, ow);
#pragma GCC unroll 4
          for (std::int64_t f = kStride - 1; f >= 0; --f) {
            const std::int64_t k = back * kStride + f;
            if (k >= window) continue;
            if constexpr (kIsMax) {
              const Mask found = is_place(row.offsets + ow, valid, row.base + static_cast<P>(k));
              sums[f] = L::add(sums[f], found, row.values + ow * E::kSize);
            } else {
              sums[f] += share;
            }
          }
        }
      }
    }
    StridedLanes<V, kStride>::join(sums);
#pragma GCC unroll 4
    for (int v = 0; v < kStride; ++v) {
      if constexpr (kInside) {
        E::store(to + v * kN * E::kSize, sums[v]);
      } else {
        L::store(to + v * kN * E::kSize, written[v], sums[v]);
      }
    }
  }

  // What the columns before the first vector of a row come to.
  template <int kWindow, int kRows, bool kIsInner>
  static POOL_INLINE Vec<V> first_before(const Axis& w, const Factors& factors, const Row* rows, int count,
                                         std::int64_t first) {
    if (kIsMax || kWindow == 0 || first == 0) return Vec<V>{};
    return column<kRows, kIsInner, false>(factors, rows, count, first - kN, L::within(first - kN, w.windows));
  }

  template <bool kInside>
  static POOL_INLINE Vec<V> load(const Row& row, std::int64_t ow, Mask valid) {
    const char* const at = row.values + ow * E::kSize;
    if constexpr (kInside) return E::load(at);
    return L::load(at, valid, Vec<V>{});
  }

  // What the windows from `ow` on have for each of their elements in this row.
  template <int kRows, bool kIsInner, bool kInside>
  static POOL_INLINE Vec<V> column(const Factors& factors, const Row* rows, int count, std::int64_t ow, Mask valid) {
    Vec<V> sum{};
#pragma GCC unroll 3
    for (int i = 0; i < (kRows > 0 ? kRows : count); ++i) {
      const Vec<V> value = load<kInside>(rows[i], ow, valid);
      if constexpr (kIsInner) {
        sum = i == 0 ? value : sum + value;
      } else {
        sum += value * factors.template at<false>(rows[i].factor, ow);
      }
    }
    if (kIsInner && count > 0) return sum * factors.template at<true>(rows[0].factor, ow);
    return sum;
  }

  // Position f of each window is also position f + back * stride of the window that begins `back` strides before.
  template <int kStride, int kWindow, int... kBacks>
  static POOL_INLINE void add_shifted(Vec<V> (&sums)[kStride], Vec<V> before, Vec<V> last,
                                      std::integer_sequence<int, kBacks...>) {
    constexpr int kMost = (kWindow - 1) / kStride;
    (add_shifted<kStride, kWindow, kMost - kBacks>(sums, shifted<kMost - kBacks>(before, last, LaneIndices<V>{})), ...);
  }
  template <int kStride, int kWindow, int kBack>
  static POOL_INLINE void add_shifted(Vec<V> (&sums)[kStride], Vec<V> share) {
#pragma GCC unroll 4
    for (int f = 0; f < kStride; ++f) {
      if (kBack * kStride + f < kWindow) sums[f] += share;
    }
  }
  template <int kBack, int... kI>
  static POOL_INLINE Vec<V> shifted(Vec<V> before, Vec<V> last, Indices<kI...>) {
    if constexpr (kBack == 0) return last;
    return __builtin_shufflevector(before, last, (kN - kBack + kI)...);
  }

  // Which of the lanes' offsets are the number.
  static POOL_INLINE Mask is_place(const char* at, Mask valid, P number) {
    if constexpr (sizeof(V) == 4) {
      return _mm_mask_cmpeq_epi8_mask(valid, _mm_maskz_loadu_epi8(valid, at), _mm_set1_epi8(static_cast<char>(number)));
    } else {
      return L::equal(valid, (Vec<P>)ConvertOf<V, 1>::load_lanes(at, valid), fill_vec<P>(number));
    }
  }
};

template <class S>
using GatherDirect = GradientDirect<S, Op::kMax>;
template <class S>
using SpreadDirect = GradientDirect<S, Op::kAvg>;

POOL_END
