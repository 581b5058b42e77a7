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
  static constexpr std::int64_t kBand = 16;                 // rows of the input of a unit
  static constexpr std::int64_t kRing = 24576 / sizeof(V);  // values of the packed rows
  static constexpr std::int64_t kLine = 6144 / sizeof(V);   // values of a row of the input
  static constexpr std::int64_t kMostRows = 64;

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
    std::int32_t od, oh, slot;
    std::int32_t base;  // the number of the window's first element in this row
  };

  // Lists them in row-major order.
  static int list(const TrainingPlan& p, const ReaderTable& table, std::int64_t id, std::int64_t ih, Reader* found) {
    const std::int64_t ring_d = most_readers(p.d), ring_h = most_readers(p.h);
    const Readers d = readers(p.d, id), h = table.at(ih);
    int count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, id);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        found[count++] = {static_cast<std::int32_t>(od), static_cast<std::int32_t>(oh),
                          static_cast<std::int32_t>((ring_d == 1 ? 0 : od % ring_d * ring_h) +
                                                    (ring_h == 1 ? 0 : oh % ring_h)),
                          static_cast<std::int32_t>((tap_d * p.window_h + tap_h) * p.window_w)};
      }
    }
    return count;
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
    } else if (s == 4) {
      constexpr LaneIndices<V> kAll{};
      for (std::int64_t x = 0; x < n; x += kN) {
        const Vec<V> a = load_vec<V>(sums + x), b = load_vec<V>(sums + pitch + x);
        const Vec<V> c = load_vec<V>(sums + 2 * pitch + x), d = load_vec<V>(sums + 3 * pitch + x);
        const Vec<V> even = zip_low<V>(a, c, kAll), even_2 = zip_high<V>(a, c, kAll);
        const Vec<V> odd = zip_low<V>(b, d, kAll), odd_2 = zip_high<V>(b, d, kAll);
        store_vec<V>(line + 4 * x, zip_low<V>(even, odd, kAll));
        store_vec<V>(line + 4 * x + kN, zip_high<V>(even, odd, kAll));
        store_vec<V>(line + 4 * x + 2 * kN, zip_low<V>(even_2, odd_2, kAll));
        store_vec<V>(line + 4 * x + 3 * kN, zip_high<V>(even_2, odd_2, kAll));
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
  static constexpr std::int64_t kMostTerms = 64;  // for more windows an element, it pays to ask them one by one

  static bool fits(const TrainingPlan& p) {
    return p.inner == 1 && !p.w.adaptive() && p.w.stride <= kMostStride && Base::block(p) >= kN &&
           Base::slots(p) * p.w.window <= kMostTerms;
  }
  static std::int64_t units(const TrainingPlan& p) { return Base::units(p); }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    const Across across(p.w);
    const ReaderTable table(p.h);
    Scratch scratch;
    const std::int64_t j_first = p.w.lo / p.w.stride, j_end = (p.w.lo + p.w.in - 1) / p.w.stride + 1;
    const std::int64_t most = std::min(Base::block(p), j_end - j_first), bands = Base::bands(p);
    const std::int64_t row_length = (Base::span_of(p.w, 0, most).length + kN - 1) / kN * kN;
    std::int64_t known_band = -1, known_id = -1;
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands, id = unit / bands % p.d.in, plane = unit / bands / p.d.in;
      const std::int64_t ih = band * Base::kBand, count = std::min(Base::kBand, p.h.in - ih);
      if (band != known_band || id != known_id) {
        for (std::int64_t i = 0; i < count; ++i) prepare(p, table, across, row_length, id, ih + i, scratch.jobs[i]);
        known_band = band;
        known_id = id;
      }
      for (std::int64_t j = j_first; j < j_end; j += most) {
        run_block(p, scratch, row_length, plane, id, ih, count, j, std::min(most, j_end - j));
      }
    }
  }

 private:
  // Which elements of a window a position with a remainder may be, last first, and how far back their outputs lie.
  struct Across {
    struct Tap {
      std::int32_t back, number;
    };
    Tap taps[kMostTerms];
    int ends[kMostStride + 1];  // those of remainder f are [ends[f], ends[f + 1])

    explicit Across(const Axis& w) {
      int count = 0;
      ends[0] = 0;
      for (std::int64_t f = 0; f < w.stride; ++f) {
        for (std::int64_t k = w.window - 1; k >= 0; --k) {
          const std::int64_t far = k * w.dilation;
          if (far % w.stride != f) continue;
          taps[count++] = {static_cast<std::int32_t>(far / w.stride), static_cast<std::int32_t>(k)};
        }
        ends[f + 1] = count;
      }
    }
  };

  // What is to do for a row of the input, the same in each plane: which rows of outputs read it, and which of the packed
  // elements are added where they have the number wanted.
  struct Term {
    std::int32_t at, wanted;
  };
  struct Job {
    int readers_count;
    Reader found[kMostTerms];
    Term terms[kMostTerms];
    int ends[kMostStride + 1];  // by remainder
  };
  struct Scratch {
    alignas(64) V values[Base::kRing];
    alignas(64) P places[Base::kRing];
    alignas(64) V sums[Base::kLine];
    alignas(64) V line[Base::kLine];
    Job jobs[Base::kBand];
  };

  static void prepare(const TrainingPlan& p, const ReaderTable& table, const Across& across, std::int64_t row_length, std::int64_t id,
                      std::int64_t ih, Job& job) {
    job.readers_count = Base::list(p, table, id, ih, job.found);
    int count = 0;
    job.ends[0] = 0;
    for (std::int64_t f = 0; f < p.w.stride; ++f) {
      for (int i = 0; i < job.readers_count; ++i) {
        const std::int64_t at = job.found[i].slot * row_length + Base::reach(p.w);
        for (int k = across.ends[f]; k < across.ends[f + 1]; ++k) {
          job.terms[count++] = {static_cast<std::int32_t>(at - across.taps[k].back),
                                static_cast<std::int32_t>(job.found[i].base + across.taps[k].number)};
        }
      }
      job.ends[f + 1] = count;
    }
  }

  static void run_block(const TrainingPlan& p, Scratch& scratch, std::int64_t row_length, std::int64_t plane,
                        std::int64_t id, std::int64_t ih0, std::int64_t rows, std::int64_t j0, std::int64_t n) {
    std::int64_t tags[Base::kMostRows];
    const std::int64_t slots = Base::slots(p);
    for (std::int64_t i = 0; i < slots; ++i) tags[i] = -1;
    const auto span = Base::span_of(p.w, j0, n);
    const std::int64_t pitch = (n + kN - 1) / kN * kN;
    const char* out = p.out + p.out_start(plane) + span.first * p.w.out_step;
    const char* offsets = p.offsets + p.offsets_start(plane) + span.first * p.w.index_step;
    char* in = p.in + p.in_start(plane) + id * p.d.in_step + ih0 * p.h.in_step;
    for (std::int64_t i = 0; i < rows; ++i, in += p.h.in_step) {
      const Job& job = scratch.jobs[i];
      for (int r = 0; r < job.readers_count; ++r) {
        const Reader& reader = job.found[r];
        const std::int64_t tag = reader.od * p.h.out + reader.oh;
        if (tags[reader.slot] == tag) continue;
        tags[reader.slot] = tag;
        pack(p, span, out + reader.od * p.d.out_step + reader.oh * p.h.out_step,
             offsets + reader.od * p.d.index_step + reader.oh * p.h.index_step, row_length,
             scratch.values + reader.slot * row_length, scratch.places + reader.slot * row_length);
      }
      for (std::int64_t f = 0; f < p.w.stride; ++f) {
        add_up(scratch, job.terms + job.ends[f], job.ends[f + 1] - job.ends[f], n, scratch.sums + f * pitch);
      }
      Base::write(p, in, j0, n, scratch.sums, pitch, scratch.line);
    }
  }

  // A row of outputs as values and numbers; beside them stand numbers that nobody looks for.
  static POOL_INLINE void pack(const TrainingPlan& p, const typename Base::Span& span, const char* out,
                               const char* offsets, std::int64_t row_length, V* values, P* places) {
    for (std::int64_t x = 0; x < span.before; ++x) values[x] = 0, places[x] = -1;
    read_row<S>(out, p.w.out_step, span.count, values + span.before);
    read_places<V>(offsets, p.w.index_step, p.offset_size, span.count, places + span.before);
    fill_row<V>(values, span.before + span.count, row_length, Vec<V>{});
    fill_row<P>(places, span.before + span.count, row_length, fill_vec<P>(-1));
  }

  static POOL_INLINE void add_up(const Scratch& scratch, const Term* terms, int count, std::int64_t n, V* to) {
    switch (count) {
      case 1: add_terms<1>(scratch, terms, count, n, to); break;
      case 2: add_terms<2>(scratch, terms, count, n, to); break;
      case 3: add_terms<3>(scratch, terms, count, n, to); break;
      case 4: add_terms<4>(scratch, terms, count, n, to); break;
      default: add_terms<0>(scratch, terms, count, n, to);
    }
  }

  template <int kTerms>
  static POOL_INLINE void add_terms(const Scratch& scratch, const Term* terms, int count, std::int64_t n, V* to) {
    const int all = kTerms > 0 ? kTerms : count;
    for (std::int64_t x = 0; x < n; x += kN) {
      Vec<V> sum{};
#pragma GCC unroll 4
      for (int i = 0; i < all; ++i) {
        sum = add_where<V>(sum, load_vec<P>(scratch.places + terms[i].at + x),
                           fill_vec<P>(static_cast<P>(terms[i].wanted)), load_vec<V>(scratch.values + terms[i].at + x));
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
    const bool uneven = p.w.adaptive();
    const ReaderTable table(p.h);
    const std::int64_t j_first = uneven ? 0 : p.w.lo / p.w.stride;
    const std::int64_t j_end = uneven ? p.w.in : (p.w.lo + p.w.in - 1) / p.w.stride + 1;
    const std::int64_t most = uneven ? p.w.in : Base::block(p), bands = Base::bands(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands, id = unit / bands % p.d.in, plane = unit / bands / p.d.in;
      for (std::int64_t j = j_first; j < j_end; j += most) {
        run_block(p, table, plane, id, band * Base::kBand, std::min(p.h.in, (band + 1) * Base::kBand), j,
                  std::min(most, j_end - j));
      }
    }
  }

  static void run_block(const TrainingPlan& p, const ReaderTable& table, std::int64_t plane, std::int64_t id,
                        std::int64_t ih0,
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
      const int count = Base::list(p, table, id, ih, found);
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
