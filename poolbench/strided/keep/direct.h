// A maximum and its offset over contiguous rows that are read and written where they lie.
#pragma once

#include "keep/ahead.h"
#include "simd/lanes.h"

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
      "contiguous rows, strides 1 and 2 along w, up to 8 elements along w and 64 in all";
  static constexpr const char* kCost = "kd·kh·kw";

  static bool fits(const Plan& p) { return L::fits(p) && p.w.windows * 2 >= kN / 4; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.windows * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    alignas(64) P firsts[kN];  // the first elements of windows that begin in the padding
    for (std::int64_t x = 0; x < kN; ++x) firsts[x] = static_cast<P>(first_tap(p.w, x));
    const Vec<P> begins = load_vec<P>(firsts);
    KeepAhead ahead = KeepAhead::of<S>(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t oh = unit % p.h.windows, od = unit / p.h.windows % p.d.windows,
                         plane = unit / p.h.windows / p.d.windows;
      const char* in = p.in + p.in_start(plane);
      char* out = p.out + p.out_start(plane) + od * p.d.out_step + oh * p.h.out_step;
      char* offsets = p.offsets + p.offsets_start(plane) + od * p.d.offset_step + oh * p.h.offset_step;
      Row rows[L::kMostWindow];
      const int count = list(p, in, od, oh, rows);
      const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
      ahead.begin(p, in + d.first * p.d.in_step + h.first * p.h.in_step, d, h);
      if (p.w.stride == 1) {
        by_window<1>(p, rows, count, begins, ahead, out, offsets);
      } else {
        by_window<2>(p, rows, count, begins, ahead, out, offsets);
      }
    }
  }

 private:
  struct Row {
    const char* at;
    P base;
  };

  static int list(const Plan& p, const char* in, std::int64_t od, std::int64_t oh, Row* rows) {
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

  template <int kStride>
  static POOL_INLINE void by_window(const Plan& p, const Row* rows, int count, Vec<P> begins, KeepAhead& ahead,
                                    char* out, char* offsets) {
    switch (p.w.window) {
      case 2: row<kStride, 2>(p, rows, count, begins, ahead, out, offsets); break;
      case 3: row<kStride, 3>(p, rows, count, begins, ahead, out, offsets); break;
      default: row<kStride, 0>(p, rows, count, begins, ahead, out, offsets);
    }
  }

  template <int kStride, int kWindow>
  static POOL_INLINE void row(const Plan& p, const Row* rows, int count, Vec<P> begins, KeepAhead& ahead,
                              char* out, char* offsets) {
    const Axis& w = p.w;
    for (std::int64_t x = 0; x < w.windows; x += kN) {
      ahead.come_to(x * kStride * E::kSize);
      const std::int64_t start = x * kStride - w.lo;
      const Vec<P> begin = x == 0 ? begins : Vec<P>{};
      const std::int64_t reach = (kWindow > 0 ? kWindow : w.window) - 1 + kStride * kN;
      Vec<V> best;
      Places<V> place;
      if (start >= 0 && start + reach <= w.positions) {
        search<kStride, kWindow, true>(w, rows, count, start, begin, best, place);
      } else {
        search<kStride, kWindow, false>(w, rows, count, start, begin, best, place);
      }
      const int rest = static_cast<int>(std::min<std::int64_t>(w.windows - x, kN));
      L::store(out + x * E::kSize, static_cast<Mask>((1u << rest) - 1), best);
      store_places_part<V>(offsets + x * p.offset_size, place, p.offset_size, rest);
    }
  }

  template <int kStride, int kWindow, bool kInside>
  static POOL_INLINE void search(const Axis& w, const Row* rows, int count, std::int64_t start, Vec<P> begin,
                                 Vec<V>& best, Places<V>& place) {
    const std::int64_t taps = kWindow > 0 ? kWindow : w.window;
    Mask masks[L::kMostAcross][2];  // of what is read from each element of the window on, and behind it
    if constexpr (!kInside) {
      for (std::int64_t k = 0; k < taps; k += kStride) {
        masks[k][0] = L::within(start + k, w.positions);
        if (kStride == 2) masks[k][1] = L::within(start + k + kN, w.positions);
      }
    }
    best = fill_vec<V>(least_value<V>());
    place = begin + fill_vec<P>(rows[0].base);
    for (int i = 0; i < count; ++i) {
      const char* const at = rows[i].at + start * E::kSize;
#pragma GCC unroll 3
      for (std::int64_t k = 0; k < taps; k += kStride) {
        const Vec<V> a = read<kInside>(at + k * E::kSize, masks[k][0]);
        const P number = rows[i].base + static_cast<P>(k);
        if constexpr (kStride == 1) {
          take<V>(best, place, a, number);
        } else {
          const Vec<V> b = read<kInside>(at + (k + kN) * E::kSize, masks[k][1]);
          take<V>(best, place, even_lanes<V>(a, b), number);
          if (k + 1 < taps) take<V>(best, place, odd_lanes<V>(a, b), number + 1);
        }
      }
    }
  }

  // Elements of a row; those that it lacks are less than any.
  template <bool kInside>
  static POOL_INLINE Vec<V> read(const char* at, Mask mask) {
    if constexpr (kInside) return E::load(at);
    return L::load(at, mask, fill_vec<V>(least_value<V>()));
  }
};

POOL_END
