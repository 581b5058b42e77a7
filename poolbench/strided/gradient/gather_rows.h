// The gradient of a maximum over rows of any strides: a window counts where its offset is the number of the element.
#pragma once

#include "gradient/rows.h"

POOL_BEGIN

template <class S>
struct GatherRows : GradientRows<S> {
  using Base = GradientRows<S>;
  using typename Base::P;
  using typename Base::Reader;
  using typename Base::V;
  using Base::kN;
  static constexpr const char* kName = "gather_rows";
  static constexpr const char* kTakes = "rows of any strides, up to 64 elements in the rows of windows that read one";
  static constexpr const char* kCost = "kd·kh·kw / stride";
  static constexpr std::int64_t kMostStride = 32;
  static constexpr std::int64_t kMostTerms = 64;  // for more windows an element, it pays to ask them one by one

  static bool fits(const Plan& p) {
    return p.inner == 1 && !p.w.adaptive() && p.w.stride <= kMostStride && Base::block(p) >= kN &&
           Base::slots(p) * p.w.window <= kMostTerms;
  }
  static std::int64_t units(const Plan& p) { return Base::units(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const Across across(p.w);
    const ReaderTable table(p.h);
    Scratch scratch;
    RowSink sink(contiguous_bytes<S>(p), false);
    const std::int64_t j_first = p.w.lo / p.w.stride, j_end = (p.w.lo + p.w.positions - 1) / p.w.stride + 1;
    const std::int64_t most = std::min(Base::block(p), j_end - j_first), bands = Base::bands(p);
    const std::int64_t row_length = (Base::span_of(p.w, 0, most).length + kN - 1) / kN * kN;
    const std::int64_t together = Base::together(p, (j_end - j_first + most - 1) / most);
    std::int64_t known_band = -1, known_id = -1;
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands, id = unit / bands % p.d.positions, plane = unit / bands / p.d.positions;
      const std::int64_t ih = band * Base::kBand, count = std::min(Base::kBand, p.h.positions - ih);
      if (band != known_band || id != known_id) {
        for (std::int64_t i = 0; i < count; ++i) prepare(p, table, across, row_length, id, ih + i, scratch.jobs[i]);
        known_band = band;
        known_id = id;
      }
      for (std::int64_t i = 0; i < count; i += together) {
        for (std::int64_t j = j_first; j < j_end; j += most) {
          run_block(p, scratch.jobs + i, scratch, sink, row_length, plane, id, ih + i, std::min(together, count - i), j,
                    std::min(most, j_end - j));
        }
      }
    }
  }

 private:
  // Which elements of a window a position with a remainder may be, last first, and how far back their windows lie.
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

  // What is to do for a row of positions, the same in each plane: which rows of windows read it, and which of the
  // packed elements are added where they have the number wanted.
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

  static void prepare(const Plan& p, const ReaderTable& table, const Across& across, std::int64_t row_length,
                      std::int64_t id, std::int64_t ih, Job& job) {
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

  static void run_block(const Plan& p, const Job* jobs, Scratch& scratch, RowSink& sink,
                        std::int64_t row_length, std::int64_t plane, std::int64_t id, std::int64_t ih0,
                        std::int64_t rows, std::int64_t j0, std::int64_t n) {
    std::int64_t tags[Base::kMostRows];
    const std::int64_t slots = Base::slots(p);
    for (std::int64_t i = 0; i < slots; ++i) tags[i] = -1;
    const auto span = Base::span_of(p.w, j0, n);
    const std::int64_t pitch = (n + kN - 1) / kN * kN;
    const char* in = p.in + p.in_start(plane) + span.first * p.w.in_step;
    const char* offsets = p.offsets + p.offsets_start(plane) + span.first * p.w.offset_step;
    char* out = p.out + p.out_start(plane) + id * p.d.out_step + ih0 * p.h.out_step;
    for (std::int64_t i = 0; i < rows; ++i, out += p.h.out_step) {
      const Job& job = jobs[i];
      for (int r = 0; r < job.readers_count; ++r) {
        const Reader& reader = job.found[r];
        const std::int64_t tag = reader.od * p.h.windows + reader.oh;
        if (tags[reader.slot] == tag) continue;
        tags[reader.slot] = tag;
        pack(p, span, in + reader.od * p.d.in_step + reader.oh * p.h.in_step,
             offsets + reader.od * p.d.offset_step + reader.oh * p.h.offset_step, row_length,
             scratch.values + reader.slot * row_length, scratch.places + reader.slot * row_length);
      }
      for (std::int64_t f = 0; f < p.w.stride; ++f) {
        add_up(scratch, job.terms + job.ends[f], job.ends[f + 1] - job.ends[f], n, scratch.sums + f * pitch);
      }
      Base::write(p.w, sink, out, j0, n, Base::line_up(p.w.stride, n, scratch.sums, pitch, scratch.line));
    }
  }

  // A row of windows as values and numbers; beside them stand numbers that nobody looks for.
  static POOL_INLINE void pack(const Plan& p, const typename Base::Span& span, const char* in,
                               const char* offsets, std::int64_t row_length, V* values, P* places) {
    for (std::int64_t x = 0; x < span.before; ++x) values[x] = 0, places[x] = -1;
    read_row<S>(in, p.w.in_step, span.count, values + span.before);
    read_places<V>(offsets, p.w.offset_step, p.offset_size, span.count, places + span.before);
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

POOL_END
