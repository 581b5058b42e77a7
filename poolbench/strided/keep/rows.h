// A maximum and its offset over rows of any strides: first along w within each row of the input, then along h and d, so
// that the first of equals in row-major order is the one that was there first.
#pragma once

#include "keep/ahead.h"
#include "keep/remainders.h"

POOL_BEGIN

template <class S>
struct KeepRows {
  static constexpr const char* kName = "rows";
  static constexpr const char* kTakes = "rows of any strides: along w in each row, then along h and d";
  static constexpr const char* kCost = "kd·kh + kw; windows of 6 and more with stride 1 double";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBand = 32;           // output rows of a unit
  static constexpr std::int64_t kLine = 4096 / sizeof(V);      // packed elements of one row, about
  static constexpr std::int64_t kRing = 24576 / sizeof(V);     // values of the rows that are kept
  static constexpr std::int64_t kMostRows = 128;
  static constexpr std::int64_t kBlock = 512;         // outputs of a row at most

  static bool by_one(const Axis& w) { return w.adaptive() || w.stride > 4; }

  static std::int64_t rows_of_window(const Axis& axis) {
    return axis.adaptive() ? largest(axis) : (axis.window - 1) * axis.dilation + 1;
  }
  static std::int64_t largest(const Axis& axis) { return axis.most_taps(); }

  // Outputs of a block: what the scratch memory has room for.
  static std::int64_t block(const Plan& p) {
    const std::int64_t slots = rows_of_window(p.d) * rows_of_window(p.h);
    if (slots > kMostRows) return 0;
    std::int64_t most = std::min(kBlock, kRing / slots - kN);
    if (!by_one(p.w)) {
      const std::int64_t span = (p.w.window - 1) * p.w.dilation;
      most = std::min(most, (kLine - span) / p.w.stride - 2 * kN);
    }
    return most / kN * kN;
  }

  static bool fits(const Plan& p) { return p.inner == 1 && block(p) >= kN; }

  static std::int64_t bands(const Plan& p) { return (p.h.windows + kBand - 1) / kBand; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.windows * bands(p); }

