// Gradients over rows of any strides, each row of the input at once: the rows of outputs that read it are packed into
// scratch memory, added up in row-major order, and written. Included once per instruction set.
//
// Position x of a row is x + lo = j * stride + f. Which elements of windows it may be depends on the remainder f alone,
// and the outputs that read it lie beside j: so for each remainder the outputs are shifted and added as whole vectors.

template <class S>
struct GradientRows {
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBand = 32;                 // rows of the input of a unit
  static constexpr std::int64_t kRing = 24576 / sizeof(V);  // values of the packed rows
  static constexpr std::int64_t kLine = 6144 / sizeof(V);   // values of a row of the input
  static constexpr std::int64_t kMostRows = 64;
  static constexpr std::int64_t kMostTaps = 32;             // of a row of a window

  static std::int64_t slots(const TrainingPlan& p) { return most_readers(p.d) * most_readers(p.h); }
  static std::int64_t reach(const Axis& w) { return (w.window - 1) * w.dilation / w.stride; }

  // How many j a block has: what the scratch memory has room for.
  static std::int64_t block(const TrainingPlan& p) {
    if (slots(p) > kMostRows || p.w.stride > kLine / (2 * kN)) return 0;
    return std::min(kRing / slots(p) - reach(p.w) - 3 * kN, kLine / p.w.stride - kN) / kN * kN;
  }

  static std::int64_t bands(const TrainingPlan& p) { return (p.h.in + kBand - 1) / kBand; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * bands(p); }

  // A row of outputs that reads the row of the input in hand.
  struct Reader {
    std::int64_t od, oh, slot;
    P base;  // the number of the window's first element in this row
  };

  // Lists them in row-major order.
  static int list(const TrainingPlan& p, std::int64_t id, std::int64_t ih, Reader* found) {
    const std::int64_t ring_d = most_readers(p.d), ring_h = most_readers(p.h);
    const Readers d = readers(p.d, id), h = readers(p.h, ih);
    int count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, id);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        found[count++] = {od, oh, (ring_d == 1 ? 0 : od % ring_d * ring_h) + (ring_h == 1 ? 0 : oh % ring_h),
                          static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w)};
      }
    }
    return count;
  }

  // Lets an engine do each block of a range of units, with what it has prepared for all.
  template <class Engine, class Prepared>
  static void run_units(const TrainingPlan& p, const Prepared& prepared, std::int64_t first, std::int64_t last) {
    const std::int64_t j_first = p.w.lo / p.w.stride, j_end = (p.w.lo + p.w.in - 1) / p.w.stride + 1;
    const std::int64_t most = block(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands(p), id = unit / bands(p) % p.d.in, plane = unit / bands(p) / p.d.in;
      for (std::int64_t j = j_first; j < j_end; j += most) {
        Engine::run_block(p, prepared, plane, id, band * kBand, std::min(p.h.in, (band + 1) * kBand), j,
                          std::min(most, j_end - j));
      }
    }
  }

  // The outputs that a packed row holds: those from `first` on that exist, behind `before` that do not.
  struct Span {
    std::int64_t first, before, count, length;
  };
  static Span span_of(const Axis& w, std::int64_t j0, std::int64_t n) {
    Span span;
    const std::int64_t begin = j0 - reach(w);
    span.length = (n + kN - 1) / kN * kN + reach(w) + kN;
    span.first = std::max<std::int64_t>(begin, 0);
    span.before = span.first - begin;
    span.count = std::max<std::int64_t>(std::min(w.out, j0 + n) - span.first, 0);
    return span;
  }

  static POOL_INLINE void clear(V* row, std::int64_t from, std::int64_t to) {
    std::int64_t x = from;
    for (; x + kN <= to; x += kN) store_vec<V>(row + x, Vec<V>{});
    for (; x < to; ++x) row[x] = 0;
  }

  // Writes sums[f * pitch + j] for all j of the block, wherever they lie in the row. `line` is scratch.
  static void write(const TrainingPlan& p, char* row, std::int64_t j0, std::int64_t n, const V* sums, std::int64_t pitch,
                    V* line) {
    const Axis& w = p.w;
    const std::int64_t s = w.stride;
    if (s == 2) {
      for (std::int64_t x = 0; x < n; x += kN) {
        const Vec<V> a = load_vec<V>(sums + x), b = load_vec<V>(sums + pitch + x);
        store_vec<V>(line + 2 * x, zip_low<V>(a, b, LaneIndices<V>{}));
        store_vec<V>(line + 2 * x + kN, zip_high<V>(a, b, LaneIndices<V>{}));
      }
    } else if (s > 2) {
      for (std::int64_t f = 0; f < s; ++f) {
        for (std::int64_t x = 0; x < n; ++x) line[x * s + f] = sums[f * pitch + x];
      }
    }
    const std::int64_t begin = std::max<std::int64_t>(j0 * s - w.lo, 0), end = std::min(w.in, (j0 + n) * s - w.lo);
    write_row<S>(row + begin * w.in_step, w.in_step, end - begin, (s == 1 ? sums : line) + (begin + w.lo - j0 * s));
  }
};

