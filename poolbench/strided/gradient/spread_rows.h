// The gradient of an average over rows of any strides: along d and h first, then along w.
#pragma once

#include "gradient/rows.h"

POOL_BEGIN

template <class S>
struct SpreadRows : GradientRows<S> {
  using Base = GradientRows<S>;
  using typename Base::E;
  using typename Base::Reader;
  using typename Base::V;
  using Base::kN;
  static constexpr const char* kName = "spread_rows";
  static constexpr const char* kTakes = "rows of any strides: along d and h, then along w";
  static constexpr const char* kCost = "kd·kh + kw";

  // Which rows of windows read a row of positions, and what their elements are multiplied by.
  struct Job {
    int count;
    Reader found[Base::kMostRows];
    double factors[Base::kMostRows];
  };
  // What is the same for all planes.
  struct Prepared {
    ReaderTable rows;
    ReaderTable across;
    FactorTable factors;
    Job jobs[Base::kBand];

    explicit Prepared(const Plan& p) : rows(p.h), across(p.w), factors(p) {}

    void list(const Plan& p, std::int64_t id, std::int64_t ih0, std::int64_t ih1) {
      for (std::int64_t ih = ih0; ih < ih1; ++ih) {
        Job& job = jobs[ih - ih0];
        job.count = Base::list(p, rows, id, ih, job.found);
        for (int i = 0; i < job.count; ++i) job.factors[i] = p.row_factor(job.found[i].od, job.found[i].oh);
      }
    }
  };

  static bool fits(const Plan& p) {
    if (p.inner != 1) return false;
    if (p.w.adaptive()) {
      return Base::slots(p) <= Base::kMostRows && Base::slots(p) * (p.w.windows + kN) <= Base::kRing &&
             p.w.positions + kN <= Base::kLine;
    }
    return Base::block(p) >= kN;
  }
  static std::int64_t units(const Plan& p) { return Base::units(p); }
  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const bool uneven = p.w.adaptive();
    Prepared prepared(p);
    // Where windows overlap, there is more to compute than to write.
    const bool apart = most_readers(p.d) * most_readers(p.h) * most_readers(p.w) == 1;
    RowSink sink(contiguous_bytes<S>(p), apart);
    std::int64_t known_band = -1, known_id = -1;
    const std::int64_t j_first = uneven ? 0 : p.w.lo / p.w.stride;
    const std::int64_t j_end = uneven ? p.w.positions : (p.w.lo + p.w.positions - 1) / p.w.stride + 1;
    const std::int64_t most = uneven ? p.w.positions : Base::block(p), bands = Base::bands(p);
    const std::int64_t together = Base::together(p, (j_end - j_first + most - 1) / most);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands, id = unit / bands % p.d.positions, plane = unit / bands / p.d.positions;
      const std::int64_t ih = band * Base::kBand, ih_end = std::min(p.h.positions, ih + Base::kBand);
      if (band != known_band || id != known_id) prepared.list(p, id, ih, ih_end);
      known_band = band;
      known_id = id;
      for (std::int64_t i = ih; i < ih_end; i += together) {
        for (std::int64_t j = j_first; j < j_end; j += most) {
          run_block(p, prepared, prepared.jobs + (i - ih), sink, plane, id, i, std::min(i + together, ih_end), j,
                    std::min(most, j_end - j));
        }
      }
    }
  }

  static void run_block(const Plan& p, const Prepared& prepared, const Job* jobs, RowSink& sink,
                        std::int64_t plane, std::int64_t id, std::int64_t ih0, std::int64_t ih1, std::int64_t j0,
                        std::int64_t n) {
    alignas(64) V values[Base::kRing];
    alignas(64) V sums[Base::kLine], line[Base::kLine], total[Base::kRing];
    std::int64_t tags[Base::kMostRows];
    const std::int64_t slots = Base::slots(p);
    for (std::int64_t i = 0; i < slots; ++i) tags[i] = -1;
    const auto span = p.w.adaptive() ? typename Base::Span{0, 0, p.w.windows, p.w.windows} : Base::span_of(p.w, j0, n);
    const std::int64_t pitch = (n + kN - 1) / kN * kN, row_length = (span.length + kN - 1) / kN * kN;
    const char* in = p.in + p.in_start(plane) + span.first * p.w.in_step;
    char* out = p.out + p.out_start(plane) + id * p.d.out_step;
    std::int64_t last_first = -1, last_end = -1;
    int last_count = -1;
    const V* ready = line;
    for (std::int64_t ih = ih0; ih < ih1; ++ih) {
      const Job& job = jobs[ih - ih0];
      const Reader* const found = job.found;
      const int count = job.count;
      // Rows that the same windows read get the same.
      const std::int64_t first_tag = count == 0 ? -1 : found[0].oh, end_tag = count == 0 ? -1 : found[count - 1].oh;
      if (count != last_count || first_tag != last_first || end_tag != last_end) {
        for (int i = 0; i < count; ++i) {
          const Reader& reader = found[i];
          if (tags[reader.slot] == reader.od * p.h.windows + reader.oh) continue;
          tags[reader.slot] = reader.od * p.h.windows + reader.oh;
          V* const row = values + reader.slot * row_length;
          Base::clear(row, 0, span.before);
          read_row<S>(in + reader.od * p.d.in_step + reader.oh * p.h.in_step, p.w.in_step, span.count,
                      row + span.before);
          scale(p, prepared, span, job.factors[i], row + span.before);
          Base::clear(row, span.before + span.count, row_length);
        }
        add_rows(found, count, values, row_length, total);
        if (p.w.adaptive()) {
          spread_unevenly(prepared.across, total, sums);
        } else if (p.w.stride > 4 && p.w.window == p.w.stride && p.w.dilation == 1) {
          repeat(p.w, total, n, line);
        } else {
          spread(p.w, total, n, sums, pitch);
          ready = Base::line_up(p.w.stride, n, sums, pitch, line);
        }
        last_count = count;
        last_first = first_tag;
        last_end = end_tag;
      }
      char* const row = out + ih * p.h.out_step;
      if (p.w.adaptive()) {
        write_row<S>(sink.at(row, p.w.positions * E::kSize), p.w.out_step, p.w.positions, sums);
      } else {
        Base::write(p.w, sink, row, j0, n, ready);
      }
    }
  }

 private:
  static void scale(const Plan& p, const Prepared& prepared, const typename Base::Span& span, double row_factor,
                    V* row) {
    if (p.counts_w) {
      for (std::int64_t x = 0; x < span.count; ++x) {
        row[x] *= static_cast<V>(row_factor * prepared.factors.at(span.first + x));
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

  // Windows beside each other: each has its part of the row for itself.
  static void repeat(const Axis& w, const V* total, std::int64_t n, V* line) {
    for (std::int64_t x = 0; x < n; ++x) {
      for (std::int64_t i = 0; i < w.stride; ++i) line[x * w.stride + i] = total[x];
    }
  }

  static void spread_unevenly(const ReaderTable& across, const V* total, V* to) {
    for (std::int64_t x = 0; x < across.axis.positions; ++x) {
      const Readers all = across.at(x);
      V sum = 0;
      for (std::int64_t o = all.first; o <= all.last; ++o) sum += total[o];
      to[x] = sum;
    }
  }
};

POOL_END