  struct Row {
    V* values;
    P* places;
  };

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Ahead ahead(asks_ahead<S>(p));
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands(p), od = unit / bands(p) % p.d.windows,
                         plane = unit / bands(p) / p.d.windows;
      const std::int64_t n = block(p), end = std::min(p.h.windows, (band + 1) * kBand);
      // Rows that share nothing are done one after the other, as they lie.
      const std::int64_t together = p.h.window == 1 && p.w.windows > n ? 1 : kBand;
      for (std::int64_t oh = band * kBand; oh < end; oh += together) {
        for (std::int64_t ow = 0; ow < p.w.windows; ow += n) {
          run_block(p, ahead, plane, od, oh, std::min(oh + together, end), ow, std::min(n, p.w.windows - ow));
        }
      }
    }
  }

 private:
  static void run_block(const Plan& p, Ahead& ahead, std::int64_t plane, std::int64_t od, std::int64_t oh0,
                        std::int64_t oh1, std::int64_t ow0, std::int64_t n) {
    alignas(64) V values[kRing];
    alignas(64) P places[kRing];
    std::int64_t tags[kMostRows];
    const std::int64_t ring_h = rows_of_window(p.h), ring_d = rows_of_window(p.d);
    const std::int64_t pitch = (n + kN - 1) / kN * kN;
    for (std::int64_t i = 0; i < ring_h * ring_d; ++i) tags[i] = -1;
    const char* in = p.in + p.in_start(plane);
    const Axis::Taps d = p.d.taps(od);
    const std::int64_t tap_d = first_tap(p.d, od);
    Row rows[kMostRows];
    P bases[kMostRows];
    for (std::int64_t oh = oh0; oh < oh1; ++oh) {
      const Axis::Taps h = p.h.taps(oh);
      const std::int64_t tap_h = first_tap(p.h, oh);
      int count = 0;
      for (std::int64_t i = 0; i < d.count; ++i) {
        const std::int64_t id = d.first + i * p.d.dilation, slot_d = (ring_d == 1 ? 0 : id % ring_d) * ring_h;
        std::int64_t slot_h = h.first % ring_h;
        for (std::int64_t j = 0; j < h.count; ++j) {
          const std::int64_t ih = h.first + j * p.h.dilation;
          const std::int64_t slot = slot_d + slot_h, tag = id * p.h.positions + ih;
          slot_h += p.h.dilation;
          if (slot_h >= ring_h) slot_h -= ring_h;
          const Row row{values + slot * pitch, places + slot * pitch};
          if (tags[slot] != tag) {
            const char* const from = in + id * p.d.in_step + ih * p.h.in_step;
            ahead.come_to(from + (ow0 + n) * p.w.stride * E::kSize);
            across(p, from, ow0, n, row);
            tags[slot] = tag;
          }
          rows[count] = row;
          bases[count++] = static_cast<P>(((tap_d + i) * p.window_h + tap_h + j) * p.window_w);
        }
      }
      char* out = p.out + p.out_start(plane) + od * p.d.out_step + oh * p.h.out_step + ow0 * p.w.out_step;
      char* offsets =
          p.offsets + p.offsets_start(plane) + od * p.d.offset_step + oh * p.h.offset_step + ow0 * p.w.offset_step;
      down(p, rows, bases, count, n, out, offsets);
    }
  }

  // The best of each window along one row of the input.
  static void across(const Plan& p, const char* in, std::int64_t ow0, std::int64_t n, Row row) {
    const Axis& w = p.w;
    if (by_one(w)) {
      for (std::int64_t x = 0; x < n; ++x) {
        const Axis::Taps taps = w.taps(ow0 + x);
        const char* at = in + taps.first * w.in_step;
        V best = E::get(at);
        P place = 0;
        for (std::int64_t k = 1; k < taps.count; ++k) {
          take_one<V>(best, place, E::get(at + k * w.dilation * w.in_step), static_cast<P>(k));
        }
        row.values[x] = best;
        row.places[x] = place + static_cast<P>(first_tap(w, ow0 + x));
      }
      return;
    }
    alignas(64) V line[kLine];
    const std::int64_t pitch = Remainders<S>::pack(w, in, ow0, n, line);
    if (w.stride == 1 && w.dilation == 1 && w.window >= 6) {
      double_up(w, n, line, row);
    } else {
      switch (w.window) {
        case 1: combine<1>(w, n, line, pitch, row); break;
        case 2: combine<2>(w, n, line, pitch, row); break;
        case 3: combine<3>(w, n, line, pitch, row); break;
        case 4: combine<4>(w, n, line, pitch, row); break;
        default: combine<0>(w, n, line, pitch, row);
      }
    }
    // Padding is less than nothing, or as much as -inf: then the first element that is there is meant.
    for (std::int64_t x = 0; x < n && (ow0 + x) * w.stride < w.lo; ++x) {
      row.places[x] = std::max(row.places[x], static_cast<P>(first_tap(w, ow0 + x)));
    }
  }

  template <int kWindow>
  static POOL_INLINE void combine(const Axis& w, std::int64_t n, const V* line, std::int64_t pitch, Row row) {
    const std::int64_t taps = kWindow > 0 ? kWindow : w.window;
    const V* from[kLine];
    std::int64_t f = 0, along = 0;  // k * dilation = along * stride + f
#pragma GCC unroll 4
    for (std::int64_t k = 0; k < taps; ++k) {
      from[k] = line + f * pitch + along;
      for (f += w.dilation; f >= w.stride; f -= w.stride) ++along;
    }
    for (std::int64_t x = 0; x < n; x += kN) {
      Vec<V> best = load_vec<V>(from[0] + x);
      Places<V> place{};
#pragma GCC unroll 4
      for (std::int64_t k = 1; k < taps; ++k) {
        take<V>(best, place, load_vec<V>(from[k] + x), fill_vec<P>(static_cast<P>(k)));
      }
      store_vec<V>(row.values + x, best);
      store_vec<P>(row.places + x, place);
    }
  }

  // Windows of 1, 2, 4 … neighbours, each from two of the step before; in the end two that overlap.
  static void double_up(const Axis& w, std::int64_t n, V* line, Row row) {
    alignas(64) P places[kLine];
    const std::int64_t length = n + w.window - 1;
    for (std::int64_t x = 0; x < length; x += kN) store_vec<P>(places + x, Places<V>{});
    std::int64_t have = 1, whole = length;
    for (; 2 * have <= w.window; have *= 2) {
      whole -= have;
      shift(line, places, have, whole, line, places);
    }
    shift(line, places, w.window - have, n, row.values, row.places);
  }

  static POOL_INLINE void shift(const V* values, const P* places, std::int64_t by, std::int64_t n, V* to, P* to_places) {
    const Places<V> more = fill_vec<P>(static_cast<P>(by));
    for (std::int64_t x = 0; x < n; x += kN) {
      Vec<V> best = load_vec<V>(values + x);
      Places<V> place = load_vec<P>(places + x);
      if (by > 0) take<V>(best, place, load_vec<V>(values + x + by), load_vec<P>(places + x + by) + more);
      store_vec<V>(to + x, best);
      store_vec<P>(to_places + x, place);
    }
  }

  // The best of the rows, written.
  static void down(const Plan& p, const Row* rows, const P* bases, int count, std::int64_t n, char* out,
                   char* offsets) {
    const bool touch = p.w.out_step == E::kSize && p.w.offset_step == p.offset_size;
    for (std::int64_t x = 0; x < n; x += kN) {
      Vec<V> best = load_vec<V>(rows[0].values + x);
      Places<V> place = load_vec<P>(rows[0].places + x) + fill_vec<P>(bases[0]);
      for (int i = 1; i < count; ++i) {
        take<V>(best, place, load_vec<V>(rows[i].values + x), load_vec<P>(rows[i].places + x) + fill_vec<P>(bases[i]));
      }
      const int rest = static_cast<int>(std::min<std::int64_t>(n - x, kN));
      if (touch && rest == kN) {
        E::store(out + x * E::kSize, best);
        store_places_part<V>(offsets + x * p.offset_size, place, p.offset_size, kN);
      } else if (touch) {
        E::store_part(out + x * E::kSize, best, rest);
        store_places_part<V>(offsets + x * p.offset_size, place, p.offset_size, rest);
      } else {
        alignas(64) V few[kN];
        alignas(64) P few_places[kN];
        store_vec<V>(few, best);
        store_vec<P>(few_places, place);
        for (int i = 0; i < rest; ++i) {
          E::put(out + (x + i) * p.w.out_step, few[i]);
          store_offset(offsets + (x + i) * p.w.offset_step, p.offset_size, few_places[i]);
        }
      }
    }
  }
};

POOL_END
