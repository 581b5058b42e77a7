// A maximum and its offset where the channels lie innermost: whole vectors of channels, position by position, the
// elements of a window in row-major order.
#pragma once

#include "keep/ahead.h"

POOL_BEGIN

template <class S>
struct KeepChannels {
  static constexpr const char* kName = "channels";
  static constexpr const char* kTakes = "channels innermost in all arrays, windows of up to 512 elements";
  static constexpr const char* kCost = "kd·kh·kw";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBlock = 512;  // channels of a unit
  static constexpr std::int64_t kMostTaps = 512;

  static bool fits(const Plan& p) {
    return p.inner > 1 && p.d.most_taps() * p.h.most_taps() * p.w.most_taps() <= kMostTaps;
  }
  static std::int64_t blocks(const Plan& p) { return (p.inner + kBlock - 1) / kBlock; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.windows * p.h.windows * blocks(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const std::int64_t again = most_readers(p.d), rows = p.d.windows * p.h.windows, parts = blocks(p);
    const RowOrder order(p.d.windows, p.h.windows, again, p.h.most_taps() * p.w.positions * p.inner * E::kSize);
    const bool streams = may_stream(p);
    KeepAhead ahead = KeepAhead::of<S>(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t c = unit % parts * kBlock, plane = unit / parts / rows;
      const RowOrder::Row row = order.at(unit / parts % rows);
      run_row(p, ahead, plane, row.d, row.h, c, std::min(kBlock, p.inner - c), streams);
    }
    if (streams) finish_streams();
  }

 private:
  // Whether outputs go around the caches: where the input is so large that they would only push parts of it out, and
  // they are made of whole vectors that lie side by side.
  static bool may_stream(const Plan& p) {
    return E::kStreamed && is_large<S>(p) && p.inner % kN == 0 &&
           p.w.out_step == p.inner * E::kSize &&
           (reinterpret_cast<std::intptr_t>(p.out) | p.d.out_step | p.h.out_step | p.outer[0].out_step |
            p.outer[1].out_step) % kBytes == 0;
  }

  // Whether outputs of a row lie behind each other, in all arrays, and so do the elements of their windows.
  static bool lies_in_one_piece(const Plan& p) {
    return !p.w.adaptive() && p.w.stride == 1 && p.w.in_step == p.inner * E::kSize &&
           p.w.out_step == p.inner * E::kSize && p.w.offset_step == p.inner * p.offset_size;
  }

  struct Tap {
    std::int64_t at;  // from the first element of the input that the row of outputs reads, in bytes
    P number;
  };
  struct Window {
    const Tap* taps;
    int count, offset_size;
    bool streams;
  };
  // How many positions have windows alike, and how far they lie behind each other.
  struct Repeat {
    std::int64_t count, in, out, offsets;
  };

  static void run_row(const Plan& p, KeepAhead& ahead, std::int64_t plane, std::int64_t od, std::int64_t oh,
                      std::int64_t c, std::int64_t n, bool streams) {
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    const std::int64_t tap_d = first_tap(p.d, od), tap_h = first_tap(p.h, oh);
    const char* in = p.in + p.in_start(plane) + c * E::kSize + d.first * p.d.in_step + h.first * p.h.in_step;
    char* out = p.out + p.out_start(plane) + c * E::kSize + od * p.d.out_step + oh * p.h.out_step;
    char* offsets =
        p.offsets + p.offsets_start(plane) + c * p.offset_size + od * p.d.offset_step + oh * p.h.offset_step;
    ahead.begin(p, in, d, h);
    Tap taps[kMostTaps];
    std::int64_t known_count = -1, known_tap = -1;
    int count = 0;
    const bool is_one_piece = n == p.inner && lies_in_one_piece(p);
    // What is asked for at once must not be too much for the buffers between the caches.
    const std::int64_t most = is_one_piece || !ahead.asks() ? positions_together(n * E::kSize) : 1;
    const std::int64_t together = std::max<std::int64_t>(most / p.w.stride, 1);
    std::int64_t alike_begin = 0, alike_end = 0, done;  // outputs whose windows lie in the input
    if (!p.w.adaptive()) p.w.inside(alike_begin, alike_end);
    for (std::int64_t ow = 0; ow < p.w.windows;
         ow += done, out += done * p.w.out_step, offsets += done * p.w.offset_step) {
      ahead.come_to(ow * p.w.stride * p.w.in_step);
      const Axis::Taps w = p.w.taps(ow);
      const std::int64_t tap_w = first_tap(p.w, ow);
      if (w.count != known_count || tap_w != known_tap) {
        count = 0;
        for (std::int64_t i = 0; i < d.count; ++i) {
          for (std::int64_t j = 0; j < h.count; ++j) {
            for (std::int64_t k = 0; k < w.count; ++k) {
              taps[count++] = {
                  i * p.d.dilation * p.d.in_step + j * p.h.dilation * p.h.in_step + k * p.w.dilation * p.w.in_step,
                  static_cast<P>(((tap_d + i) * p.window_h + tap_h + j) * p.window_w + tap_w + k)};
            }
          }
        }
        known_count = w.count;
        known_tap = tap_w;
      }
      done = ow >= alike_begin && ow < alike_end ? std::min(together, alike_end - ow) : 1;
      const char* const at = in + w.first * p.w.in_step;
      const Window window{taps, count, p.offset_size, streams};
      if (is_one_piece) {
        positions(window, at, out, offsets, done * n, {1, 0, 0, 0});
      } else {
        positions(window, at, out, offsets, n, {done, p.w.stride * p.w.in_step, p.w.out_step, p.w.offset_step});
      }
    }
  }

  static POOL_INLINE void positions(const Window& window, const char* in, char* out, char* offsets, std::int64_t n,
                                    Repeat again) {
    switch (window.count) {
      case 4: repeated<4>(window, in, out, offsets, n, again); break;
      case 6: repeated<6>(window, in, out, offsets, n, again); break;
      case 8: repeated<8>(window, in, out, offsets, n, again); break;
      case 9: repeated<9>(window, in, out, offsets, n, again); break;
      case 27: repeated<27>(window, in, out, offsets, n, again); break;
      default: repeated<0>(window, in, out, offsets, n, again);
    }
  }

  template <int kTaps>
  static POOL_INLINE void repeated(const Window& window, const char* in, char* out, char* offsets, std::int64_t n,
                                   Repeat again) {
    for (; again.count > 0; --again.count) {
      position<kTaps>(window, in, out, offsets, n);
      in += again.in;
      out += again.out;
      offsets += again.offsets;
    }
  }

  template <int kTaps>
  static POOL_INLINE void position(const Window& window, const char* in, char* out, char* offsets, std::int64_t n) {
    if (n < kN) return surely(window, in, out, offsets, n);
    const std::int64_t head = window.streams ? 0 : elements_to_vector(in + window.taps[0].at, E::kSize, kN, n);
    std::int64_t x = head;
    for (; x + 4 * kN <= n; x += 4 * kN) {
      vectors<kTaps>(window, in, out, offsets, Consecutive<4, kN>{x});
    }
    const Edges<kN> rest(n, head, x);
    int i = 0;
    for (; i + 2 <= rest.count; i += 2) {
      vectors<kTaps>(window, in, out, offsets, Pair{rest.at[i], rest.at[i + 1]});
    }
    if (i < rest.count) vectors<kTaps>(window, in, out, offsets, Consecutive<1, kN>{rest.at[i]});
  }

  template <int kTaps, class Where>
  static POOL_INLINE void vectors(const Window& window, const char* in, char* out, char* offsets, Where x) {
    constexpr int kVectors = Where::kCount;
    const int all = kTaps > 0 ? kTaps : window.count, size = window.offset_size;
    const Tap* const taps = window.taps;
    QuickSearch<V> found[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      found[v].begin(E::load(in + taps[0].at + x.at(v) * E::kSize), taps[0].number);
    }
#pragma GCC unroll 9
    for (int i = 1; i < all; ++i) {
      Places<V> number = fill_vec<P>(taps[i].number);
      keep_in_register<P>(number);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        found[v].next(E::load(in + taps[i].at + x.at(v) * E::kSize), number);
      }
    }
    bool is_sure = true;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) is_sure &= found[v].is_sure();
    if (!is_sure) {
      for (int v = 0; v < kVectors; ++v) {
        surely(window, in + x.at(v) * E::kSize, out + x.at(v) * E::kSize, offsets + x.at(v) * size, kN);
      }
      return;
    }
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      put<E>(out + x.at(v) * E::kSize, found[v].best, window.streams);
      store_places_part<V>(offsets + x.at(v) * size, found[v].place, size, kN);
    }
  }

  // The same for any elements, n of them.
  static __attribute__((noinline)) void surely(const Window& window, const char* in, char* out, char* offsets,
                                               std::int64_t n) {
    const Tap* const taps = window.taps;
    const int size = window.offset_size;
    for (std::int64_t x = 0; x < n; x += kN) {
      const int rest = static_cast<int>(std::min<std::int64_t>(n - x, kN));
      const char* const at = in + x * E::kSize;
      Vec<V> best = E::load_part(at + taps[0].at, rest);
      Places<V> place = fill_vec<P>(taps[0].number);
      for (int i = 1; i < window.count; ++i) {
        take<V>(best, place, E::load_part(at + taps[i].at, rest), fill_vec<P>(taps[i].number));
      }
      E::store_part(out + x * E::kSize, best, rest);
      store_places_part<V>(offsets + x * size, place, size, rest);
    }
  }
};

POOL_END
