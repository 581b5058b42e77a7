// Windows of few elements over rows of many: each output combines its window where it lies, row by row (in_order.h).
// Needs masks for the columns beside the input, so it is there for AVX-512 alone.
#pragma once

#include "pool/flat.h"
#include "simd/in_order.h"
#include "simd/strides.h"

POOL_BEGIN

// How elements are loaded, combined and stored, and what becomes of them in the end.
template <class O>
struct Combined : InOrder<typename O::Stored> {
  using typename InOrder<typename O::Stored>::Value;
  using Finish = Divider<Value>;
  static POOL_INLINE Vec<Value> combine(Vec<Value> known, Vec<Value> fresh) { return known + fresh; }
};

template <class S>
struct Combined<Max<S>> {
  using O = Max<S>;
  using Value = typename O::Value;
  static constexpr int kCount = O::kCount;
  struct Finish {
    double by;
    explicit POOL_INLINE Finish(double number) : by(number) {}
    POOL_INLINE Vec<Value> divide(Vec<Value> largest) const { return largest; }
  };
  static POOL_INLINE Vec<Value> load(const char* at) { return O::load(at); }
  static POOL_INLINE Vec<Value> load_masked(const char* at, std::uint64_t mask) { return O::load_masked(at, mask); }
  static POOL_INLINE void store(char* at, Vec<Value> value) { O::store(at, value, value); }
  static POOL_INLINE void store_masked(char* at, Vec<Value> value, std::uint64_t mask) {
    O::store_masked(at, value, value, mask);
  }
  static POOL_INLINE Vec<Value> combine(Vec<Value> known, Vec<Value> fresh) { return O::combine(known, fresh); }
};

