// The gradient of a maximum over contiguous rows that are read and written where they lie: a window counts where its
// offset is the number of the element.
#pragma once

#include "gradient/tables.h"
#include "simd/lanes.h"

POOL_BEGIN

template <class S>
struct GatherDirect : MaskedLanes<S> {
  using L = MaskedLanes<S>;
  using typename L::E;
  using typename L::Mask;
  using typename L::P;
  using typename L::V;
  using L::kN;
  static constexpr const char* kName = "gather_direct";
  static constexpr const char* kTakes = "what keep/direct takes, by the remainder of the position by the stride";
  static constexpr const char* kCost = "kd·kh·kw / stride";

  static constexpr std::int64_t kBand = 16;  // rows of positions of a unit

  static bool fits(const Plan& p) {
    // An adaptive axis with more windows than inputs has small windows, but many of them read one position.
    return L::fits(p) && most_readers(p.d) * most_readers(p.h) <= L::kMostWindow && p.w.stride <= 2 &&
           p.w.positions * 2 >= kN / 4 && p.w.windows < (1 << 30) && p.h.windows < (1 << 30);
  }
  static std::int64_t bands(const Plan& p) { return (p.h.positions + kBand - 1) / kBand; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    if (p.offset_size != 1) {
      run_rows<2, 0, 0>(p, first, last);
    } else if (p.w.stride == 2 && p.w.window == 3) {
      run_rows<1, 2, 3>(p, first, last);
    } else if (p.w.stride == 2 && p.w.window == 2) {
      run_rows<1, 2, 2>(p, first, last);
    } else if (p.w.stride == 1 && p.w.window == 3) {
      run_rows<1, 1, 3>(p, first, last);
    } else {
      run_rows<1, 0, 0>(p, first, last);
    }
  }

 private:
  struct Row {
    const char* values;
    const char* offsets;
    P base;
  };
  static constexpr int kTabled = 32;
  static constexpr int kBack = L::kMostAcross;
  // Which lanes lie within the windows, for each vector of a row and how far back it is read.
  struct Masks {
    Mask table[kTabled][kBack];
    const Axis& w;
    std::int64_t begin;  // the j of the first vector

    Masks(const Axis& of, std::int64_t stride) : w(of), begin(of.lo / stride) {
      for (int i = 0; i < kTabled; ++i) {
        for (int back = 0; back < kBack; ++back) table[i][back] = L::within(begin + i * kN - back, of.windows);
      }
    }
    POOL_INLINE Mask at(std::int64_t j, std::int64_t back) const {
      const std::int64_t vector = (j - begin) / kN;
      return vector < kTabled ? table[vector][back] : L::within(j - back, w.windows);
    }
  };

  template <int kSize, int kStride, int kWindow>
  static void run_rows(const Plan& p, std::int64_t first, std::int64_t last) {
    const ReaderTable table(p.h);
    const Masks masks(p.w, p.w.stride);
    Ahead ahead(asks_ahead<S>(p));
    const std::int64_t all = bands(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % all, id = unit / all % p.d.positions, plane = unit / all / p.d.positions;
      char* out = p.out + p.out_start(plane) + id * p.d.out_step;
      const char* const in = p.in + p.in_start(plane);
      const char* const offsets = p.offsets + p.offsets_start(plane);
      const Readers d = readers(p.d, id);
      for (std::int64_t ih = band * kBand; ih < std::min(p.h.positions, (band + 1) * kBand); ++ih) {
        Row rows[L::kMostWindow];
        int count = 0;
        const Readers h = table.at(ih);
        for (std::int64_t od = d.first; od <= d.last; ++od) {
          const std::int64_t tap_d = tap_at(p.d, od, id);
          if (tap_d < 0) continue;
          for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
            const std::int64_t tap_h = tap_at(p.h, oh, ih);
            if (tap_h < 0) continue;
            rows[count++] = {in + od * p.d.in_step + oh * p.h.in_step,
                             offsets + od * p.d.offset_step + oh * p.h.offset_step,
                             static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w)};
          }
        }
        row<kSize, kStride, kWindow>(p, masks, rows, count, ahead, out + ih * p.h.out_step);
      }
    }
  }

  // Position x + lo = j * stride + f: as in gradient/rows.h.
  template <int kSize, int kStride, int kWindow>
  static POOL_INLINE void row(const Plan& p, const Masks& masks, const Row* rows, int count, Ahead& ahead,
                              char* out) {
    const Axis& w = p.w;
    const std::int64_t stride = kStride > 0 ? kStride : w.stride, window = kWindow > 0 ? kWindow : w.window;
    for (std::int64_t j = masks.begin, at = j * stride - w.lo; at < w.positions; j += kN, at += stride * kN) {
      ahead.come_to(out + at * E::kSize);
      Vec<V> a{}, b{};
      for (int i = 0; i < count; ++i) {
        const Row& row = rows[i];
#pragma GCC unroll 3
        for (std::int64_t k = window - 1; k >= 0; --k) {
          const std::int64_t back = stride == 1 ? k : k / 2;
          const std::int64_t ow = j - back;
          const Mask valid = masks.at(j, back);
          const Vec<P> places = (Vec<P>)ConvertOf<V, kSize>::load_lanes(row.offsets + ow * kSize, valid);
          const Mask found = L::equal(valid, places, fill_vec<P>(row.base + static_cast<P>(k)));
          Vec<V>& sum = stride == 1 || k % 2 == 0 ? a : b;
          sum = L::add(sum, found, row.values + ow * E::kSize);
        }
      }
      if (stride == 1) {
        L::store(out + at * E::kSize, L::within(at, w.positions), a);
      } else {
        L::store(out + at * E::kSize, L::within(at, w.positions), zip_low<V>(a, b, LaneIndices<V>{}));
        L::store(out + (at + kN) * E::kSize, L::within(at + kN, w.positions), zip_high<V>(a, b, LaneIndices<V>{}));
      }
    }
  }
};

POOL_END
