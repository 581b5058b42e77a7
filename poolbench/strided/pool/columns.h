// Large or adaptive windows of few outputs in a row: the rows of a window are combined as they lie, which leaves one value for each
// column; those of as many planes as a vector has lanes are turned, so that a vector holds one column of all of them; and
// columns are combined place by place, whatever the windows, without any thought of where rows end. So what is turned
// is a row for each row of outputs, and not the whole plane. For AVX-512 and AVX2.
#pragma once

#if POOL_AVX512
#include "pool/stripes.h"
#endif
#include "simd/combine.h"
#include "simd/turn_planes.h"

POOL_BEGIN

template <class O>
struct Columns {
  using Stored = typename O::Stored;
  using Value = typename O::Value;
  static constexpr const char* kName = "columns";
  static constexpr const char* kTakes =
      "few outputs in a row, of large or adaptive windows: rows are combined as they lie, and those of many planes turned";
  static constexpr const char* kCost = "kd·kh + kw, and 7 for each column";
  static constexpr std::int64_t kSize = sizeof(Stored);
  static constexpr std::int64_t kN = O::kCount;
  static constexpr bool kInFloat = std::is_same_v<O, FloatAvg>;
  static constexpr std::int64_t kMostPlaces = 512;  // columns that are turned at once: all rows of planes beyond the caches
  static constexpr std::int64_t kFewPlaces = 128;   // of others, as long as rows are so short: 8 KiB
  static constexpr std::int64_t kPitch = kMostPlaces + 2 * kN;
  static constexpr std::int64_t kMostColumns = 64;   // outputs along w
  static constexpr std::int64_t kFewColumns = 16;    // up to which all windows pay
  static constexpr std::int64_t kShortRow = 7;       // up to which it is faster than what walks down in stripes
  static constexpr std::int64_t kLargeBytes = std::int64_t{4} << 20;  // inputs from here on are asked for
  static constexpr std::int64_t kBlock = 8;         // rows that are combined by turns into two
  static constexpr int kLongest = kFewElements - 1; // chain of additions in float

  static bool fits(const Plan& plan) {
    if (plan.inner != 1 || plan.w.in_step != kSize || plan.w.out_step != kSize) return false;
    if (plan.w.windows > kMostColumns || plan.w.positions > kMostPlaces) return false;
    const Plan p = with_planes(plan);
    if (!follows(p.h.windows, p.h.out_step, p.w.windows * kSize)) return false;
    if (!follows(p.d.windows, p.d.out_step, p.h.windows * p.w.windows * kSize)) return false;
    if (p.planes() < kN / 2) return false;
    if (kInFloat && longest_chain(p) >= kLongest) return false;
    return pays(p);
  }

  // A unit is a band of rows of outputs of as many planes as there are lanes.
  static std::int64_t units(const Plan& plan) {
    const Plan p = with_planes(plan);
    return groups(p) * bands(p);
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Columns self(p);
    for (; first < last; ++first) self.unit(first);
  }

 private:
  static bool follows(std::int64_t count, std::int64_t step, std::int64_t extent) {
    return count == 1 || step == extent;
  }

  // Rows that are pooled each by itself, as in one dimension, are planes of one row.
  static Plan with_planes(Plan p) {
    if (p.h.positions == 1 || !is_identity(p.h) || !is_single(p.d)) return p;
    if (p.outer[0].count > 1 && p.outer[1].count > 1) return p;
    if (p.outer[1].count > 1) p.outer[0] = p.outer[1];
    p.outer[1].count = p.h.positions;
    p.outer[1].in_step = p.h.in_step;
    p.outer[1].out_step = p.h.out_step;
    p.h.positions = p.h.windows = 1;
    return p;
  }