template <class O>
struct Direct {
  using Sum = Combined<O>;
  using Value = typename Sum::Value;
  using Finish = typename Sum::Finish;
  static constexpr const char* kName = "direct";
  static constexpr const char* kTakes =
      "windows of up to 9 elements with strides of up to 4 along w, of maxima 2 and more: each vector of outputs where it lies";
  static constexpr const char* kCost = "kd·kh·kw";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kN = Sum::kCount;
  static constexpr std::int64_t kMostStride = 4;
  static constexpr std::int64_t kLeastColumns = 8;  // outputs along w
  static constexpr std::int64_t kFlatColumns = 24;  // up to which what is flat is faster in double
  // Vectors of a row from which on rows of windows that share nothing are walked one after the other: it is how memory
  // likes them, unless they are so wide that the rows of one window are few streams. Otherwise the rows of a block go
  // together, vector by vector.
  static constexpr std::int64_t kLongRow = O::kIsMax ? 2 : 4;  // vectors
  static constexpr std::int64_t kWideRow = 512;                // bytes
  static constexpr int kEdges = 3;                  // vectors of a row that may need masks: the first, the last two
  static constexpr int kLoads =
      static_cast<int>(kFewElements + kMostStride) - 1;  // vectors that a row of a window loads

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize) return false;
    if (!has_few_elements(p) || p.w.dilation != 1 || p.w.stride > kMostStride || p.w.windows < kLeastColumns)
      return false;
    if (O::kIsMax ? !pays(p) : p.w.windows <= kFlatColumns && Flat<O>::fits(p)) return false;
    if (RowsLayout<O>::leads(p)) return false;
    // Otherwise more vectors than the edges would leave the input.
    const std::int64_t beyond = (p.w.windows - 1) * p.w.stride - p.w.lo + p.w.window - p.w.positions;
    return p.w.lo < kN && beyond <= kN;
  }

  static std::int64_t units(const Plan& p) { return plane_count(p) * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Direct self(p);
    switch (p.w.stride) {
      case 1: self.template with_taps<1>(first, last); break;
      case 2: self.template with_taps<2>(first, last); break;
      case 3: self.template with_taps<3>(first, last); break;
      default: self.template with_taps<4>(first, last);
    }
  }

 private:
  // Of maxima those that share no elements: others are combined once for several outputs.
  static bool pays(const Plan& p) {
    if (!is_apart(p) || p.w.window == 1) return false;
    if (is_one_row(p)) return p.w.stride > 2 && p.w.windows >= kLeastOfOne;
    return p.w.windows >= kLeastOfMany && p.w.positions * kSize <= kWideRow;
  }
  static bool is_apart(const Plan& p) {
    return p.w.window <= p.w.stride && p.h.window <= p.h.stride && p.d.window <= p.d.stride;
  }
  static bool is_one_row(const Plan& p) { return p.h.window == 1 && p.d.window == 1; }
  static constexpr std::int64_t kLeastOfMany = 24, kLeastOfOne = 96;  // outputs along w

  // A vector of outputs some of whose windows leave the input, or of which some are not there.
  struct Edge {
    std::int64_t vector;
    std::uint64_t loads[kLoads];
    std::uint64_t stored;
    alignas(kBytes) Value counts[kN];  // what the windows divide by along w, where that differs
  };

  explicit Direct(const Plan& plan) : p(plan), divider_(1) {
    vectors_ = (p.w.windows + kN - 1) / kN;
    const std::int64_t loads = (p.w.window + p.w.stride - 1) / p.w.stride * p.w.stride;
    for (std::int64_t v = 0; v < vectors_; ++v) {
      const std::int64_t begin = v * kN * p.w.stride - p.w.lo;
      const std::int64_t end = begin + loads - p.w.stride + kN * p.w.stride;
      if (begin < 0 || end > p.w.positions || (v + 1) * kN > p.w.windows) add_edge(v, begin, loads);
    }
    by_rows_ = is_apart(p) && vectors_ >= kLongRow && (is_one_row(p) || p.w.positions * kSize <= kWideRow);
    divisor_ = divisor_of(p) * (p.counts_w ? static_cast<double>(p.w.window) : 1.0);
    row_step_ = p.h.stride * p.h.in_step;
    block_rows_ = std::max<std::int64_t>(4, (16 << 10) / (p.w.positions * kSize * p.h.stride));
    p.h.inside(inside_begin_, inside_end_);
  }

  void add_edge(std::int64_t vector, std::int64_t begin, std::int64_t loads) {
    Edge& edge = edge_[edges_++];
    edge.vector = vector;
    for (std::int64_t i = 0; i < loads; ++i) {
      const std::int64_t at = begin + i / p.w.stride * p.w.stride + i % p.w.stride * kN;
      edge.loads[i] = lanes_between(-at, p.w.positions - at);
    }
    edge.stored = lanes_between(0, p.w.windows - vector * kN);
    if (!p.counts_w) return;
    for (std::int64_t i = 0; i < kN; ++i) {  // lanes that are not stored divide by something sensible, too
      const std::int64_t o = std::min(vector * kN + i, p.w.windows - 1);
      edge.counts[i] = static_cast<Value>(p.counted(p.w, o));
    }
  }

  static std::uint64_t lanes_between(std::int64_t from, std::int64_t to) {
    from = std::clamp<std::int64_t>(from, 0, kN);
    to = std::clamp<std::int64_t>(to, 0, kN);
    return to <= from ? 0 : ((std::uint64_t{1} << to) - 1) & ~((std::uint64_t{1} << from) - 1);
  }

  void divide_by(double divisor) {
    if (divisor != divider_.by) divider_ = Finish(divisor);
  }

  template <int kStride>
  void with_taps(std::int64_t first, std::int64_t last) {
    switch (p.w.window) {
      case 4:
        if constexpr (kStride == 4) return planes<kStride, 4>(first, last);
        return planes<kStride, 0>(first, last);
      case 2: planes<kStride, 2>(first, last); break;
      case 3: planes<kStride, 3>(first, last); break;
      default: planes<kStride, 0>(first, last);
    }
  }

  template <int kStride, int kTaps>
  void planes(std::int64_t first, std::int64_t last) {
    while (first < last) {
      const std::int64_t oh = first % p.h.windows;
      const std::int64_t rows = std::min(last - first, p.h.windows - oh);
      const Plane at = plane_at(p, first / p.h.windows);
      in_ = at.in - p.w.lo * kSize;
      out_ = at.out;
      plane<kStride, kTaps>(at.od, oh, oh + rows);
      first += rows;
    }
  }

  // Rows whose windows lie in the input are alike and go together, in blocks that stay in the nearest cache.
  template <int kStride, int kTaps>
  void plane(std::int64_t od, std::int64_t begin, std::int64_t end) {
    const Axis::Taps d = p.d.taps(od);
    plane_divisor_ = p.counts_d ? divisor_ * static_cast<double>(p.counted(p.d, od)) : divisor_;
    const std::int64_t inside = std::clamp(inside_begin_, begin, end), outside = std::clamp(inside_end_, inside, end);
    for (std::int64_t oh = begin; oh < inside; ++oh) block<kStride, kTaps>(d, oh, 1);
    for (std::int64_t oh = inside; oh < outside; oh += block_rows_) {
      block<kStride, kTaps>(d, oh, std::min(block_rows_, outside - oh));
    }
    for (std::int64_t oh = outside; oh < end; ++oh) block<kStride, kTaps>(d, oh, 1);
  }

  template <int kStride, int kTaps>
  void block(Axis::Taps d, std::int64_t oh, std::int64_t rows) {
    const Axis::Taps h = p.h.taps(oh);
    const char* in = in_ + d.first * p.d.in_step + h.first * p.h.in_step;
    std::int64_t offsets[kFewElements];
    int count = 0;
    for (std::int64_t i = 0; i < d.count; ++i) {
      for (std::int64_t j = 0; j < h.count; ++j) {
        offsets[count++] = i * p.d.dilation * p.d.in_step + j * p.h.dilation * p.h.in_step;
      }
    }
    divide_by(p.counts_h ? plane_divisor_ * static_cast<double>(p.counted(p.h, oh)) : plane_divisor_);
    char* out = out_ + oh * p.h.out_step;
    if (kTaps > 0 && count == kTaps) {
      columns<kStride, kTaps, kTaps>(in, offsets, count, rows, out);
    } else {
      columns<kStride, kTaps, 0>(in, offsets, count, rows, out);
    }
  }

  template <int kStride, int kTaps, int kRows>
  void columns(const char* in, const std::int64_t* offsets, int count, std::int64_t rows, char* out) {
    const Finish divider = divider_;
    std::int64_t v = 0;
    if (by_rows_) {
      along<kStride, kTaps, kRows>(in, offsets, count, rows, out);
      return;
    }
    for (int e = 0;; ++e, ++v) {
      const std::int64_t end = e < edges_ ? edge_[e].vector : vectors_;
      for (; v < end; ++v) {
        const char* at = in + v * kN * kStride * kSize;
        char* to = out + v * kN * kSize;
        for (std::int64_t r = 0; r < rows; ++r, at += row_step_, to += p.h.out_step) {
          Sum::store(to, divider.divide(window<kStride, kTaps, kRows, false>(at, offsets, count, nullptr)));
        }
      }
      if (e == edges_) return;
      edge<kStride, kTaps, kRows>(in, offsets, count, rows, out, edge_[e]);
    }
  }

  // Long rows, each from its beginning to its end. Not inlined, for the sake of the loops over rows that go together.
  template <int kStride, int kTaps, int kRows>
  __attribute__((noinline)) void along(const char* in, const std::int64_t* offsets, int count, std::int64_t rows,
                                       char* out) {
    const Finish divider = divider_;
    for (std::int64_t r = 0; r < rows; ++r, in += row_step_, out += p.h.out_step) {
      std::int64_t v = 0;
      for (int e = 0;; ++e, ++v) {
        const std::int64_t end = e < edges_ ? edge_[e].vector : vectors_;
        const char* at = in + v * kN * kStride * kSize;
        char* to = out + v * kN * kSize;
        for (; v < end; ++v, at += kN * kStride * kSize, to += kN * kSize) {
          Sum::store(to, divider.divide(window<kStride, kTaps, kRows, false>(at, offsets, count, nullptr)));
        }
        if (e == edges_) break;
        edge<kStride, kTaps, kRows>(in, offsets, count, 1, out, edge_[e]);
      }
    }
  }

  template <int kStride, int kTaps, int kRows>
  POOL_INLINE void edge(const char* in, const std::int64_t* offsets, int count, std::int64_t rows, char* out,
                        const Edge& edge) {
    const char* at = in + edge.vector * kN * kStride * kSize;
    char* to = out + edge.vector * kN * kSize;
    const Finish divider = divider_;
    // Where windows count differently along w: what they count, over and above what the divider takes for granted.
    Vec<Value> counts{};
    if (!O::kIsMax && p.counts_w) {
      counts = load_vec<Value>(edge.counts) *
               fill_vec<Value>(static_cast<Value>(divider.by / static_cast<double>(p.w.window)));
    }
    std::uint64_t masks[kLoads];
    for (int i = 0; i < kLoads; ++i) masks[i] = edge.loads[i];
    for (std::int64_t r = 0; r < rows; ++r, at += row_step_, to += p.h.out_step) {
      const Vec<Value> sum = window<kStride, kTaps, kRows, true>(at, offsets, count, masks);
      Sum::store_masked(to, !O::kIsMax && p.counts_w ? sum / counts : divider.divide(sum), edge.stored);
    }
  }

  template <int kStride, int kTaps, int kRows, bool kMasked>
  POOL_INLINE Vec<Value> window(const char* at, const std::int64_t* offsets, int count, const std::uint64_t* masks) {
    const int taps = kTaps > 0 ? kTaps : static_cast<int>(p.w.window);
    if (kRows > 0) count = kRows;
    Vec<Value> sum{};
    if (count == 0) return sum;
    add_row<kStride, kTaps, kMasked, true>(sum, at, taps, masks);
#pragma GCC unroll 3
    for (int r = 1; r < count; ++r) add_row<kStride, kTaps, kMasked, false>(sum, at + offsets[r], taps, masks);
    return sum;
  }

  template <int kStride, int kTaps, bool kMasked, bool kFirst>
  static POOL_INLINE void add_row(Vec<Value>& sum, const char* row, int taps, const std::uint64_t* masks) {
    if (kTaps > 0) taps = kTaps;
#pragma GCC unroll 3
    for (int t = 0; t < taps; t += kStride) {
      Vec<Value> loaded[kStride];
#pragma GCC unroll 4
      for (int i = 0; i < kStride; ++i) {
        const char* own = row + (t + i * kN) * kSize;
        loaded[i] = kMasked ? Sum::load_masked(own, masks[t + i]) : Sum::load(own);
      }
      StridedLanes<Value, kStride>::part(loaded);
#pragma GCC unroll 4
      for (int i = 0; i < kStride; ++i) {
        if (t + i >= taps) continue;
        sum = kFirst && t + i == 0 ? loaded[i] : Sum::combine(sum, loaded[i]);
      }
    }
  }

  const Plan& p;
  Finish divider_;
  double divisor_ = 1;  // of windows that lie in the input along w; without what differs along h and d
  double plane_divisor_ = 1;
  const char* in_ = nullptr;  // the plane, from where the first window begins along w
  char* out_ = nullptr;
  std::int64_t row_step_ = 0, block_rows_ = 0, inside_begin_ = 0, inside_end_ = 0;
  std::int64_t vectors_ = 0;
  int edges_ = 0;
  bool by_rows_;
  Edge edge_[kEdges];
};

POOL_END
