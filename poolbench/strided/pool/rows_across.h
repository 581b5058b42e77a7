// The rows engine along w: neighbours within rows of values are combined and written to the output.
#pragma once

#include "pool/rows_block.h"
#include "simd/grid.h"

POOL_BEGIN

template <class O>
struct RowsAcross {
  using Block = RowsBlock<O>;
  using Value = typename O::Value;
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kValue = sizeof(Value);
  static constexpr std::int64_t kN = O::kCount;

  // The band that lies in scratch.
  static void from_band(const Block& b) {
    Neighbours window{b.band, b.p.w.window, b.p.w.dilation * b.inner};
    if (b.l.fold_w) window = fold(b);
    combine(b, window, b.l.pitch);
  }

  // Rows that need nothing done along d and h, nor padding, nor another type, are read where they lie: as long as what
  // is loaded beyond their end belongs to the input, too.
  static bool from_input(const Block& b) {
    if constexpr (!std::is_same_v<Value, typename O::Stored>) {
      return false;
    } else {
      const Plan& p = b.p;
      if (!is_identity(p.h) || !is_single(p.d) || b.l.fold_w || b.l.flush || b.inner != 1 || p.w.adaptive() ||
          p.w.stride > 4 || b.columns != p.w.windows || b.begin < 0 || b.end > p.w.positions ||
          p.h.in_step != p.w.positions * kSize || reinterpret_cast<std::uintptr_t>(b.in) % sizeof(Value) != 0) {
        return false;
      }
      const std::int64_t beyond = (b.l.pitch + p.w.positions - 1) / p.w.positions;
      if (b.row0 + b.rows + beyond > p.h.positions) return false;
      const Value* first = reinterpret_cast<const Value*>(b.in + b.row0 * p.h.in_step);
      combine(b, Neighbours{first, p.w.window, p.w.dilation}, p.w.positions);
      return true;
    }
  }

 private:
  // Where a row's windows begin, once what is larger than a few taps has been folded: `taps` of them, `step` apart.
  struct Neighbours {
    const Value* first;
    std::int64_t taps;
    std::int64_t step;
  };

  static void combine(const Block& b, Neighbours window, std::int64_t pitch) {
    const Plan& p = b.p;
    const bool touching = b.inner == 1 || (p.w.stride == 1 && !p.counts_w);
    if (!p.w.adaptive() && !b.l.flush && touching && p.w.stride <= 4) {
      const std::int64_t n = b.columns * b.inner;
      switch (p.w.stride) {
        case 1: neighbours<1>(b, window, pitch, n); break;
        case 2: neighbours<2>(b, window, pitch, n); break;
        case 3: neighbours<3>(b, window, pitch, n); break;
        default: neighbours<4>(b, window, pitch, n);
      }
      return;
    }
    for (std::int64_t r = 0; r < b.rows; ++r, window.first += pitch) {
      const std::int64_t oh = b.row0 + r;
      char* out = b.row_out(oh);
      if (p.w.adaptive()) {
        uneven(b, window.first, out, b.factor_of(oh));
      } else if (b.inner == 1) {
        one_by_one(b, window, out, oh);
      } else {
        groups(b, window, out, oh);
      }
      if (b.l.flush) b.scatter(oh);
    }
  }

  // Windows by doubling: after j rounds, each value stands for the 2^j from its own place on. A maximum combines two
  // such runs that may overlap; a sum adds up those that the window's binary digits name. All rows at once: what runs
  // over a row's end into the next one is behind the last output.
  static Neighbours fold(const Block& b) {
    const std::int64_t n = b.rows * b.l.pitch, unit = b.p.w.dilation * b.inner, k = b.p.w.window;
    if (O::kIsMax) {
      std::int64_t length = 1;
      for (; 2 * length <= k; length *= 2) fold_once(b.band, n, length * unit);
      return {b.band, length == k ? 1 : 2, (k - length) * unit};
    }
    std::int64_t length = 1, done = 0;
    for (;; length *= 2) {
      if (k & length) {
        if (done == 0) {
          copy(b, b.band, n);
        } else {
          add(b, b.band + done * unit, n);
        }
        done += length;
      }
      if (done == k) break;
      fold_once(b.band, n, length * unit);
    }
    return {b.sums, 1, 0};
  }

