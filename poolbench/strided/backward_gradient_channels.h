// Gradients where the channels lie innermost: whole vectors of channels, position by position. Each position adds up what
// the outputs that read it have for it, in row-major order. Included once per instruction set, behind backward_lines.h.

template <class S, Op kOp>
struct GradientChannels {
  static constexpr const char* kName = kOp == Op::kMax ? "gather_channels" : "spread_channels";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBlock = 512;  // channels of a unit
  static constexpr std::int64_t kMostReads = kOp == Op::kMax ? 40 : 512;

  static bool fits(const TrainingPlan& p) {
    return p.inner > 1 && most_readers(p.d) * most_readers(p.h) * most_readers(p.w) <= kMostReads;
  }
  static std::int64_t blocks(const TrainingPlan& p) { return (p.inner + kBlock - 1) / kBlock; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * p.h.in * blocks(p); }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    const FactorTable factors(p);
    const bool streams = may_stream(p);
    AheadOf ahead{Ahead(!streams && asks_ahead<S>(p)), Ahead(is_large<S>(p)), Ahead(kOp == Op::kMax && is_large<S>(p))};
    const std::int64_t again = most_readers(p.d), rows = p.d.in * p.h.in, parts = blocks(p);
    const RowOrder order(p.d.in, p.h.in, again, most_readers(p.h) * p.w.out * p.inner * (E::kSize + p.offset_size));
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t c = unit % parts * kBlock, plane = unit / parts / rows;
      const RowOrder::Row row = order.at(unit / parts % rows);
      run_row(p, factors, ahead, plane, row.d, row.h, c, std::min(kBlock, p.inner - c), streams);
    }
    if (streams) finish_streams();
  }

 private:
  // Whether the gradient goes around the caches: where it is large, and made of whole vectors that lie side by side.
  static bool may_stream(const TrainingPlan& p) {
    return E::kStreamed && is_large<S>(p) && p.inner % kN == 0 &&
           (reinterpret_cast<std::intptr_t>(p.in) | p.d.in_step | p.h.in_step | p.outer[0].in_step |
            p.outer[1].in_step) % kBytes == 0;
  }

  struct AheadOf {
    Ahead in, out, offsets;
  };
  // A row of outputs that reads the row of the input in hand.
  struct Row {
    const char* values;
    const char* offsets;  // for maxima
    P base;
    double factor;        // for averages
  };
  // An output that reads the position in hand.
  struct Read {
    const char* value;
    const char* offset;  // for maxima
    P wanted;
    V factor;            // for averages
  };
  struct List {
    const Read* reads;
    int count;
  };
  // How far, in bytes, the outputs of a list lie beyond what it says.
  struct Shift {
    std::int64_t value, offset;
  };
  // How many positions the same list holds for, and how far they, and their outputs, lie behind each other.
  struct Repeat {
    std::int64_t count, step;
    Shift shift;
  };

  static void run_row(const TrainingPlan& p, const FactorTable& factors, AheadOf& ahead, std::int64_t plane,
                      std::int64_t id, std::int64_t ih, std::int64_t c, std::int64_t n, bool streams) {
    const char* out = p.out + p.out_start(plane) + c * E::kSize;
    const char* offsets = kOp == Op::kMax ? p.offsets + p.offsets_start(plane) + c * p.offset_size : nullptr;
    char* in = p.in + p.in_start(plane) + c * E::kSize + id * p.d.in_step + ih * p.h.in_step;
    const Readers d = readers(p.d, id), h = readers(p.h, ih);
    Row rows[kMostReads];
    int count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, id);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        Row& row = rows[count++];
        row.values = out + od * p.d.out_step + oh * p.h.out_step;
        row.offsets = kOp == Op::kMax ? offsets + od * p.d.index_step + oh * p.h.index_step : nullptr;
        row.base = static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w);
        row.factor = kOp == Op::kAvg ? p.row_factor(od, oh) : 1.0;
      }
    }
    Read reads[kMostReads];
    Middle middle(p, factors, rows, count);
    // Twice as many were measured to be faster with larger strides, and far slower with stride 1.
    const std::int64_t together = positions_together(n * E::kSize) * (p.w.stride == 1 ? 1 : 2);
    const bool is_one_piece = n == p.inner && lies_in_one_piece(p);
    std::int64_t done;
    for (std::int64_t iw = 0; iw < p.w.in; iw += done, in += done * p.w.in_step) {
      ahead.in.come_to(in + n * E::kSize);
      const bool is_middle = iw >= middle.begin && iw < middle.end;
      const std::int64_t periods = is_middle ? middle.periods(iw, together) : 0;
      Shift shift{0, 0};
      if (is_middle) {
        shift = middle.shift();
        if (count > 0) {  // the last row of outputs is the one that no row of the input before has read
          ahead.out.come_to(rows[count - 1].values + shift.value);
          if (kOp == Op::kMax) ahead.offsets.come_to(rows[count - 1].offsets + shift.offset);
        }
      }
      if (periods > 0 && !is_one_piece) {
        done = periods * p.w.stride;
        const Repeat again{periods, p.w.stride * p.w.in_step, {p.w.out_step, p.w.index_step}};
        for (std::int64_t i = 0; i < p.w.stride; ++i) {
          positions(middle.list(i), shift, in + i * p.w.in_step, p.offset_size, n, again, streams);
        }
      } else {
        done = std::max<std::int64_t>(periods, 1);
        const List found = is_middle ? middle.list() : List{reads, list(p, factors, rows, count, iw, reads)};
        positions(found, shift, in, p.offset_size, done * n, {1, 0, {0, 0}}, streams);
      }
      if (is_middle) middle.go_on(periods);
    }
  }

  // Whether positions of a row lie behind each other, in all arrays, and so do the outputs that read them.
  static bool lies_in_one_piece(const TrainingPlan& p) {
    return p.w.stride == 1 && p.w.in_step == p.inner * E::kSize && p.w.out_step == p.inner * E::kSize &&
           (kOp == Op::kAvg || p.w.index_step == p.inner * p.offset_size);
  }

  // Lists the outputs that read a position.
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
          read.offset = nullptr;
          read.factor = static_cast<V>(rows[i].factor * factors.at(ow));
        }
      }
    }
    return count;
  }

  // Between the edges of a row the outputs that read a position are those of the position one stride before, one output
  // further. So they are listed once, for each remainder of the position by the stride.
  class Middle {
   public:
    std::int64_t begin = 0, end = 0;  // positions [begin, end) of the row

    Middle(const TrainingPlan& p, const FactorTable& factors, const Row* rows, int count) : w_(p.w) {
      if (w_.adaptive() || w_.dilation != 1 || w_.stride > kMostLists || count * w_.window > kMostListed) return;
      // Outputs [low, high] whose windows count alike.
      const std::int64_t low = p.counts_w ? (w_.lo + w_.stride - 1) / w_.stride : 0;
      const std::int64_t inside = w_.in + w_.lo - w_.window;
      const std::int64_t high = !p.counts_w ? w_.out - 1 : inside < 0 ? -1 : std::min(w_.out - 1, inside / w_.stride);
      begin = std::max<std::int64_t>((low - 1) * w_.stride + w_.window - w_.lo, 0);
      end = std::min((high + 1) * w_.stride - w_.lo, w_.in);
      if (begin >= end) return;
      remainder_ = (begin + w_.lo) % w_.stride;
      const std::int64_t last = (begin + w_.lo) / w_.stride;
      shift_ = {last * w_.out_step, last * w_.index_step};
      Read* read = reads_;
      for (std::int64_t f = 0; f < w_.stride; ++f) {
        lists_[f].reads = read;
        for (int i = 0; i < count; ++i) {
          // Position at + lo = last * stride + f.
          for (std::int64_t back = (w_.window - 1 - f) / w_.stride; f < w_.window && back >= 0; --back, ++read) {
            read->value = rows[i].values - back * w_.out_step;
            if constexpr (kOp == Op::kMax) {
              read->offset = rows[i].offsets - back * w_.index_step;
              read->wanted = rows[i].base + static_cast<P>(back * w_.stride + f);
            } else {
              read->offset = nullptr;
              read->factor = static_cast<V>(rows[i].factor * factors.at(low));
            }
          }
        }
        lists_[f].count = static_cast<int>(read - lists_[f].reads);
      }
    }
    Middle(const Middle&) = delete;
    Middle& operator=(const Middle&) = delete;

    // What reads the position in hand, the first of them to begin with.
    List list() const { return lists_[remainder_]; }
    List list(std::int64_t remainder) const { return lists_[remainder]; }
    Shift shift() const { return shift_; }
    // How many times as many positions as the stride are left from position `at` on, which is the one in hand, as far as
    // `most` positions; 0 where such do not begin there.
    std::int64_t periods(std::int64_t at, std::int64_t most) const {
      if (remainder_ != 0) return 0;
      return std::min(most, end - at) / w_.stride;
    }
    // Goes on by as many, or by one position where there are none.
    POOL_INLINE void go_on(std::int64_t periods) {
      if (periods == 0) {
        if (++remainder_ < w_.stride) return;
        remainder_ = 0;
        periods = 1;
      }
      shift_.value += periods * w_.out_step;
      shift_.offset += periods * w_.index_step;
    }

   private:
    static constexpr std::int64_t kMostLists = 32, kMostListed = 128;
    const Axis& w_;
    std::int64_t remainder_ = 0;
    Shift shift_{0, 0};
    List lists_[kMostLists];
    Read reads_[kMostListed];
  };

  static POOL_INLINE void positions(List list, Shift shift, char* to, int size, std::int64_t n, Repeat again,
                                    bool streams) {
    switch (list.count) {
      case 1: counted<1>(list, shift, to, size, n, again, streams); break;
      case 2: counted<2>(list, shift, to, size, n, again, streams); break;
      case 4: counted<4>(list, shift, to, size, n, again, streams); break;
      case 9: counted<9>(list, shift, to, size, n, again, streams); break;
      default: counted<0>(list, shift, to, size, n, again, streams);
    }
  }

  template <int kReads>
  static POOL_INLINE void counted(const List& list, Shift shift, char* to, int size, std::int64_t n, Repeat again,
                                  bool streams) {
    if (kOp == Op::kMax && size == 1) {
      sized<kReads, 1>(list, shift, to, n, again, streams);
    } else if (kOp == Op::kMax && size == 2) {
      sized<0, 2>(list, shift, to, n, again, streams);
    } else {
      sized<kOp == Op::kMax ? 0 : kReads, 4>(list, shift, to, n, again, streams);
    }
  }

  template <int kReads, int kSize>
  static POOL_INLINE void sized(const List& list, Shift shift, char* to, std::int64_t n, Repeat again, bool streams) {
    for (; again.count > 0; --again.count) {
      position<kReads, kSize>(list, shift, to, n, streams);
      to += again.step;
      shift.value += again.shift.value;
      shift.offset += again.shift.offset;
    }
  }

  template <int kReads, int kSize>
  static POOL_INLINE void position(const List& list, Shift shift, char* to, std::int64_t n, bool streams) {
    std::int64_t x = 0;
    if (kReads != 1 && list.count > 1 && !streams) {
      x = elements_to_vector(list.reads[0].value + shift.value, E::kSize, kN, n);
      if (x > 0) vectors<kReads, kSize, 1>(list, shift, to, 0, streams);
    }
    for (; x + 4 * kN <= n; x += 4 * kN) vectors<kReads, kSize, 4>(list, shift, to, x, streams);
    if (x + 2 * kN <= n) {
      vectors<kReads, kSize, 2>(list, shift, to, x, streams);
      x += 2 * kN;
    }
    if (x + kN <= n) {
      vectors<kReads, kSize, 1>(list, shift, to, x, streams);
      x += kN;
    }
    if (x < n) {
      const int rest = static_cast<int>(n - x);
      Vec<V> sum{};
      for (int i = 0; i < list.count; ++i) {
        const Read& read = list.reads[i];
        const Vec<V> value = E::load_part(read.value + shift.value + x * E::kSize, rest);
        if constexpr (kOp == Op::kMax) {
          const Places<V> places = load_places_part<V, kSize>(read.offset + shift.offset + x * kSize, rest);
          sum = add_where<V>(sum, places, fill_vec<P>(read.wanted), value);
        } else {
          sum += value * fill_vec<V>(read.factor);
        }
      }
      E::store_part(to + x * E::kSize, sum, rest);
    }
  }

  template <int kReads, int kSize, int kVectors>
  static POOL_INLINE void vectors(const List& list, Shift shift, char* to, std::int64_t x, bool streams) {
    const int all = kReads > 0 ? kReads : list.count;
    Vec<V> sums[kVectors] = {};
#pragma GCC unroll 9
    for (int i = 0; i < all; ++i) {
      const Read& read = list.reads[i];
      add<kSize>(sums, read, read.value + shift.value + x * E::kSize,
                 kOp == Op::kMax ? read.offset + shift.offset + x * kSize : nullptr);
    }
    to += x * E::kSize;
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) put<E>(to + v * kN * E::kSize, sums[v], streams);
  }

  template <int kSize, int kVectors>
  static POOL_INLINE void add(Vec<V> (&sums)[kVectors], const Read& read, const char* values, const char* offsets) {
#if POOL_AVX512
    if constexpr (kOp == Op::kMax && kSize == 1 && sizeof(V) == 4) {
      return add_where_bytes<S>(sums, offsets, _mm_set1_epi8(static_cast<char>(read.wanted)), values);
    }
#endif
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Vec<V> value = E::load(values + v * kN * E::kSize);
      if constexpr (kOp == Op::kMax) {
        const Places<V> places = load_places<V, kSize>(offsets + v * kN * kSize);
        sums[v] = add_where<V>(sums[v], places, fill_vec<P>(read.wanted), value);
      } else {
        sums[v] += value * fill_vec<V>(read.factor);
      }
    }
  }
};