// The gradient of a maximum: an output counts where its offset is the number of the element.
template <class S>
struct GatherRows : GradientRows<S> {
  using Base = GradientRows<S>;
  using typename Base::P;
  using typename Base::Reader;
  using typename Base::V;
  using Base::kN;
  static constexpr const char* kName = "gather_rows";
  static constexpr std::int64_t kMostStride = 32;
  static constexpr std::int64_t kMostReads = 40;  // for more windows an element, it pays to ask them one by one

  // Which elements of a window a position with a remainder may be, last first, and how far back their outputs lie.
  struct Across {
    struct Tap {
      std::int64_t back;
      P number;
    };
    Tap taps[Base::kMostTaps];
    int ends[kMostStride + 1];  // those of remainder f are [ends[f], ends[f + 1])
  };
  static Across across_of(const Axis& w) {
    Across across;
    int count = 0;
    across.ends[0] = 0;
    for (std::int64_t f = 0; f < w.stride; ++f) {
      for (std::int64_t k = w.window - 1; k >= 0; --k) {
        const std::int64_t far = k * w.dilation;
        if (far % w.stride == f) across.taps[count++] = {far / w.stride, static_cast<P>(k)};
      }
      across.ends[f + 1] = count;
    }
    return across;
  }

  static bool fits(const TrainingPlan& p) {
    if (p.inner != 1 || p.w.adaptive() || p.w.window > Base::kMostTaps || p.w.stride > kMostStride ||
        Base::block(p) < kN) {
      return false;
    }
    return Base::slots(p) * most_readers(p.w) <= kMostReads;
  }
  static std::int64_t units(const TrainingPlan& p) { return Base::units(p); }
  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    Base::template run_units<GatherRows>(p, across_of(p.w), first, last);
  }

  static void run_block(const TrainingPlan& p, const Across& across, std::int64_t plane, std::int64_t id,
                        std::int64_t ih0, std::int64_t ih1, std::int64_t j0, std::int64_t n) {
    alignas(64) V values[Base::kRing];
    alignas(64) P places[Base::kRing];
    alignas(64) V sums[Base::kLine], line[Base::kLine];
    std::int64_t tags[Base::kMostRows];
    Reader found[Base::kMostRows];
    const std::int64_t slots = Base::slots(p);
    for (std::int64_t i = 0; i < slots; ++i) tags[i] = -1;
    const auto span = Base::span_of(p.w, j0, n);
    const std::int64_t pitch = (n + kN - 1) / kN * kN, row_length = (span.length + kN - 1) / kN * kN;
    const char* out = p.out + p.out_start(plane) + span.first * p.w.out_step;
    const char* offsets = p.offsets + p.offsets_start(plane) + span.first * p.w.index_step;
    char* in = p.in + p.in_start(plane) + id * p.d.in_step;
    for (std::int64_t ih = ih0; ih < ih1; ++ih) {
      const int count = Base::list(p, id, ih, found);
      for (int i = 0; i < count; ++i) {
        const Reader& reader = found[i];
        if (tags[reader.slot] == reader.od * p.h.out + reader.oh) continue;
        tags[reader.slot] = reader.od * p.h.out + reader.oh;
        V* const row = values + reader.slot * row_length;
        P* const row_places = places + reader.slot * row_length;
        for (std::int64_t x = 0; x < span.before; ++x) row[x] = 0, row_places[x] = -1;
        read_row<S>(out + reader.od * p.d.out_step + reader.oh * p.h.out_step, p.w.out_step, span.count,
                    row + span.before);
        read_places<V>(offsets + reader.od * p.d.index_step + reader.oh * p.h.index_step, p.w.index_step, p.offset_size,
                       span.count, row_places + span.before);
        fill_row<V>(row, span.before + span.count, row_length, Vec<V>{});
        fill_row<P>(row_places, span.before + span.count, row_length, fill_vec<P>(-1));
      }
      add_up(p, across, found, count, values, places, row_length, n, sums, pitch);
      Base::write(p, in + ih * p.h.in_step, j0, n, sums, pitch, line);
    }
  }

 private:
  struct Term {
    const V* values;
    const P* places;
    P wanted;
  };

  static void add_up(const TrainingPlan& p, const Across& across, const Reader* found, int count, const V* values, const P* places,
                     std::int64_t row_length, std::int64_t n, V* sums, std::int64_t pitch) {
    const std::int64_t reach = Base::reach(p.w);
    for (std::int64_t f = 0; f < p.w.stride; ++f) {
      Term terms[kMostReads + 1];
      int terms_count = 0;
      for (int i = 0; i < count; ++i) {
        const std::int64_t row = found[i].slot * row_length;
        for (int k = across.ends[f]; k < across.ends[f + 1]; ++k) {
          const std::int64_t at = row + reach - across.taps[k].back;
          terms[terms_count++] = {values + at, places + at, found[i].base + across.taps[k].number};
        }
      }
      switch (terms_count) {
        case 1: add_terms<1>(terms, terms_count, n, sums + f * pitch); break;
        case 2: add_terms<2>(terms, terms_count, n, sums + f * pitch); break;
        case 3: add_terms<3>(terms, terms_count, n, sums + f * pitch); break;
        case 4: add_terms<4>(terms, terms_count, n, sums + f * pitch); break;
        case 6: add_terms<6>(terms, terms_count, n, sums + f * pitch); break;
        case 9: add_terms<9>(terms, terms_count, n, sums + f * pitch); break;
        default: add_terms<0>(terms, terms_count, n, sums + f * pitch);
      }
    }
  }

  template <int kTerms>
  static POOL_INLINE void add_terms(const Term* terms, int count, std::int64_t n, V* to) {
    const int all = kTerms > 0 ? kTerms : count;
    for (std::int64_t x = 0; x < n; x += kN) {
      Vec<V> sum{};
#pragma GCC unroll 9
      for (int i = 0; i < all; ++i) {
        sum = add_where<V>(sum, load_vec<P>(terms[i].places + x), fill_vec<P>(terms[i].wanted),
                           load_vec<V>(terms[i].values + x));
      }
      store_vec<V>(to + x, sum);
    }
  }
};