  static void fold_once(Value* at, std::int64_t n, std::int64_t shift) {
    for (std::int64_t x = 0; x < n; x += kN) {
      store_vec<Value>(at + x, O::combine(load_vec<Value>(at + x), load_vec<Value>(at + x + shift)));
    }
  }
  static void copy(const Block& b, const Value* from, std::int64_t n) {
    for (std::int64_t x = 0; x < n; x += kN) store_vec<Value>(b.sums + x, load_vec<Value>(from + x));
  }
  static void add(const Block& b, const Value* from, std::int64_t n) {
    for (std::int64_t x = 0; x < n; x += kN) {
      store_vec<Value>(b.sums + x, O::combine(load_vec<Value>(b.sums + x), load_vec<Value>(from + x)));
    }
  }

  template <int kStride>
  static POOL_INLINE VecFor<O> every(const Value* at) {
    if constexpr (kStride == 1) return load_vec<Value>(at);
    if constexpr (kStride == 2) return even_lanes<Value>(load_vec<Value>(at), load_vec<Value>(at + kN));
    if constexpr (kStride == 3) {
      return third_lanes<Value>(load_vec<Value>(at), load_vec<Value>(at + kN), load_vec<Value>(at + 2 * kN),
                                LaneIndices<Value>{});
    }
    if constexpr (kStride == 4) {
      return even_lanes<Value>(even_lanes<Value>(load_vec<Value>(at), load_vec<Value>(at + kN)),
                               even_lanes<Value>(load_vec<Value>(at + 2 * kN), load_vec<Value>(at + 3 * kN)));
    }
  }

  template <int kStride>
  static POOL_INLINE void neighbours(const Block& b, Neighbours window, std::int64_t pitch, std::int64_t n) {
    switch (window.step == 1 ? window.taps : 0) {
      case 2: neighbours<kStride, 2>(b, window, pitch, n); break;
      case 3: neighbours<kStride, 3>(b, window, pitch, n); break;
      case 4: neighbours<kStride, 4>(b, window, pitch, n); break;
      default: neighbours<kStride, 0>(b, window, pitch, n);
    }
  }

  // Lanes 0 and 1, 2 and 3, … of two vectors' length combined.
  static POOL_INLINE VecFor<O> in_pairs(const Value* at) {
    const VecFor<O> a = load_vec<Value>(at), b = load_vec<Value>(at + kN);
    return O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
  }

  template <int kStride, int kTaps>
  static POOL_INLINE VecFor<O> window_at(const Value* at, Neighbours window) {
    if constexpr (kStride == 4 && kTaps == 4) {
      const VecFor<O> a = in_pairs(at), b = in_pairs(at + 2 * kN);
      return O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
    } else if constexpr (kStride == 2 && kTaps > 0) {
      const VecFor<O> a = load_vec<Value>(at), b = load_vec<Value>(at + kN);
      VecFor<O> value = O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
      if constexpr (kTaps == 3) value = O::combine(value, every<2>(at + 2));
      if constexpr (kTaps == 4) value = O::combine(value, in_pairs(at + 2));
      return value;
    } else if constexpr (kTaps > 0) {
      VecFor<O> value = every<kStride>(at);
#pragma GCC unroll 4
      for (int i = 1; i < kTaps; ++i) value = O::combine(value, every<kStride>(at + i));
      return value;
    } else {
      VecFor<O> value = every<kStride>(at);
      for (std::int64_t i = 1; i < window.taps; ++i) value = O::combine(value, every<kStride>(at + i * window.step));
      return value;
    }
  }