  // Where it was measured to be faster than the engines behind it in the list.
  static bool pays(const Plan& p) {
#if POOL_AVX2
    // Planes of few outputs, which are too short for stripes. What shares much is better put together place by place.
    const bool is_small = p.w.windows < 6 && (O::kIsMax || p.w.windows < 3) && p.h.windows > 1 && p.h.windows <= 16;
    if (is_small) return true;
    if (!p.w.adaptive() && 2 * p.w.stride < p.w.window) return false;
#endif
    if (O::kIsMax ? !leaves_most(p) : has_few_elements(p)) return false;
    if (p.w.windows > kFewColumns && !p.w.adaptive() && p.w.stride <= 4) return false;
#if POOL_AVX512
    const bool is_large = input_bytes(p, kSize) >= 2 * kAskedBytes;
    if (is_large && reads_far_apart(p)) return false;
    if (p.w.window == 4 && p.w.stride == 4 && p.w.windows > kN / 2) return false;  // rows have a way of their own for it
    if (O::kIsMax && p.h.positions == 1 && p.w.window < 8 && p.w.stride <= 4 && p.w.windows >= kN / 2) return false;
    if (!Stripes<O>::fits(p)) return true;
    if (StripesLayout<O>::known_rows(p) >= 0 || (is_large && (O::kIsMax || !p.w.adaptive()))) return false;
    return (p.w.adaptive() || p.w.stride > 1) && p.w.windows <= kShortRow && widest(p.w) > 2;
#else
    return true;
#endif
  }
  // Maxima of more than few elements that share little: others are put together in steps.
  static bool leaves_most(const Plan& p) {
    return p.w.adaptive() || (p.w.window > 3 && 2 * p.w.windows <= p.w.positions);
  }
#if POOL_AVX512
  // Large planes, of an array that comes from memory: as many places at once as there are lanes are more than a processor
  // foresees, and where planes are whole pages they compete for the same lines of the caches. Rows go through adaptive
  // windows one by one, which only pays where they are tall.
  static bool reads_far_apart(const Plan& p) {
    constexpr std::int64_t kFar = 64 << 10, kQuiteFar = 48 << 10, kLarge = 8, kTall = O::kIsMax ? 12 : 8;
    if (p.outer[1].in_step < (p.w.most_taps() >= kLarge ? kQuiteFar : kFar)) return false;
    return !p.w.adaptive() || p.h.most_taps() >= kTall;
  }
  static std::int64_t widest(const Axis& axis) {
    return axis.adaptive() && axis.positions % axis.windows == 0 ? axis.positions / axis.windows : axis.most_taps();
  }
#endif

  static std::int64_t groups(const Plan& p) { return (p.planes() + kN - 1) / kN; }
  static std::int64_t all_rows(const Plan& p) { return p.d.windows * p.h.windows; }
  static std::int64_t bands(const Plan& p) {
    const std::int64_t places = is_large(p) ? kMostPlaces : kFewPlaces;
    const std::int64_t rows = std::max<std::int64_t>(1, places / std::max(p.w.positions, p.w.windows));
    return (all_rows(p) + rows - 1) / rows;
  }
  static bool is_large(const Plan& p) { return input_bytes(p, kSize) >= kLargeBytes; }

  // The additions behind each other that n rows or columns take, as combine_few and combine_many do it.
  static constexpr int chain(std::int64_t n) {
    if (n > kBlock) return 1 + chain(first_part(n));
    return static_cast<int>(n < 2 ? 0 : (n + 1) / 2);
  }
  static constexpr std::int64_t first_part(std::int64_t n) { return ((n + 1) / 2 + kBlock - 1) / kBlock * kBlock; }
  static int longest_chain(const Plan& p) {
    const std::int64_t deep = p.d.most_taps(), high = p.h.most_taps();
    const std::int64_t longest = std::max<std::int64_t>(deep - 1 + chain(high), chain(std::min(deep * high, kBlock)));
    return static_cast<int>(std::min<std::int64_t>(longest, kLongest));
  }

  // A row of outputs: where the first row that it reads lies in a plane, and how many there are.
  struct Row {
    std::int64_t offset, deep, high;
    double factor;
  };

  explicit Columns(const Plan& plan)
      : p(with_planes(plan)), bands_(bands(p)), ahead_(is_large(p) ? kN * p.outer[1].in_step : 0) {
    for (std::int64_t o = 0; o < p.w.windows; ++o) {
      const Axis::Taps taps = p.w.taps(o);
      first_[o] = taps.first * kN;
      count_[o] = taps.count;
      factors_[o] = !O::kIsMax && p.counts_w ? p.factor(p.w, o) : 1;
    }
    mask_ = p.w.positions < kN ? mask_of(p.w.positions) : 0;
    deep_step_ = p.d.dilation * p.d.in_step;
    high_step_ = p.h.dilation * p.h.in_step;
    if constexpr (kInFloat) {
      for (const int left = kLongest - longest_chain(p); piece_ < kBlock && chain(piece_ + 1) <= left;) ++piece_;
    }
  }