// The gradient of an average: along d and h first, then along w.
template <class S>
struct SpreadRows : GradientRows<S> {
  using Base = GradientRows<S>;
  using typename Base::E;
  using typename Base::Reader;
  using typename Base::V;
  using Base::kN;
  static constexpr const char* kName = "spread_rows";

  static bool fits(const TrainingPlan& p) {
    if (p.inner != 1) return false;
    if (p.w.adaptive()) return Base::slots(p) <= Base::kMostRows && Base::slots(p) * (p.w.out + kN) <= Base::kRing &&
                               p.w.in + kN <= Base::kLine;
    return Base::block(p) >= kN;
  }
  static std::int64_t units(const TrainingPlan& p) { return Base::units(p); }
  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    if (!p.w.adaptive()) {
      Base::template run_units<SpreadRows>(p, 0, first, last);
      return;
    }
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t bands = Base::bands(p), band = unit % bands;
      run_block(p, 0, unit / bands / p.d.in, unit / bands % p.d.in, band * Base::kBand,
                std::min(p.h.in, (band + 1) * Base::kBand), 0, p.w.in);
    }
  }

  static void run_block(const TrainingPlan& p, int, std::int64_t plane, std::int64_t id, std::int64_t ih0,
                        std::int64_t ih1, std::int64_t j0, std::int64_t n) {
    alignas(64) V values[Base::kRing];
    alignas(64) V sums[Base::kLine], line[Base::kLine], total[Base::kRing];
    std::int64_t tags[Base::kMostRows];
    Reader found[Base::kMostRows];
    const std::int64_t slots = Base::slots(p);
    for (std::int64_t i = 0; i < slots; ++i) tags[i] = -1;
    const auto span = p.w.adaptive() ? typename Base::Span{0, 0, p.w.out, p.w.out} : Base::span_of(p.w, j0, n);
    const std::int64_t pitch = (n + kN - 1) / kN * kN, row_length = (span.length + kN - 1) / kN * kN;
    const char* out = p.out + p.out_start(plane) + span.first * p.w.out_step;
    char* in = p.in + p.in_start(plane) + id * p.d.in_step;
    std::int64_t last_first = -1, last_end = -1;
    int last_count = -1;
    for (std::int64_t ih = ih0; ih < ih1; ++ih) {
      const int count = Base::list(p, id, ih, found);
      // Rows that the same outputs read get the same.
      const std::int64_t first_tag = count == 0 ? -1 : found[0].oh, end_tag = count == 0 ? -1 : found[count - 1].oh;
      if (count != last_count || first_tag != last_first || end_tag != last_end) {
        for (int i = 0; i < count; ++i) {
          const Reader& reader = found[i];
          if (tags[reader.slot] == reader.od * p.h.out + reader.oh) continue;
          tags[reader.slot] = reader.od * p.h.out + reader.oh;
          V* const row = values + reader.slot * row_length;
          Base::clear(row, 0, span.before);
          read_row<S>(out + reader.od * p.d.out_step + reader.oh * p.h.out_step, p.w.out_step, span.count,
                      row + span.before);
          scale(p, span, p.row_factor(reader.od, reader.oh), row + span.before);
          Base::clear(row, span.before + span.count, row_length);
        }
        add_rows(found, count, values, row_length, total);
        if (p.w.adaptive()) {
          spread_unevenly(p.w, total, sums);
        } else {
          spread(p.w, total, n, sums, pitch);
        }
        last_count = count;
        last_first = first_tag;
        last_end = end_tag;
      }
      char* const row = in + ih * p.h.in_step;
      if (p.w.adaptive()) {
        write_row<S>(row, p.w.in_step, p.w.in, sums);
      } else {
        Base::write(p, row, j0, n, sums, pitch, line);
      }
    }
  }

 private:
  static void scale(const TrainingPlan& p, const typename Base::Span& span, double row_factor, V* row) {
    if (p.counts_w) {
      for (std::int64_t x = 0; x < span.count; ++x) {
        row[x] *= static_cast<V>(row_factor * p.factor(p.w, span.first + x));
      }
      return;
    }
    const Vec<V> factor = fill_vec<V>(static_cast<V>(row_factor));
    std::int64_t x = 0;
    for (; x + kN <= span.count; x += kN) store_vec<V>(row + x, load_vec<V>(row + x) * factor);
    for (; x < span.count; ++x) row[x] *= static_cast<V>(row_factor);
  }

  static void add_rows(const Reader* found, int count, const V* values, std::int64_t row_length, V* total) {
    for (std::int64_t x = 0; x < row_length; x += kN) {
      Vec<V> sum{};
      for (int i = 0; i < count; ++i) sum += load_vec<V>(values + found[i].slot * row_length + x);
      store_vec<V>(total + x, sum);
    }
  }

  static void spread(const Axis& w, const V* total, std::int64_t n, V* sums, std::int64_t pitch) {
    const std::int64_t reach = Base::reach(w);
    for (std::int64_t f = 0; f < w.stride; ++f) {
      V* const to = sums + f * pitch;
      bool fresh = true;
      for (std::int64_t k = w.window - 1; k >= 0; --k) {
        const std::int64_t far = k * w.dilation;
        if (far % w.stride != f) continue;
        const V* const from = total + reach - far / w.stride;
        if (fresh) {
          for (std::int64_t x = 0; x < n; x += kN) store_vec<V>(to + x, load_vec<V>(from + x));
        } else {
          for (std::int64_t x = 0; x < n; x += kN) store_vec<V>(to + x, load_vec<V>(to + x) + load_vec<V>(from + x));
        }
        fresh = false;
      }
      if (fresh) Base::clear(to, 0, pitch);
    }
  }

  static void spread_unevenly(const Axis& w, const V* total, V* to) {
    for (std::int64_t x = 0; x < w.in; ++x) {
      const Readers all = readers(w, x);
      V sum = 0;
      for (std::int64_t o = all.first; o <= all.last; ++o) sum += total[o];
      to[x] = sum;
    }
  }
};
