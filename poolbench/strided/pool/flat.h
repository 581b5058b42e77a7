// Stride 1 with as many outputs along w as inputs, the commonest pooling of all: rows lie behind each other in input and
// output alike, so that several of them are one long row. It is combined along h as a whole, and along w with masks
// that leave out the neighbours beyond a row's ends. For AVX-512 alone, which has the masks.
#pragma once

#include "pool/rows_layout.h"

POOL_BEGIN

template <class O>
struct Flat {
  using Value = typename O::Value;
  static constexpr const char* kName = "flat";
  static constexpr const char* kTakes = "stride 1 with as many outputs as inputs: all rows of a plane as one";
  static constexpr const char* kCost = "kd·kh + kw; maxima over 7 and more 2·log₂ of kw";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kN = O::kCount;
  static constexpr std::int64_t kVectors = 256;  // of a band: 16 KiB of values
  static constexpr std::int64_t kMargin = 64;    // values beside a band that may be loaded, and are masked out
  static constexpr std::int64_t kMostFactors = 4096;
  static constexpr int kMostTaps = 15;           // along w
  static constexpr int kWide = 7;                // windows from here on are put together in steps
  using Mask = typename Masked<sizeof(Value)>::Mask;

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize) return false;
    if (p.h.in_step != p.w.positions * kSize || p.h.out_step != p.w.positions * kSize || p.w.positions != p.w.windows ||
        p.w.positions < 3)
      return false;
    if (p.w.adaptive() || p.h.adaptive() || p.d.adaptive() || p.w.stride != 1 || p.h.stride != 1) return false;
    if (p.w.window > kMostTaps || p.w.window * p.w.dilation > kMargin || p.w.lo % p.w.dilation != 0) return false;
    if (p.w.lo > (p.w.window - 1) * p.w.dilation) return false;
    if ((is_identity(p.w) && is_identity(p.h)) || RowsLayout<O>::leads(p)) return false;
    return p.h.window * p.d.window <= kMostRows && band_rows(p) >= std::min<std::int64_t>(4, p.h.windows) &&
           p.w.positions <= kVectors * kN / 4;
  }

  static std::int64_t units(const Plan& p) { return plane_count(p) * bands(p); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Flat self(p);
    const std::int64_t bands_each = bands(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % bands_each;
      const std::int64_t row = p.h.windows * band / bands_each, end = p.h.windows * (band + 1) / bands_each;
      const Plane plane = plane_at(p, unit / bands_each);
      self.rows(plane.in, plane.out, plane.od, row, end);
    }
  }

 private:
  static std::int64_t band_rows(const Plan& p) { return kVectors * kN / p.w.positions; }
  static std::int64_t bands(const Plan& p) {
    const std::int64_t most = band_rows(p);
    return (p.h.windows + most - 1) / most;
  }

  explicit Flat(const Plan& plan) : p(plan) {
    p.h.inside(inside_begin_, inside_end_);
    const std::int64_t most = (p.h.windows + bands(p) - 1) / bands(p);
    const std::int64_t vectors = (most * p.w.positions + kN - 1) / kN;
    wide_w_ = O::kIsMax && p.w.window >= kWide;
    wide_h_ = O::kIsMax && p.h.window >= kWide && bands(p) == 1 && p.h.positions == p.h.windows &&
              p.h.lo % p.h.dilation == 0 && p.h.lo <= (p.h.window - 1) * p.h.dilation;
    const std::int64_t before = p.w.lo / p.w.dilation, after = p.w.window - 1 - before;
    if (wide_w_) {
      add_steps(before, -p.w.dilation, most, vectors);
      add_steps(after, p.w.dilation, most, vectors);
    } else {
      for (std::int64_t t = -before; t <= after; ++t) {
        if (t != 0) add_shift(t * p.w.dilation, most, vectors);
      }
    }
    std::memset(values_, 0, sizeof(Value) * kMargin);
    std::memset(values_ + kMargin + (vectors - 1) * kN, 0, sizeof(Value) * (kN + kMargin));
  }

  void add_shift(std::int64_t shift, std::int64_t rows, std::int64_t vectors) {
    shifts_[taps_] = shift;
    Mask* masks = masks_[taps_++];
    std::memset(masks, 0xff, static_cast<std::size_t>(vectors) * sizeof(Mask));
    const std::int64_t begin = shift < 0 ? 0 : std::max<std::int64_t>(p.w.positions - shift, 0);
    const std::int64_t end = shift < 0 ? std::min(-shift, p.w.positions) : p.w.positions;
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t x = row * p.w.positions + begin; x < row * p.w.positions + end; ++x) {
        masks[x / kN] = static_cast<Mask>(masks[x / kN] & ~(Mask{1} << (x % kN)));
      }
    }
  }

  // The steps that make a maximum over one position one over `reach` more, each taking in as much as it has already.
  static std::int64_t next_step(std::int64_t done, std::int64_t reach) { return std::min(done + 1, reach - done); }

  void add_steps(std::int64_t reach, std::int64_t unit, std::int64_t rows, std::int64_t vectors) {
    for (std::int64_t done = 0; done < reach; done += next_step(done, reach)) {
      add_shift(next_step(done, reach) * unit, rows, vectors);
    }
  }

  // Combines each value with the one `shift` away, in place, where `masks` allow it (everywhere, if there are none).
  static void take_in(Value* at, std::int64_t n, std::int64_t shift, const Mask* masks) {
    const std::int64_t vectors = (n + kN - 1) / kN;
    const std::int64_t step = shift < 0 ? -1 : 1;
    std::int64_t v = shift < 0 ? vectors - 1 : 0;  // what is read must not have been changed yet
    for (std::int64_t left = vectors; left > 0; --left, v += step) {
      Value* own = at + v * kN;
      if (masks != nullptr) {
        store_vec<Value>(own, combine_lanes<O>(load_vec<Value>(own), masks[v], load_vec<Value>(own + shift)));
      } else {
        store_vec<Value>(own, O::combine(load_vec<Value>(own), load_vec<Value>(own + shift)));
      }
    }
  }

  // Windows along h that are large beside the plane: first up, then down, `rows` of them.
  void wide_down(Value* at, std::int64_t rows) {
    const std::int64_t before = p.h.lo / p.h.dilation, after = p.h.window - 1 - before;
    for (std::int64_t done = 0; done < before; done += next_step(done, before)) {
      const std::int64_t step = next_step(done, before) * p.h.dilation;
      if (step < rows) lift(at, rows, step);
    }
    for (std::int64_t done = 0; done < after; done += next_step(done, after)) {
      const std::int64_t step = next_step(done, after) * p.h.dilation;
      if (step < rows) lower(at, rows, step);
    }
  }

  // Combines each row with the one `step` above it, the last rows first; and with the one below it, the first first.
  void lift(Value* at, std::int64_t rows, std::int64_t step) {
    const std::int64_t shift = step * p.w.positions, n = (rows - step) * p.w.positions;
    Value* end = at + rows * p.w.positions;
    std::int64_t x = n;
    for (; x >= kN; x -= kN) {
      end -= kN;
      store_vec<Value>(end, O::combine(load_vec<Value>(end), load_vec<Value>(end - shift)));
    }
    if (x > 0) {
      Value* rest = at + shift;
      const VecFor<O> value = O::combine(load_vec<Value>(rest), load_vec<Value>(rest - shift));
      isa::store_part<Value>(rest, value, static_cast<int>(x));
    }
  }

  void lower(Value* at, std::int64_t rows, std::int64_t step) {
    const std::int64_t shift = step * p.w.positions, n = (rows - step) * p.w.positions;
    std::int64_t x = 0;
    for (; x + kN <= n; x += kN) {
      store_vec<Value>(at + x, O::combine(load_vec<Value>(at + x), load_vec<Value>(at + x + shift)));
    }
    if (x < n) {
      const VecFor<O> value = O::combine(load_vec<Value>(at + x), load_vec<Value>(at + x + shift));
      isa::store_part<Value>(at + x, value, static_cast<int>(n - x));
    }
  }

  void rows(const char* in, char* out, std::int64_t od, std::int64_t first, std::int64_t last) {
    const Axis::Taps d = p.d.taps(od);
    const std::int64_t width = p.w.positions;
    Value* to = values_ + kMargin;
    const char* at[kMostRows];
    if (wide_h_ && d.count > 0) {
      WindowRows(p, in, d, {0, 1}).list(at);
      combine_rows<O>(at, d.count, p.h.positions * width, ToValues<O>{to});
      wide_down(to, p.h.positions);
      first = 0;
      last = p.h.windows;
    }
    for (std::int64_t oh = wide_h_ && d.count > 0 ? last : first; oh < last;) {
      // All rows whose windows lie inside are combined at once, the others one by one.
      const bool inside = oh >= inside_begin_ && oh < inside_end_;
      const std::int64_t end = inside ? std::min(last, inside_end_) : oh + 1;
      const WindowRows window(p, in, d, p.h.taps(oh));
      const std::int64_t n = (end - oh) * width;
      if (window.count() > 0) {
        window.list(at);
        combine_rows<O>(at, window.count(), n, ToValues<O>{to + (oh - first) * width});
      } else {
        std::fill_n(to + (oh - first) * width, n, O::least());
      }
      oh = end;
    }
    double scale = p.scale;
    if (p.counts_d) scale *= p.factor(p.d, od);
    char* start = out + first * p.h.out_step;
    const std::int64_t n = (last - first) * width;
    if constexpr (O::kIsMax) {
      if (wide_w_) {
        for (int t = 0; t < taps_; ++t) take_in(to, n, shifts_[t], masks_[t]);
        neighbours<false, 0>(to, start, n, 0, 0);
        return;
      }
      neighbours<false>(to, start, n, 0);
    } else if (p.counts_h || p.counts_w) {
      set_factors(first, last);
      neighbours<true>(to, start, n, scale);
    } else {
      neighbours<false>(to, start, n, scale);
    }
  }

  // The factors of the rows [first, last), or of the whole plane, if there is room for it: then once and for all.
  void set_factors(std::int64_t first, std::int64_t last) {
    const bool all = p.h.windows * p.w.positions <= kMostFactors - kN;
    if (!all || factors_last_ == 0) {
      factors_first_ = all ? 0 : first;
      factors_last_ = all ? p.h.windows : last;
      for (std::int64_t x = 0; x < p.w.positions; ++x)
        columns_[x] = static_cast<Value>(p.counts_w ? p.factor(p.w, x) : 1);
      for (std::int64_t row = factors_first_; row < factors_last_; ++row) {
        const Value own = static_cast<Value>(p.counts_h ? p.factor(p.h, row) : 1);
        Value* to = factors_ + (row - factors_first_) * p.w.positions;
        for (std::int64_t x = 0; x < p.w.positions; ++x) to[x] = columns_[x] * own;
      }
      // Lanes behind the last element are computed too, and garbage could be slow.
      std::fill_n(factors_ + (factors_last_ - factors_first_) * p.w.positions, kN, Value{1});
    }
    band_factors_ = factors_ + (first - factors_first_) * p.w.positions;
  }

  template <bool kFactors>
  void neighbours(const Value* at, char* out, std::int64_t n, double scale) {
    switch (taps_) {
      case 2: neighbours<kFactors, 2>(at, out, n, scale, 2); break;
      case 4: neighbours<kFactors, 4>(at, out, n, scale, 4); break;
      default: neighbours<kFactors, 0>(at, out, n, scale, taps_);
    }
  }

  template <bool kFactors, int kTaps>
  void neighbours(const Value* at, char* out, std::int64_t n, double scale, int taps) {
    VecFor<O> factor = fill_vec<Value>(static_cast<Value>(scale));
    std::int64_t x = 0, v = 0;
    for (; x + kN <= n; x += kN, ++v) {
      const VecFor<O> value = window<kTaps>(at + x, v, taps);
      if constexpr (kFactors) {
        O::store(out + x * kSize, value, factor * load_vec<Value>(band_factors_ + x));
      } else {
        O::store(out + x * kSize, value, factor);
      }
    }
    if (x < n) {
      if constexpr (kFactors) factor = factor * load_vec<Value>(band_factors_ + x);
      O::store_part(out + x * kSize, window<kTaps>(at + x, v, taps), factor, static_cast<int>(n - x));
    }
  }

  template <int kTaps>
  POOL_INLINE VecFor<O> window(const Value* at, std::int64_t v, int taps) const {
    VecFor<O> value = load_vec<Value>(at);
    if constexpr (kTaps > 0) {
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) value = combine_lanes<O>(value, masks_[t][v], load_vec<Value>(at + shifts_[t]));
    } else {
      for (int t = 0; t < taps; ++t) value = combine_lanes<O>(value, masks_[t][v], load_vec<Value>(at + shifts_[t]));
    }
    return value;
  }

  const Plan& p;
  bool wide_w_ = false, wide_h_ = false;
  int taps_ = 0;
  std::int64_t inside_begin_ = 0, inside_end_ = 0;
  std::int64_t factors_first_ = 0, factors_last_ = 0;
  const Value* band_factors_ = nullptr;
  std::int64_t shifts_[kMostTaps];
  Mask masks_[kMostTaps][kVectors];
  alignas(64) Value values_[kMargin + kVectors * kN + kMargin];
  Value columns_[O::kIsMax ? 1 : kVectors * kN / 4];
  alignas(64) Value factors_[O::kIsMax ? 1 : kMostFactors + kN];
};

POOL_END
