// A maximum and its offset in large windows where the channels lie innermost, one axis after the other: first along w,
// once for each row of the input, then along h among what was found. A window of 13x13 takes 26 comparisons instead of 169.
//h.
#pragma once

#include "keep/channels.h"

POOL_BEGIN

template <class S>
struct KeepSeparable {
  static constexpr const char* kName = "separable";
  static constexpr const char* kTakes =
      "channels innermost, one element along d, windows that are large for their stride";
  static constexpr const char* kCost = "kh + kw";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kMostRows = 64;
  static constexpr std::int64_t kRoom = 160 << 10;  // of scratch memory, in bytes

  // Along h first would be as right for the maxima, but in row-major order the first of equals must stay the first.
  static bool fits(const Plan& p) {
    const std::int64_t window_h = p.h.window, window_w = p.w.window;
    return p.inner > 1 && p.inner % kN == 0 && !p.h.adaptive() && !p.w.adaptive() && p.d.most_taps() == 1 &&
           p.h.dilation == 1 && window_h <= kMostRows && window_w <= 256 && kN * bytes_each(p) <= kRoom &&
           // What was measured: a comparison here costs more, since what it compares is stored and loaded again.
           window_h * window_w > std::min(p.h.stride, window_h) * window_w + window_h + window_h / 2 + 4;
  }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.windows * blocks(p) * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    alignas(kBytes) char room[kRoom];
    for (std::int64_t unit = first; unit < last;) {
      const std::int64_t oh = unit % p.h.windows, column = unit / p.h.windows, rest = column / blocks(p);
      const std::int64_t end = std::min(p.h.windows, oh + last - unit);
      Column(p, room, rest / p.d.windows, rest % p.d.windows, column % blocks(p) * channels(p)).rows(oh, end);
      unit += end - oh;
    }
  }

 private:
  // What one channel of the rows that a window reads takes.
  static std::int64_t bytes_each(const Plan& p) {
    return p.h.window * p.w.windows * static_cast<std::int64_t>(sizeof(V) + 1);
  }
  // Of a unit: as many as are worked on at once, also where that is more than the first cache has room for.
  static std::int64_t channels(const Plan& p) {
    return std::min<std::int64_t>(kRoom / bytes_each(p) >= 4 * kN ? 4 * kN : kN, p.inner);
  }
  static std::int64_t blocks(const Plan& p) { return (p.inner + channels(p) - 1) / channels(p); }

  // Some channels of a plane, from top to bottom. What was found in a row of the input is kept for as long as windows read
  // it: values, and behind those of all rows their places within the row, a byte each.
  class Column {
   public:
    Column(const Plan& p, char* room, std::int64_t plane, std::int64_t od, std::int64_t c)
        : p_(p), od_(od), n_(std::min(channels(p), p.inner - c)), row_(p.w.windows * n_),
          values_(reinterpret_cast<V*>(room)), places_(room + p.h.window * row_ * static_cast<std::int64_t>(sizeof(V))),
          in_(p.in + p.in_start(plane) + c * E::kSize + p.d.taps(od).first * p.d.in_step),
          out_(p.out + p.out_start(plane) + c * E::kSize + od * p.d.out_step),
          offsets_(p.offsets + p.offsets_start(plane) + c * p.offset_size + od * p.d.offset_step) {}

    // Outputs of the rows [begin, end).
    void rows(std::int64_t begin, std::int64_t end) {
      std::int64_t known = 0;  // rows of the input before this one are known, as far as they are still needed
      for (std::int64_t oh = begin; oh < end; ++oh) {
        const Axis::Taps h = p_.h.taps(oh);
        for (known = std::max(known, h.first); known < h.first + h.count; ++known) search_row(known);
        merge(oh, h);
      }
    }

   private:
    std::int64_t slot(std::int64_t ih) const { return ih % p_.h.window * row_; }

    void search_row(std::int64_t ih) {
      const char* const in = in_ + ih * p_.h.in_step;
      V* values = values_ + slot(ih);
      char* places = places_ + slot(ih);
      for (std::int64_t ow = 0; ow < p_.w.windows; ++ow, values += n_, places += n_) {
        const Axis::Taps w = p_.w.taps(ow);
        const char* const at = in + w.first * p_.w.in_step;
        const auto number = static_cast<P>(first_tap(p_.w, ow));
        std::int64_t x = 0;
        for (; x + 4 * kN <= n_; x += 4 * kN) search<4>(at, w.count, number, x, values, places);
        for (; x < n_; x += kN) search<1>(at, w.count, number, x, values, places);
      }
    }

    template <int kVectors>
    POOL_INLINE void search(const char* at, std::int64_t count, P number, std::int64_t x, V* values, char* places) const {
      const std::int64_t step = p_.w.dilation * p_.w.in_step;
      QuickSearch<V> found[kVectors];
      at += x * E::kSize;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) found[v].begin(E::load(at + v * kN * E::kSize), number);
      Places<V> numbers = fill_vec<P>(number);
      for (std::int64_t k = 1; k < count; ++k) {
        at += step;
        numbers += fill_vec<P>(1);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) found[v].next(E::load(at + v * kN * E::kSize), numbers);
      }
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        store_vec<V>(values + x + v * kN, found[v].best_or_nan());
        store_places<V, 1>(places + x + v * kN, found[v].place);
      }
    }

    void merge(std::int64_t oh, Axis::Taps h) const {
      Row rows[kMostRows];
      const std::int64_t base = (first_tap(p_.d, od_) * p_.window_h + first_tap(p_.h, oh)) * p_.window_w;
      for (std::int64_t j = 0; j < h.count; ++j) {
        const std::int64_t at = slot(h.first + j);
        rows[j] = {values_ + at, places_ + at, static_cast<P>(base + j * p_.window_w)};
      }
      char* out = out_ + oh * p_.h.out_step;
      char* offsets = offsets_ + oh * p_.h.offset_step;
      for (std::int64_t ow = 0, at = 0; ow < p_.w.windows;
           ++ow, out += p_.w.out_step, offsets += p_.w.offset_step, at += n_) {
        std::int64_t x = 0;
        for (; x + 4 * kN <= n_; x += 4 * kN) {
          if (!merge<4>(rows, h.count, at + x, x, out, offsets)) search_again(oh, ow, x, 4 * kN, out, offsets);
        }
        for (; x < n_; x += kN) {
          if (!merge<1>(rows, h.count, at + x, x, out, offsets)) search_again(oh, ow, x, kN, out, offsets);
        }
      }
    }

    struct Row {
      const V* values;
      const char* places;
      P number;
    };

    // Whether it is sure; nothing is written otherwise.
    template <int kVectors>
    POOL_INLINE bool merge(const Row* rows, std::int64_t count, std::int64_t at, std::int64_t x, char* out,
                           char* offsets) const {
      QuickSearch<V> found[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        found[v].begin(load_vec<V>(rows[0].values + at + v * kN), 0);
        found[v].place = load_places<V, 1>(rows[0].places + at + v * kN) + fill_vec<P>(rows[0].number);
      }
      for (std::int64_t j = 1; j < count; ++j) {
        const Row& row = rows[j];
        const Places<V> number = fill_vec<P>(row.number);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) {
          found[v].next(load_vec<V>(row.values + at + v * kN), load_places<V, 1>(row.places + at + v * kN) + number);
        }
      }
      bool is_sure = true;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) is_sure &= found[v].is_sure();
      if (!is_sure) return false;
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        E::store(out + (x + v * kN) * E::kSize, found[v].best);
        store_places_part<V>(offsets + (x + v * kN) * p_.offset_size, found[v].place, p_.offset_size, kN);
      }
      return true;
    }

    // The whole window, element by element, for n channels from x on.
    __attribute__((noinline)) void search_again(std::int64_t oh, std::int64_t ow, std::int64_t x, std::int64_t n,
                                                char* out, char* offsets) const {
      const Axis::Taps h = p_.h.taps(oh), w = p_.w.taps(ow);
      const std::int64_t tap_d = first_tap(p_.d, od_), tap_h = first_tap(p_.h, oh), tap_w = first_tap(p_.w, ow);
      for (const std::int64_t end = x + n; x < end; x += kN) {
        Vec<V> best{};
        Places<V> place{};
        for (std::int64_t j = 0; j < h.count; ++j) {
          const char* at = in_ + (h.first + j) * p_.h.in_step + w.first * p_.w.in_step + x * E::kSize;
          for (std::int64_t k = 0; k < w.count; ++k, at += p_.w.dilation * p_.w.in_step) {
            const auto number = static_cast<P>((tap_d * p_.window_h + tap_h + j) * p_.window_w + tap_w + k);
            if (j == 0 && k == 0) {
              best = E::load(at);
              place = fill_vec<P>(number);
            } else {
              take<V>(best, place, E::load(at), fill_vec<P>(number));
            }
          }
        }
        E::store(out + x * E::kSize, best);
        store_places_part<V>(offsets + x * p_.offset_size, place, p_.offset_size, kN);
      }
    }

    const Plan& p_;
    const std::int64_t od_, n_, row_;  // channels, and elements of a row
    V* const values_;
    char* const places_;
    const char* const in_;
    char* const out_;
    char* const offsets_;
  };
};

POOL_END
