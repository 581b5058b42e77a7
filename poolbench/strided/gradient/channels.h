// Gradients where the channels lie innermost: whole vectors of channels, position by position. Each position adds up what
// the windows that read it have for it, in row-major order.
#pragma once

#include "gradient/column_sums.h"

POOL_BEGIN

template <class S, Op kOp>
struct GradientChannels {
  static constexpr const char* kName = kOp == Op::kMax ? "gather_channels" : "spread_channels";
  static constexpr const char* kTakes = kOp == Op::kMax ? "channels innermost, up to 40 windows on an element"
                                                        : "channels innermost, up to 512 windows on an element";
  static constexpr const char* kCost =
      kOp == Op::kMax ? "kd·kh·kw / stride" : "kd·kh·kw / stride; kh + 1 where three windows along w read one";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  using R = Reads<S, kOp>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kBlock = 512;  // channels of a unit

  static bool fits(const Plan& p) {
    return p.inner > 1 && most_readers(p.d) * most_readers(p.h) * most_readers(p.w) <= R::kMost;
  }
  static std::int64_t blocks(const Plan& p) { return (p.inner + kBlock - 1) / kBlock; }
  static std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * p.h.positions * blocks(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const FactorTable factors(p);
    const bool streams = may_stream(p);
    AheadOf ahead{Ahead(!streams && asks_ahead<S>(p)), Ahead(is_large<S>(p)), Ahead(kOp == Op::kMax && is_large<S>(p))};
    const std::int64_t again = most_readers(p.d), rows = p.d.positions * p.h.positions, parts = blocks(p);
    const RowOrder order(p.d.positions, p.h.positions, again,
                         most_readers(p.h) * p.w.windows * p.inner * (E::kSize + p.offset_size));
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t c = unit % parts * kBlock, plane = unit / parts / rows;
      const RowOrder::Row row = order.at(unit / parts % rows);
      run_row(p, factors, ahead, plane, row.d, row.h, c, std::min(kBlock, p.inner - c), streams);
    }
    if (streams) finish_streams();
  }

 private:
  // Whether the gradient goes around the caches: where it is large, and made of whole vectors that lie side by side.
  static bool may_stream(const Plan& p) {
    return E::kStreamed && is_large<S>(p) && p.inner % kN == 0 &&
           (reinterpret_cast<std::intptr_t>(p.out) | p.d.out_step | p.h.out_step | p.outer[0].out_step |
            p.outer[1].out_step) % kBytes == 0;
  }

  using Row = typename R::Row;
  using Read = typename R::Read;
  using List = typename R::List;
  using Shift = typename R::Shift;

  struct AheadOf {
    Ahead out, in, offsets;
  };
  // How many positions the same list holds for, and how far they, and their windows, lie behind each other.
  struct Repeat {
    std::int64_t count, step;
    Shift shift;
  };

  static void run_row(const Plan& p, const FactorTable& factors, AheadOf& ahead, std::int64_t plane,
                      std::int64_t id, std::int64_t ih, std::int64_t c, std::int64_t n, bool streams) {
    const char* in = p.in + p.in_start(plane) + c * E::kSize;
    const char* offsets = kOp == Op::kMax ? p.offsets + p.offsets_start(plane) + c * p.offset_size : nullptr;
    char* out = p.out + p.out_start(plane) + c * E::kSize + id * p.d.out_step + ih * p.h.out_step;
    Row rows[R::kMost];
    const int count = R::rows(p, id, ih, in, offsets, rows);
    Read reads[R::kMost];
    typename R::Middle middle(p, factors, rows, count);
    // Twice as many were measured to be faster with larger strides, and far slower with stride 1.
    const std::int64_t together = positions_together(n * E::kSize) * (p.w.stride == 1 ? 1 : 2);
    const bool is_one_piece = n == p.inner && lies_in_one_piece(p);
    const bool by_columns = kOp == Op::kAvg && ColumnSums<S>::fits(p, count, n);
    std::int64_t done;
    if (kOp == Op::kAvg && is_full(p.w)) {  // one list for the whole row
      const List found{reads, R::list(p, factors, rows, count, 0, reads)};
      for (std::int64_t iw = 0; iw < p.w.positions; iw += done, out += done * p.w.out_step) {
        ahead.out.come_to(out + n * E::kSize);
        done = std::min(together, p.w.positions - iw);
        positions(found, {0, 0}, out, p.offset_size, n, {done, p.w.out_step, {0, 0}}, streams);
      }
      return;
    }
    for (std::int64_t iw = 0; iw < p.w.positions; iw += done, out += done * p.w.out_step) {
      ahead.out.come_to(out + n * E::kSize);
      const bool is_middle = iw >= middle.begin && iw < middle.end;
      const std::int64_t periods = is_middle ? middle.periods(iw, by_columns ? p.w.positions : together) : 0;
      Shift shift{0, 0};
      if (is_middle) {
        shift = middle.shift();
        if (count > 0) {  // the last row of windows is the one that no row of positions before has read
          ahead.in.come_to(rows[count - 1].values + shift.value);
          if (kOp == Op::kMax) ahead.offsets.come_to(rows[count - 1].offsets + shift.offset);
        }
      }
      if (periods > 0 && by_columns) {
        done = periods;
        column_sums(p, middle.list(), shift, out, n, done);
      } else if (periods > 0 && !is_one_piece) {
        done = periods * p.w.stride;
        const Repeat again{periods, p.w.stride * p.w.out_step, {p.w.in_step, p.w.offset_step}};
        for (std::int64_t i = 0; i < p.w.stride; ++i) {
          positions(middle.list(i), shift, out + i * p.w.out_step, p.offset_size, n, again, streams);
        }
      } else {
        done = std::max<std::int64_t>(periods, 1);
        const List found = is_middle ? middle.list() : List{reads, R::list(p, factors, rows, count, iw, reads)};
        positions(found, shift, out, p.offset_size, done * n, {1, 0, {0, 0}}, streams);
      }
      if (is_middle) middle.go_on(periods);
    }
  }

  // All positions that a list holds for, `count` of them.
  static void column_sums(const Plan& p, List list, Shift shift, char* to, std::int64_t n, std::int64_t count) {
    using C = ColumnSums<S>;
    typename C::Row rows[C::kMostRows];
    const int rows_count = list.count / C::kWindow;
    for (int i = 0; i < rows_count; ++i) {
      const Read& first = list.reads[i * C::kWindow];
      rows[i] = {first.value + shift.value, first.factor};
    }
    C::positions(p, rows, rows_count, to, n, count);
  }

  // Whether positions of a row lie behind each other, in all arrays, and so do the windows that read them.
  static bool lies_in_one_piece(const Plan& p) {
    return p.w.stride == 1 && p.w.out_step == p.inner * E::kSize && p.w.in_step == p.inner * E::kSize &&
           (kOp == Op::kAvg || p.w.offset_step == p.inner * p.offset_size);
  }

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

template <class S>
using GatherChannels = GradientChannels<S, Op::kMax>;
template <class S>
using SpreadChannels = GradientChannels<S, Op::kAvg>;

POOL_END
