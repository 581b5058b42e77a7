// A maximum and its offset where the channels lie innermost: whole vectors of channels, position by position, the
// elements of a window in row-major order. Included once per instruction set, behind backward_lines.h.

template <class S>
struct KeepChannels {
  static constexpr const char* kName = "keep_channels";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBlock = 512;  // channels of a unit
  static constexpr std::int64_t kMostTaps = 512;

  static bool fits(const TrainingPlan& p) {
    return p.inner > 1 && p.d.most_taps() * p.h.most_taps() * p.w.most_taps() <= kMostTaps;
  }
  static std::int64_t blocks(const TrainingPlan& p) { return (p.inner + kBlock - 1) / kBlock; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.out * p.h.out * blocks(p); }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    const std::int64_t again = most_readers(p.d), rows = p.d.out * p.h.out, parts = blocks(p);
    const RowOrder order(p.d.out, p.h.out, again, p.h.most_taps() * p.w.in * p.inner * E::kSize);
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
  static bool may_stream(const TrainingPlan& p) {
    return E::kStreamed && is_large<S>(p) && p.inner % kN == 0 &&
           p.w.out_step == p.inner * E::kSize &&
           (reinterpret_cast<std::intptr_t>(p.out) | p.d.out_step | p.h.out_step | p.outer[0].out_step |
            p.outer[1].out_step) % kBytes == 0;
  }

  // Whether outputs of a row lie behind each other, in all arrays, and so do the elements of their windows.
  static bool is_one_piece(const TrainingPlan& p) {
    return !p.w.adaptive() && p.w.stride == 1 && p.w.in_step == p.inner * E::kSize &&
           p.w.out_step == p.inner * E::kSize && p.w.index_step == p.inner * p.offset_size;
  }

  struct Tap {
    std::int64_t at;  // from the first element of the input that the row of outputs reads, in bytes
    P number;
  };

  static void run_row(const TrainingPlan& p, KeepAhead& ahead, std::int64_t plane, std::int64_t od, std::int64_t oh,
                      std::int64_t c, std::int64_t n, bool streams) {
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    const std::int64_t tap_d = first_tap(p.d, od), tap_h = first_tap(p.h, oh);
    const char* in = p.in + p.in_start(plane) + c * E::kSize + d.first * p.d.in_step + h.first * p.h.in_step;
    char* out = p.out + p.out_start(plane) + c * E::kSize + od * p.d.out_step + oh * p.h.out_step;
    char* offsets = p.offsets + p.offsets_start(plane) + c * p.offset_size + od * p.d.index_step + oh * p.h.index_step;
    ahead.begin(p, in, d, h);
    Tap taps[kMostTaps];
    std::int64_t known_count = -1, known_tap = -1;
    int count = 0;
    const std::int64_t together = n == p.inner && is_one_piece(p) ? positions_together(n * E::kSize) : 1;
    std::int64_t done;
    for (std::int64_t ow = 0; ow < p.w.out; ow += done, out += done * p.w.out_step, offsets += done * p.w.index_step) {
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
      // Where the stride is 1, all windows within the row are alike.
      done = w.count < p.w.window ? 1 : std::min(together, p.w.in - w.first - (w.count - 1) * p.w.dilation);
      const std::int64_t elements = done * n;
      const char* const at = in + w.first * p.w.in_step;
      switch (count) {
        case 4: position<4>(taps, count, at, out, offsets, p.offset_size, elements, streams); break;
        case 6: position<6>(taps, count, at, out, offsets, p.offset_size, elements, streams); break;
        case 9: position<9>(taps, count, at, out, offsets, p.offset_size, elements, streams); break;
        default: position<0>(taps, count, at, out, offsets, p.offset_size, elements, streams);
      }
    }
  }

  template <int kTaps>
  static POOL_INLINE void position(const Tap* taps, int count, const char* in, char* out, char* offsets, int size,
                                   std::int64_t n, bool streams) {
    std::int64_t x = streams ? 0 : elements_to_vector(in + taps[0].at, E::kSize, kN, n);
    if (x > 0) vectors<kTaps, 1>(taps, count, in, out, offsets, size, streams);
    for (; x + 4 * kN <= n; x += 4 * kN) {
      vectors<kTaps, 4>(taps, count, in + x * E::kSize, out + x * E::kSize, offsets + x * size, size, streams);
    }
    if (x + 2 * kN <= n) {
      vectors<kTaps, 2>(taps, count, in + x * E::kSize, out + x * E::kSize, offsets + x * size, size, streams);
      x += 2 * kN;
    }
    if (x + kN <= n) {
      vectors<kTaps, 1>(taps, count, in + x * E::kSize, out + x * E::kSize, offsets + x * size, size, streams);
      x += kN;
    }
    if (x < n) surely(taps, count, in + x * E::kSize, out + x * E::kSize, offsets + x * size, size, n - x);
  }

  template <int kTaps, int kVectors>
  static POOL_INLINE void vectors(const Tap* taps, int count, const char* in, char* out, char* offsets, int size,
                                  bool streams) {
    const int all = kTaps > 0 ? kTaps : count;
    QuickSearch<V> found[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) found[v].begin(E::load(in + taps[0].at + v * kN * E::kSize), taps[0].number);
#pragma GCC unroll 9
    for (int i = 1; i < all; ++i) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) found[v].next(E::load(in + taps[i].at + v * kN * E::kSize), taps[i].number);
    }
    bool is_sure = true;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) is_sure &= found[v].is_sure();
    if (!is_sure) return surely(taps, count, in, out, offsets, size, kVectors * kN);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      put<E>(out + v * kN * E::kSize, found[v].best, streams);
      store_places_part<V>(offsets + v * kN * size, found[v].place, size, kN);
    }
  }

  // The same for any elements, n of them.
  static __attribute__((noinline)) void surely(const Tap* taps, int count, const char* in, char* out, char* offsets,
                                               int size, std::int64_t n) {
    for (std::int64_t x = 0; x < n; x += kN) {
      const int rest = static_cast<int>(std::min<std::int64_t>(n - x, kN));
      const char* const at = in + x * E::kSize;
      Vec<V> best = E::load_part(at + taps[0].at, rest);
      Places<V> place = fill_vec<P>(taps[0].number);
      for (int i = 1; i < count; ++i) {
        take<V>(best, place, E::load_part(at + taps[i].at, rest), fill_vec<P>(taps[i].number));
      }
      E::store_part(out + x * E::kSize, best, rest);
      store_places_part<V>(offsets + x * size, place, size, rest);
    }
  }
};
