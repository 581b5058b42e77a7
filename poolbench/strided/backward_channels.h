// Training where the channels lie innermost: whole vectors of channels, position by position. Included once per
// instruction set.

// A maximum and its offset: the elements of a window in row-major order, wherever they lie.
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
    const std::int64_t parts = blocks(p);
    KeepAhead ahead = KeepAhead::of<S>(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t c = unit % parts * kBlock, row = unit / parts;
      const std::int64_t oh = row % p.h.out, od = row / p.h.out % p.d.out, plane = row / p.h.out / p.d.out;
      run_row(p, ahead, plane, od, oh, c, std::min(kBlock, p.inner - c));
    }
  }

 private:
  struct Tap {
    std::int64_t at;  // from the first element of the input that the row of outputs reads, in bytes
    P number;
  };

  static void run_row(const TrainingPlan& p, KeepAhead& ahead, std::int64_t plane, std::int64_t od, std::int64_t oh,
                      std::int64_t c, std::int64_t n) {
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    const std::int64_t tap_d = first_tap(p.d, od), tap_h = first_tap(p.h, oh);
    const char* in = p.in + p.in_start(plane) + c * E::kSize + d.first * p.d.in_step + h.first * p.h.in_step;
    char* out = p.out + p.out_start(plane) + c * E::kSize + od * p.d.out_step + oh * p.h.out_step;
    char* offsets = p.offsets + p.offsets_start(plane) + c * p.offset_size + od * p.d.index_step + oh * p.h.index_step;
    const char* const last =
        in + (d.count - 1) * p.d.dilation * p.d.in_step + (h.count - 1) * p.h.dilation * p.h.in_step;
    Tap taps[kMostTaps];
    std::int64_t known_count = -1, known_tap = -1;
    int count = 0;
    for (std::int64_t ow = 0; ow < p.w.out; ++ow, out += p.w.out_step, offsets += p.w.index_step) {
      ahead.last.come_to(last + ow * p.w.stride * p.w.in_step);
      ahead.first.come_to(in + ow * p.w.stride * p.w.in_step);
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
      const char* const at = in + w.first * p.w.in_step;
      switch (count) {
        case 4: position<4>(taps, count, at, out, offsets, p.offset_size, n); break;
        case 6: position<6>(taps, count, at, out, offsets, p.offset_size, n); break;
        case 9: position<9>(taps, count, at, out, offsets, p.offset_size, n); break;
        default: position<0>(taps, count, at, out, offsets, p.offset_size, n);
      }
    }
  }

  template <int kTaps>
  static POOL_INLINE void position(const Tap* taps, int count, const char* in, char* out, char* offsets, int size,
                                   std::int64_t n) {
    const int all = kTaps > 0 ? kTaps : count;
    std::int64_t x = 0;
    for (; x + kN <= n; x += kN) {
      const char* const at = in + x * E::kSize;
      Vec<V> best = E::load(at + taps[0].at);
      Places<V> place = fill_vec<P>(taps[0].number);
#pragma GCC unroll 9
      for (int i = 1; i < all; ++i) take<V>(best, place, E::load(at + taps[i].at), taps[i].number);
      E::store(out + x * E::kSize, best);
      store_places_part<V>(offsets + x * size, place, size, kN);
    }
    if (x < n) {
      const int rest = static_cast<int>(n - x);
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

// Gradients: the outputs that read a position, in row-major order.
template <class S, Op kOp>
struct GradientChannels {
  static constexpr const char* kName = kOp == Op::kMax ? "gather_channels" : "spread_channels";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBlock = 512;
  static constexpr std::int64_t kMostReads = kOp == Op::kMax ? 40 : 512;

  static bool fits(const TrainingPlan& p) {
    return p.inner > 1 && most_readers(p.d) * most_readers(p.h) * most_readers(p.w) <= kMostReads;
  }
  static std::int64_t blocks(const TrainingPlan& p) { return (p.inner + kBlock - 1) / kBlock; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * p.h.in * blocks(p); }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    const FactorTable factors(p);
    Ahead ahead(asks_ahead<S>(p));
    const std::int64_t parts = blocks(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t c = unit % parts * kBlock, row = unit / parts;
      const std::int64_t ih = row % p.h.in, id = row / p.h.in % p.d.in, plane = row / p.h.in / p.d.in;
      run_row(p, factors, ahead, plane, id, ih, c, std::min(kBlock, p.inner - c));
    }
  }

 private:
  struct Read {
    const char* value;
    const char* offset;  // for maxima
    P wanted;
    V factor;            // for averages
  };
  // A row of outputs that reads the row of the input in hand.
  struct Row {
    const char* values;
    const char* offsets;
    P base;
    double factor;
  };

  static void run_row(const TrainingPlan& p, const FactorTable& factors, Ahead& ahead, std::int64_t plane,
                      std::int64_t id, std::int64_t ih, std::int64_t c, std::int64_t n) {
    const char* out = p.out + p.out_start(plane) + c * E::kSize;
    const char* offsets = kOp == Op::kMax ? p.offsets + p.offsets_start(plane) + c * p.offset_size : nullptr;
    char* in = p.in + p.in_start(plane) + c * E::kSize + id * p.d.in_step + ih * p.h.in_step;
    const Readers d = readers(p.d, id), h = readers(p.h, ih);
    Row rows[kMostReads];
    int rows_count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, id);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        Row& row = rows[rows_count++];
        row.values = out + od * p.d.out_step + oh * p.h.out_step;
        row.offsets = kOp == Op::kMax ? offsets + od * p.d.index_step + oh * p.h.index_step : nullptr;
        row.base = static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w);
        row.factor = kOp == Op::kAvg ? p.row_factor(od, oh) : 1.0;
      }
    }
    Read reads[kMostReads];
    const bool plain = !p.w.adaptive() && p.w.dilation == 1;
    const std::int64_t stride = p.w.stride;
    // The outputs [first, end) along w read a position: they move on with it, so that nothing is divided.
    std::int64_t first = 0, end = 0, first_ends = p.w.window - p.w.lo, end_begins = -p.w.lo;
    for (std::int64_t iw = 0; iw < p.w.in; ++iw, in += p.w.in_step) {
      int count = 0;
      if (plain) {
        for (; first_ends <= iw && first < p.w.out; first_ends += stride) ++first;
        for (; end_begins <= iw && end < p.w.out; end_begins += stride) ++end;
        for (int i = 0; i < rows_count; ++i) {
          const char* value = rows[i].values + first * p.w.out_step;
          const char* offset = rows[i].offsets + first * p.w.index_step;
          P number = rows[i].base + static_cast<P>(iw + p.w.lo - first * stride);
          for (std::int64_t ow = first; ow < end; ++ow, value += p.w.out_step) {
            Read& read = reads[count++];
            read.value = value;
            if constexpr (kOp == Op::kMax) {
              read.offset = offset;
              read.wanted = number;
              offset += p.w.index_step;
              number -= static_cast<P>(stride);
            } else {
              read.factor = static_cast<V>(rows[i].factor * factors.at(ow));
            }
          }
        }
      } else {
        count = list(p, factors, rows, rows_count, iw, reads);
      }
      ahead.come_to(in + n * E::kSize);
      switch (count) {
        case 1: position<1>(reads, count, in, p.offset_size, n); break;
        case 2: position<2>(reads, count, in, p.offset_size, n); break;
        case 4: position<4>(reads, count, in, p.offset_size, n); break;
        case 9: position<9>(reads, count, in, p.offset_size, n); break;
        default: position<0>(reads, count, in, p.offset_size, n);
      }
    }
  }

  // Dilated and adaptive windows.
  static int list(const TrainingPlan& p, const FactorTable& factors, const Row* rows, int rows_count,
                  std::int64_t iw, Read* reads) {
    const Readers w = readers(p.w, iw);
    int count = 0;
    for (int i = 0; i < rows_count; ++i) {
      for (std::int64_t ow = w.first; ow <= w.last; ++ow) {
        const std::int64_t tap_w = tap_at(p.w, ow, iw);
        if (tap_w < 0) continue;
        Read& read = reads[count++];
        read.value = rows[i].values + ow * p.w.out_step;
        if constexpr (kOp == Op::kMax) {
          read.offset = rows[i].offsets + ow * p.w.index_step;
          read.wanted = rows[i].base + static_cast<P>(tap_w);
        } else {
          read.factor = static_cast<V>(rows[i].factor * factors.at(ow));
        }
      }
    }
    return count;
  }

  template <int kReads>
  static POOL_INLINE void position(const Read* reads, int count, char* to, int size, std::int64_t n) {
    if (kOp == Op::kMax && size == 1) {
      sized<kReads, 1>(reads, count, to, n);
    } else if (kOp == Op::kMax && size == 2) {
      sized<0, 2>(reads, count, to, n);
    } else {
      sized<kOp == Op::kMax ? 0 : kReads, 4>(reads, count, to, n);
    }
  }

  template <int kReads, int kSize>
  static POOL_INLINE void sized(const Read* reads, int count, char* to, std::int64_t n) {
    const int all = kReads > 0 ? kReads : count;
    std::int64_t x = 0;
#if POOL_AVX512
    if constexpr (kOp == Op::kMax && kSize == 1 && sizeof(V) == 4) {
      for (; x + 4 * kN <= n; x += 4 * kN) {
        Vec<V> sums[4] = {};
#pragma GCC unroll 9
        for (int i = 0; i < all; ++i) {
          add_where_bytes<S>(sums, reads[i].offset + x, _mm512_set1_epi8(static_cast<char>(reads[i].wanted)),
                             reads[i].value + x * E::kSize);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) E::store(to + (x + i * kN) * E::kSize, sums[i]);
      }
    }
#endif
    for (; x + kN <= n; x += kN) {
      Vec<V> sum{};
#pragma GCC unroll 9
      for (int i = 0; i < all; ++i) {
        const Vec<V> value = E::load(reads[i].value + x * E::kSize);
        if constexpr (kOp == Op::kMax) {
          const Places<V> places = load_places<V, kSize>(reads[i].offset + x * kSize);
          sum = add_where<V>(sum, places, fill_vec<P>(reads[i].wanted), value);
        } else {
          sum += value * fill_vec<V>(reads[i].factor);
        }
      }
      E::store(to + x * E::kSize, sum);
    }
    if (x < n) {
      const int rest = static_cast<int>(n - x);
      Vec<V> sum{};
      for (int i = 0; i < count; ++i) {
        const Vec<V> value = E::load_part(reads[i].value + x * E::kSize, rest);
        if constexpr (kOp == Op::kMax) {
          const Places<V> places = load_places_part<V, kSize>(reads[i].offset + x * kSize, rest);
          sum = add_where<V>(sum, places, fill_vec<P>(reads[i].wanted), value);
        } else {
          sum += value * fill_vec<V>(reads[i].factor);
        }
      }
      E::store_part(to + x * E::kSize, sum, rest);
    }
  }
};