  // All rows of the band, each of n outputs.
  template <int kStride, int kTaps>
  static void neighbours(const Block& b, Neighbours window, std::int64_t pitch, std::int64_t n) {
    const std::int64_t whole = n / kN * kN;
    const bool in_place = window.first != b.band;
    VecFor<O> factor = b.factor_of(b.row0);
    char* to = b.l.stream ? b.flushed : b.out + b.row0 * b.p.h.out_step + b.column0 * b.p.w.out_step;
    for (std::int64_t r = 0; r < b.rows; ++r, window.first += pitch, to += b.p.h.out_step) {
      if (in_place) b.last.come_to(b.bytes_of(window.first));
      if constexpr (!O::kIsMax) {
        if (b.p.counts_h) factor = b.factor_of(b.row0 + r);
      }
      const Value* at = window.first;
      char* out = to;
      for (std::int64_t o = 0; o < whole; o += kN, at += kN * kStride, out += kN * kSize) {
        O::store(out, window_at<kStride, kTaps>(at, window), factor_at(b, factor, o));
      }
      if (whole < n) {
        O::store_part(out, window_at<kStride, kTaps>(at, window), factor_at(b, factor, whole),
                      static_cast<int>(n - whole));
      }
    }
    if (b.l.stream) stream_out(b.flushed, b.out + b.row0 * b.p.h.out_step, b.rows * n * kSize);
  }

  static POOL_INLINE VecFor<O> factor_at(const Block& b, VecFor<O> factor, std::int64_t o) {
    if constexpr (!O::kIsMax) {
      if (b.p.counts_w) return factor * load_vec<Value>(b.factors + o);
    }
    return factor;
  }

  static void one_by_one(const Block& b, Neighbours window, char* out, std::int64_t oh) {
    const Value factor = b.scalar_factor(oh);
    for (std::int64_t o = 0; o < b.columns; ++o) {
      const Value* at = window.first + o * b.p.w.stride;
      Value value = at[0];
      for (std::int64_t i = 1; i < window.taps; ++i) value = O::one(value, at[i * window.step]);
      Value own = factor;
      if constexpr (!O::kIsMax) {
        if (b.p.counts_w) own *= b.factors[o];
      }
      O::store_one(out + o * kSize, value, own);
    }
  }

  static void groups(const Block& b, Neighbours window, char* out, std::int64_t oh) {
    const Value factor = b.scalar_factor(oh);
    for (std::int64_t o = 0; o < b.columns; ++o) {
      Value own = factor;
      if constexpr (!O::kIsMax) {
        if (b.p.counts_w) own *= b.factors[o];
      }
      ToOutput<O> sink{out + o * b.inner * kSize, fill_vec<Value>(own)};
      const char* base = Block::bytes_of(window.first + o * b.p.w.stride * b.inner);
      combine_grid<OnValues<O>, 0>(&base, 1, 0, window.step * kValue, window.taps, b.inner, sink);
    }
  }

  // Adaptive windows that are not all alike.
  static void uneven(const Block& b, const Value* row, char* out, VecFor<O> factor) {
    for (std::int64_t o = 0; o < b.columns; ++o) {
      const Axis::Taps taps = b.p.w.taps(b.column0 + o);
      VecFor<O> own = factor;
      if constexpr (!O::kIsMax) {
        if (b.p.counts_w) own = factor * b.factors[o];
      }
      const Value* at = row + (taps.first - b.begin) * b.inner;
      if (b.inner == 1) {
        Value value = at[0];
        for (std::int64_t i = 1; i < taps.count; ++i) value = O::one(value, at[i]);
        O::store_one(out + o * kSize, value, own[0]);
      } else {
        ToOutput<O> sink{out + o * b.inner * kSize, own};
        const char* base = Block::bytes_of(at);
        combine_grid<OnValues<O>, 0>(&base, 1, 0, b.inner * kValue, taps.count, b.inner, sink);
      }
    }
  }
};

POOL_END