  void unit(std::int64_t number) {
    const std::int64_t band = number % bands_, rows = all_rows(p);
    const std::int64_t begin = band * rows / bands_, end = (band + 1) * rows / bands_;
    list_planes(number / bands_ * kN);
    if (band != band_) list_rows(begin, end);
    band_ = band;
    for (std::int64_t r = 0; r < end - begin; ++r) {
      if (ahead_ != 0) {
        mask_ == 0 ? down<false, true>(r) : down<true, true>(r);
      } else {
        mask_ == 0 ? down<false, false>(r) : down<true, false>(r);
      }
    }
    const std::int64_t places = (end - begin) * p.w.positions;
    for (std::int64_t x = 0; x < places; x += kN) {
      Block<sizeof(Value)>::whole([&](int i) { return reinterpret_cast<const char*>(columns_[i] + x); },
                                  [&](int i) { return reinterpret_cast<char*>(turned_ + (x + i) * kN); });
    }
    across(end - begin);
    out((end - begin) * p.w.windows, begin * p.w.windows * kSize);
  }

  void list_planes(std::int64_t plane) {
    planes_ = static_cast<int>(std::min(kN, p.planes() - plane));
    std::int64_t c = plane % p.outer[1].count, n = plane / p.outer[1].count;
    alike_ = c + planes_ <= p.outer[1].count && planes_ == kN;
    if (alike_) {
      const char* in = p.in + n * p.outer[0].in_step + c * p.outer[1].in_step;
      char* out = p.out + n * p.outer[0].out_step + c * p.outer[1].out_step;
      for (int i = 0; i < kN; ++i, in += p.outer[1].in_step, out += p.outer[1].out_step) in_[i] = in, out_[i] = out;
      return;
    }
    for (int i = 0; i < kN; ++i) {
      in_[i] = p.in + n * p.outer[0].in_step + c * p.outer[1].in_step;
      out_[i] = p.out + n * p.outer[0].out_step + c * p.outer[1].out_step;
      if (i + 1 >= planes_) continue;  // lanes without a plane do the last one's work again
      if (++c == p.outer[1].count) c = 0, ++n;
    }
  }

  void list_rows(std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t od = r / p.h.windows, oh = r % p.h.windows;
      const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
      rows_[r - begin] = {d.first * p.d.in_step + h.first * p.h.in_step, d.count, h.count,
                          O::kIsMax ? 1 : p.row_factor(od, oh)};
    }
  }

  // A row that is shorter than a vector.
#if POOL_AVX512
  static std::uint64_t mask_of(std::int64_t width) { return (std::uint64_t{1} << width) - 1; }
  static POOL_INLINE VecFor<O> load_short(const char* at, std::uint64_t mask) { return O::load_some(at, mask); }
#else
  static std::uint64_t mask_of(std::int64_t width) { return static_cast<std::uint64_t>(width); }
  static POOL_INLINE VecFor<O> load_short(const char* at, std::uint64_t width) {
    return O::load_part(at, static_cast<int>(width));
  }
#endif

  // The rows of windows combined, for row r of outputs of all planes.
  template <bool kMasked, bool kAsks>
  void down(std::int64_t r) {
    const Row& row = rows_[r];
    const std::int64_t width = p.w.positions, count = row.deep * row.high;
    Value* const to = columns_[0] + r * width;
    if (count > kBlock) {
      for (int i = 0; i < kN; ++i) tall<kMasked, kAsks>(row, in_[i] + row.offset, to + i * kPitch);
      return;
    }
    std::int64_t offsets[kBlock];
    for (std::int64_t j = 0; j < count; ++j) {
      offsets[j] = row.offset + j / row.high * deep_step_ + j % row.high * high_step_;
    }
    for (std::int64_t x = 0; x < width; x += kN) {
      const std::int64_t from = kMasked ? 0 : std::min(x, width - kN);
      switch (count) {
        case 0: none(to + from); break;
        case 1: few<kMasked, kAsks, 1>(offsets, from, to + from); break;
        case 2: few<kMasked, kAsks, 2>(offsets, from, to + from); break;
        case 3: few<kMasked, kAsks, 3>(offsets, from, to + from); break;
        case 4: few<kMasked, kAsks, 4>(offsets, from, to + from); break;
        case 5: few<kMasked, kAsks, 5>(offsets, from, to + from); break;
        case 6: few<kMasked, kAsks, 6>(offsets, from, to + from); break;
        case 7: few<kMasked, kAsks, 7>(offsets, from, to + from); break;
        default: few<kMasked, kAsks, 8>(offsets, from, to + from);
      }
    }
  }
  static void none(Value* to) {
    for (int i = 0; i < kN; ++i) store_vec<Value>(to + i * kPitch, O::neutral());
  }
  // What is written behind the end of a short row is written over by the next one.
  template <bool kMasked, bool kAsks, int kRows>
  __attribute__((noinline)) void few(const std::int64_t* offsets, std::int64_t from, Value* to) const {
    const std::uint64_t mask = mask_;
    const std::int64_t ahead = ahead_;
    std::int64_t own[kRows];
    for (int j = 0; j < kRows; ++j) own[j] = offsets[j] + from * kSize;
    for (int i = 0; i < kN; ++i, to += kPitch) {
      const char* at = in_[i];
      VecFor<O> rows[kRows];
#pragma GCC unroll 8
      for (int j = 0; j < kRows; ++j) rows[j] = kMasked ? load_short(at + own[j], mask) : O::load(at + own[j]);
#pragma GCC unroll 8
      for (int j = 0; kAsks && j < kRows; ++j) ask(at + own[j] + ahead);
#pragma GCC unroll 8
      for (int j = 2; j < kRows; ++j) rows[j % 2] = O::combine(rows[j % 2], rows[j]);
      store_vec<Value>(to, kRows > 1 ? O::combine(rows[0], rows[kRows > 1 ? 1 : 0]) : rows[0]);
    }
  }

  template <bool kMasked, bool kAsks>
  void tall(const Row& row, const char* at, Value* to) {
    const std::int64_t width = p.w.positions;
    for (std::int64_t x = 0; x < width;) {
      if (kMasked || width - x <= kN || width < 2 * kN) {
        x = kMasked ? 0 : std::min(x, width - kN);
        tall<1, kMasked, kAsks>(row, at + x * kSize, to + x);
        x += kN;
      } else {
        x = std::min(x, width - 2 * kN);
        tall<2, false, kAsks>(row, at + x * kSize, to + x);
        x += 2 * kN;
      }
    }
  }
  template <int kWide, bool kMasked, bool kAsks>
  POOL_INLINE void tall(const Row& row, const char* at, Value* to) {
    VecFor<O> all[kWide];
    combine_high<kWide, kMasked, kAsks>(at, row.high, all);
    for (std::int64_t i = 1; i < row.deep; ++i) {
      VecFor<O> more[kWide];
      combine_high<kWide, kMasked, kAsks>(at += deep_step_, row.high, more);
      for (int k = 0; k < kWide; ++k) all[k] = O::combine(all[k], more[k]);
    }
    for (int k = 0; k < kWide; ++k) store_vec<Value>(to + k * kN, all[k]);
  }

  template <int kWide, bool kMasked, bool kAsks>
  POOL_INLINE void combine_high(const char* at, std::int64_t n, VecFor<O>* all) {
    n > kBlock ? combine_many<kWide, kMasked, kAsks>(at, n, all) : combine_few<kWide, kMasked, kAsks>(at, n, all);
  }
  // In halves, so that chains stay short.
  template <int kWide, bool kMasked, bool kAsks>
  __attribute__((noinline)) void combine_many(const char* at, std::int64_t n, VecFor<O>* all) {
    if (n <= kBlock) return combine_few<kWide, kMasked, kAsks>(at, n, all);
    VecFor<O> more[kWide];
    combine_many<kWide, kMasked, kAsks>(at, first_part(n), all);
    combine_many<kWide, kMasked, kAsks>(at + first_part(n) * high_step_, n - first_part(n), more);
    for (int k = 0; k < kWide; ++k) all[k] = O::combine(all[k], more[k]);
  }
  template <int kWide, bool kMasked, bool kAsks>
  POOL_INLINE void combine_few(const char* at, std::int64_t n, VecFor<O>* all) {
    const std::int64_t step = high_step_;
    VecFor<O> even[kWide], odd[kWide];
    load<kWide, kMasked, kAsks>(at, even);
    if (n > 1) {
      load<kWide, kMasked, kAsks>(at + step, odd);
      std::int64_t j = 2;
      for (at += 2 * step; j + 2 <= n; j += 2, at += 2 * step) {
        more<kWide, kMasked, kAsks>(at, even);
        more<kWide, kMasked, kAsks>(at + step, odd);
      }
      if (j < n) more<kWide, kMasked, kAsks>(at, even);
      for (int k = 0; k < kWide; ++k) even[k] = O::combine(even[k], odd[k]);
    }
    for (int k = 0; k < kWide; ++k) all[k] = even[k];
  }
  template <int kWide, bool kMasked, bool kAsks>
  POOL_INLINE void load(const char* at, VecFor<O>* row) const {
    for (int k = 0; k < kWide; ++k) {
      if (kAsks) ask(at + k * kN * kSize + ahead_);
    }
    for (int k = 0; k < kWide; ++k) row[k] = kMasked ? load_short(at, mask_) : O::load(at + k * kN * kSize);
  }
  template <int kWide, bool kMasked, bool kAsks>
  POOL_INLINE void more(const char* at, VecFor<O>* all) const {
    VecFor<O> row[kWide];
    load<kWide, kMasked, kAsks>(at, row);
    for (int k = 0; k < kWide; ++k) all[k] = O::combine(all[k], row[k]);
  }

  // Asks for memory as the next planes will be read: their rows are too short for the processor to foresee it.
  static POOL_INLINE void ask(const char* at) { __builtin_prefetch(at, 0, 2); }

  // The columns of windows, a vector for each.
  void across(std::int64_t rows) {
    char* to = results_;
    const Value* row = turned_;
    for (std::int64_t r = 0; r < rows; ++r, row += p.w.positions * kN) {
      for (std::int64_t o = 0; o < p.w.windows; ++o, to += kN * kSize) {
        const double factor = rows_[r].factor * factors_[o];
        if (kInFloat && count_[o] > piece_) {
          put_long(to, row + first_[o], count_[o], factor);
        } else {
          const VecFor<O> value = count_[o] > 0 ? columns(row + first_[o], count_[o]) : O::neutral();
          O::store(to, value, fill_vec<Value>(static_cast<Value>(factor)));
        }
      }
    }
  }
  POOL_INLINE VecFor<O> columns(const Value* at, std::int64_t n) const {
    const std::int64_t step = p.w.dilation * kN;
    VecFor<O> even = load_vec<Value>(at);
    if (n == 1) return even;
    VecFor<O> odd = load_vec<Value>(at + step);
    std::int64_t j = 2;
    for (at += 2 * step; j + 2 <= n; j += 2, at += 2 * step) {
      even = O::combine(even, load_vec<Value>(at));
      odd = O::combine(odd, load_vec<Value>(at + step));
    }
    if (j < n) even = O::combine(even, load_vec<Value>(at));
    return O::combine(even, odd);
  }
  // Where chains would be too long: pieces in float, and these in double.
  POOL_INLINE void put_long(char* to, const Value* at, std::int64_t n, double factor) const {
    if constexpr (kInFloat) {
      Vec<double> low{}, high{};
      for (; n > 0; n -= piece_, at += piece_ * p.w.dilation * kN) {
        add_widened(columns(at, std::min(n, piece_)), low, high);
      }
      const Vec<double> own = fill_vec<double>(factor);
      Widened<float>::store(to, low * own);
      Widened<float>::store(to + kBytes / 2, high * own);
    }
  }

  // `count` outputs of each plane, which begin `offset` bytes behind its first one.
  void out(std::int64_t count, std::int64_t offset) {
    if constexpr (std::is_same_v<Value, Stored>) {
      if (alike_ && bands_ == 1 && p.outer[1].out_step == count * kSize) {
        switch (count) {
          case 2: interleave_out<2>(); return;
          case 4: interleave_out<4>(); return;
          case 8: interleave_out<8>(); return;
        }
      }
    }
    turn_out<kSize>(results_, kN * kSize, count, out_, offset, planes_);
  }
  // All outputs of planes whose outputs follow each other.
  template <int kCount>
  void interleave_out() const {
    Vec<Value> block[kCount];
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) block[i] = load_vec<Value>(results_ + i * kN * kSize);
    interleave<Value, kCount>(block);
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) store_vec<Value>(out_[0] + i * kN * kSize, block[i]);
  }

  const Plan p;
  const std::int64_t bands_;
  const std::int64_t ahead_;            // bytes to the next planes, of inputs that are asked for
  std::uint64_t mask_;                  // of rows shorter than a vector, or how long they are
  std::int64_t deep_step_, high_step_;  // bytes between rows that a window reads
  std::int64_t piece_ = 1;              // columns that are added up in float
  std::int64_t band_ = -1;              // whose rows are listed
  int planes_ = 0;                      // of the group: one in each of the first lanes
  bool alike_ = false;                  // as many as lanes, all equally far from each other
  const char* in_[kN];
  char* out_[kN];
  Row rows_[kMostPlaces];
  std::int64_t first_[kMostColumns], count_[kMostColumns];
  double factors_[kMostColumns];
  alignas(kBytes) Value columns_[kN][kPitch];
  alignas(kBytes) Value turned_[(kMostPlaces + kN) * kN];
  alignas(kBytes) char results_[kMostPlaces * kN * kSize];
};

// It takes in float what may be, and the rest of the same windows in double.
template <>
struct ShortSums<Columns> {
  static bool has(const Plan&) { return true; }
};

POOL_END
