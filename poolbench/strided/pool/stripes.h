// Pooling of planes whose rows are a few vectors long. A stripe as wide as a vector of outputs walks down the plane: each
// row is loaded once, the rows of a window are combined in registers, and neighbours along w are brought together by
// permuting lanes. Where rows are short, a vector holds those of several planes. Needs masks and permutations by
// variable, so it is there for AVX-512 alone.
#pragma once

#include "pool/rows_layout.h"
#include "pool/stripes_layout.h"

POOL_BEGIN

template <class O>
struct Stripes {
  using Value = typename O::Value;
  using Lanes = Permuted<sizeof(Value)>;
  using Mask = typename Lanes::Mask;
  static constexpr const char* kName = "stripes";
  static constexpr const char* kTakes = "contiguous rows, walked down in stripes of a vector each; short ones of two planes side by side";
  static constexpr const char* kCost = "kd·kh + kw";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr int kN = O::kCount;

  static bool fits(const Plan& p) {
    StripesLayout<O> layout;
    return layout.choose(p) && !RowsLayout<O>::leads(p);
  }

  // A unit is a band of rows of the planes that go together.
  static std::int64_t units(const Plan& p) {
    StripesLayout<O> layout;
    layout.choose(p);
    return groups(p, layout) * p.d.windows * bands(p);
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    Stripes self(p);
    const StripesLayout<O>& l = self.layout_;
    if (l.registers == 1) {
      l.packs ? self.template with_window<1, 2, 2>(first, last) : self.template with_window<1, 1, 1>(first, last);
    } else {
      l.packs ? self.template with_window<2, 1, 2>(first, last) : self.template with_window<2, 1, 1>(first, last);
    }
  }

 private:
  static std::int64_t groups(const Plan& p, const StripesLayout<O>& layout) {
    return (p.outer[0].count * p.outer[1].count + layout.together() - 1) / layout.together();
  }
  // Output rows of a band: so many that what they read stays in the nearest cache while stripe after stripe walks down.
  static std::int64_t band_rows(const Plan& p) {
    const std::int64_t taken = p.h.adaptive() ? p.h.positions / p.h.windows + 1 : p.h.stride;
    return std::max<std::int64_t>(8, kBandBytes / (p.w.positions * kSize * taken * p.d.most_taps() + 1));
  }
  static constexpr std::int64_t kBandBytes = 16 << 10;

  // How far it is from one plane, or one window along d, to the next.
  static std::int64_t planes_step(const Plan& p) {
    if (p.d.windows == 1) return p.outer[1].in_step;
    return p.d.adaptive() ? 0 : p.d.stride * p.d.in_step;
  }
  // Whether what is read next doesn't lie behind what is read now, but planes further.
  static bool leaves_planes(const Plan& p) {
    const std::int64_t plane = p.h.positions * p.h.in_step;
    return plane > 0 && plane <= 8 * kBandBytes && planes_step(p) > plane;
  }
  // What lies two bands behind is asked for, or what lies in the same place some planes further.
  static std::int64_t ahead(const Plan& p) {
    if (input_bytes(p, kSize) < kAskedBytes) return 0;
    if (!leaves_planes(p)) return 2 * kBandBytes;
    return planes_step(p) * std::max<std::int64_t>(2 * kBandBytes / (p.h.positions * p.h.in_step * p.d.most_taps()), 1);
  }
  static std::int64_t bands(const Plan& p) { return (p.h.windows + band_rows(p) - 1) / band_rows(p); }

  explicit Stripes(const Plan& plan) : p(plan), is_flat_(is_single(plan.d)), leaves_(leaves_planes(plan)), ahead_(ahead(plan)) {
    layout_.choose(p);
    for (int i = 0; i < layout_.stripes; ++i) stripes_[i].set(p, layout_, i);
    if (!p.h.adaptive()) p.h.inside(inside_begin_, inside_end_);
    in_width_ = kN / layout_.parts * kSize;
    out_width_ = kN / layout_.together() * kSize;
    if (!O::kIsMax) set_factors();
  }

  std::int64_t edges() const { return inside_begin_ + p.h.windows - inside_end_; }
  // Which of the factors of a stripe a row of outputs takes.
  std::int64_t factors_of(std::int64_t oh) const {
    if (!p.counts_h || (oh >= inside_begin_ && oh < inside_end_)) return kMostEdges;
    return oh < inside_begin_ ? oh : inside_begin_ + oh - inside_end_;
  }

  void set_factors() {
    if (O::kIsMax || p.h.adaptive() || edges() > kMostEdges) return;
    const double scale = p.scale * plane_scale_;
    for (int s = 0; s < layout_.stripes; ++s) {
      set_factors(stripes_[s], kMostEdges, p.counts_h ? scale / static_cast<double>(p.h.window) : scale);
      if (!p.counts_h) continue;
      for (std::int64_t oh = 0; oh < p.h.windows; ++oh) {
        if (oh == inside_begin_) oh = std::max(inside_begin_, inside_end_);
        if (oh < p.h.windows) set_factors(stripes_[s], factors_of(oh), scale * p.factor(p.h, oh));
      }
    }
  }
  // Lanes that are not stored get one too: what is multiplied with garbage may take a hundred times as long.
  static void set_factors(Stripe<O>& stripe, std::int64_t row, double scale) {
    for (int i = 0; i < kN; ++i) stripe.factors[row][i] = static_cast<Value>(stripe.columns[i] * scale);
  }

  template <int kRegisters, int kParts, int kTogether>
  void with_window(std::int64_t first, std::int64_t last) {
    if constexpr (std::is_same_v<Value, float>) {
      switch (p.h.window * 8 + StripesLayout<O>::known_rows(p)) {  // known_rows is -1 where they are none of these
        case 8: return units<kRegisters, kParts, kTogether, 1, 0>(first, last);
        case 16: return flat_or_deep<kRegisters, kParts, kTogether, 2, 0>(first, last);
        case 17: return units<kRegisters, kParts, kTogether, 2, 1>(first, last);
        case 24: return units<kRegisters, kParts, kTogether, 3, 0>(first, last);
        case 25: return flat_or_deep<kRegisters, kParts, kTogether, 3, 1>(first, last);
        case 26: return flat_or_deep<kRegisters, kParts, kTogether, 3, 2>(first, last);
        case 34: return units<kRegisters, kParts, kTogether, 4, 2>(first, last);
        case 35: return units<kRegisters, kParts, kTogether, 4, 3>(first, last);
        case 42: return units<kRegisters, kParts, kTogether, 5, 2>(first, last);
        case 43: return units<kRegisters, kParts, kTogether, 5, 3>(first, last);
        case 44: return units<kRegisters, kParts, kTogether, 5, 4>(first, last);
        default: break;
      }
    }
    units<kRegisters, kParts, kTogether, 0, 0>(first, last);
  }

  template <int kRegisters, int kParts, int kTogether, int kTaps, int kKnown>
  void flat_or_deep(std::int64_t first, std::int64_t last) {
    if (is_flat_) return units<kRegisters, kParts, kTogether, kTaps, kKnown>(first, last);
    units<kRegisters, kParts, kTogether, kTaps, kKnown, false>(first, last);
  }

  template <int kRegisters, int kParts, int kTogether, int kTaps, int kKnown, bool kFlat = true>
  void units(std::int64_t first, std::int64_t last) {
    const std::int64_t all_bands = bands(p);
    std::int64_t band = first % all_bands, od = first / all_bands % p.d.windows;
    begin_group(first / all_bands / p.d.windows);
    begin_depth(od);
    is_open_ = false;
    for (; first < last; first += groups_) {
      groups_ = all_bands == 1 && p.d.windows == 1 ? groups_alike(last - first) : 1;
      if (band == 0) is_open_ = kTogether == 1 && is_open();
      begin_ = all_bands == 1 ? 0 : p.h.windows * band / all_bands;
      end_ = all_bands == 1 ? p.h.windows : p.h.windows * (band + 1) / all_bands;
      for (int s = 0; s < layout_.stripes; ++s) {
        const Stripe<O>& own = stripes_[s];
        bool is_done = false;
        if constexpr (kTaps > 0) {
          if (deep_.count > 0) is_done = walk<kRegisters, kParts, kTogether, kTaps, kKnown, kFlat>(own, od);
        }
        if (!is_done) walk_any<kRegisters, kParts, kTogether>(own, od);
      }
      if (++band < all_bands) continue;
      band = 0;
      if (++od == p.d.windows) {
        od = 0;
        begin_group(group_ + groups_);
      }
      begin_depth(od);
    }
  }

  // Groups of planes that a stripe walks down one after the other, since it takes long to begin: they lie equally far from
  // each other, and stay in the nearest cache until all stripes have been there.
  std::int64_t groups_alike(std::int64_t most) const {
    const std::int64_t together = layout_.together(), left = p.outer[1].count - group_ * together % p.outer[1].count;
    const std::int64_t bytes = p.h.positions * p.w.positions * p.d.most_taps() * kSize * together;
    const std::int64_t open = together == 1 && left > 1 ? left - 1 : left / together;  // see is_open
    return std::max<std::int64_t>(std::min({most, open, kBandBytes / (bytes + 1)}), 1);
  }

  // Lanes without a plane do the last one's work again.
  void begin_group(std::int64_t group) {
    const std::int64_t plane = group * layout_.together();
    group_ = group;
    std::int64_t n = plane / p.outer[1].count, c = plane % p.outer[1].count;
    planes_ = 0;
    for (int i = 0; i < layout_.together(); ++i) {
      if (n < p.outer[0].count) {
        in_planes_[i] = p.in + n * p.outer[0].in_step + c * p.outer[1].in_step;
        out_planes_[i] = p.out + n * p.outer[0].out_step + c * p.outer[1].out_step;
        ++planes_;
        if (++c == p.outer[1].count) c = 0, ++n;
      } else if (i > 0) {
        in_planes_[i] = in_planes_[i - 1];
        out_planes_[i] = out_planes_[i - 1];
      }
    }
  }

  // Whether rows may be read as whole vectors: what lies behind a row, of the plane or of the next one, is in no lane that
  // counts.
  bool is_open() const {
    const Outer& planes = p.outer[1];
    return group_ % planes.count + groups_ < planes.count && p.h.in_step >= 0 && p.d.in_step >= 0 &&
           planes.in_step >= std::max<std::int64_t>(layout_.registers * kN * kSize, p.w.positions * kSize);
  }
  template <int kRegisters, int kParts, int kTogether, int kTaps, int kKnown, bool kFlat>
  bool walk(const Stripe<O>& stripe, std::int64_t od) const {
    if constexpr (kTogether > 1) {
      return walk<kRegisters, kParts, kTogether, kTaps, kKnown, kFlat, false>(stripe, od);
    } else {
      if (kRegisters > 1 && stripe.is_narrow) return walk<1, 1, 1, kTaps, kKnown, kFlat>(stripe, od);
      return is_open_ ? walk<kRegisters, 1, 1, kTaps, kKnown, kFlat, true>(stripe, od)
                       : walk<kRegisters, 1, 1, kTaps, kKnown, kFlat, false>(stripe, od);
    }
  }

  void begin_depth(std::int64_t od) {
    if (is_flat_) return;
    deep_ = p.d.taps(od);
    if (O::kIsMax || !p.counts_d || plane_scale_ == p.factor(p.d, od)) return;
    plane_scale_ = p.factor(p.d, od);
    set_factors();
  }

  // Where the lanes of a stripe come from and go to, for as long as it walks: what is stored could change members.
  template <int kRegisters, int kParts, int kTogether>
  struct Lane {
    static constexpr int kLoads = kRegisters * kParts;
    const char* in[kLoads];
    char* out[kTogether];
    Mask loads[kLoads], stores[kTogether];
    std::int64_t deep, deep_step;

    POOL_INLINE Lane(const Stripes& all, const Stripe<O>& stripe, std::int64_t od)
        : deep(all.deep_.count), deep_step(all.p.d.dilation * all.p.d.in_step) {
      const std::int64_t from = all.deep_.first * all.p.d.in_step + stripe.in_bytes;
      const std::int64_t to = od * all.p.d.out_step + stripe.out_bytes;
#pragma GCC unroll 4
      for (int i = 0; i < kLoads; ++i) {
        in[i] = all.in_planes_[kTogether > 1 ? i : 0] + from - (kTogether > 1 ? i % kParts * all.in_width_ : -i * kN * kSize);
        loads[i] = stripe.loads[i];
      }
#pragma GCC unroll 4
      for (int i = 0; i < kTogether; ++i) {
        out[i] = all.out_planes_[i] + to - i * all.out_width_;
        stores[i] = i < all.planes_ ? stripe.stores[i] : Mask{0};
      }
    }
    // Goes on to the planes of the next group.
    POOL_INLINE void go_on(const Outer& planes) {
#pragma GCC unroll 4
      for (int i = 0; i < kLoads; ++i) in[i] += kTogether * planes.in_step;
#pragma GCC unroll 4
      for (int i = 0; i < kTogether; ++i) out[i] += kTogether * planes.out_step;
    }

    // One row of the input, all taps along d.
    template <class Op, bool kFlat, bool kOpen, class Doubts>
    POOL_INLINE void load(VecFor<O>* row, std::int64_t at, Doubts& doubt) const {
#pragma GCC unroll 2
      for (int r = 0; r < kRegisters; ++r) row[r] = load_one<kOpen>(r, at);
      doubt.template see<kRegisters>(row);
      for (std::int64_t i = 1; !kFlat && i < deep; ++i) {
        at += deep_step;
        VecFor<O> fresh[kRegisters];
#pragma GCC unroll 2
        for (int r = 0; r < kRegisters; ++r) {
          fresh[r] = load_one<kOpen>(r, at);
          row[r] = Op::combine(row[r], fresh[r]);
        }
        doubt.template see<kRegisters>(fresh);
      }
    }
    template <bool kOpen>
    POOL_INLINE VecFor<O> load_one(int r, std::int64_t at) const {
      if constexpr (kOpen) return O::load(in[r * kParts] + at);
      VecFor<O> value = O::load_some(in[r * kParts] + at, loads[r * kParts]);
#pragma GCC unroll 4
      for (int i = r * kParts + 1; i < (r + 1) * kParts; ++i) {
        if constexpr (std::is_same_v<typename O::Stored, Value>) {
          value = (VecFor<O>)Masked<sizeof(Value)>::load_lanes(in[i] + at, loads[i], (__m512i)value);
        } else {
          value = (VecFor<O>)Masked<sizeof(Value)>::blend(loads[i], (__m512i)value, (__m512i)O::load_some(in[i] + at, loads[i]));
        }
      }
      return value;
    }
    // Asks for what is read there two bands later: stripes read every row in pieces, which processors don't foresee.
    POOL_INLINE void ask(std::int64_t at) const {
#pragma GCC unroll 4
      for (int i = 0; i < kLoads; ++i) __builtin_prefetch(in[i] + at + 2 * kBandBytes, 0, 2);
    }
    // The same of all taps along d, some planes later. Not inlined: the loop needs its registers.
    __attribute__((noinline)) void ask(std::int64_t at, std::int64_t ahead) const {
      at += ahead;
      for (std::int64_t d = 0; d < deep; ++d, at += deep_step) {
#pragma GCC unroll 4
        for (int i = 0; i < kLoads; ++i) __builtin_prefetch(in[i] + at, 0, 2);
      }
    }

    POOL_INLINE void store(std::int64_t at, VecFor<O> value, VecFor<O> factor) const {
#pragma GCC unroll 4
      for (int i = 0; i < kTogether; ++i) O::store_masked(out[i] + at, value, factor, stores[i]);
    }
  };

  // What brings neighbours together.
  template <int kRegisters, int kTaps>
  struct Across {
    const Stripe<O>& stripe;
    const int taps;
    __m512i index[kTaps > 0 ? kTaps : 1];
    Mask mask[kTaps > 0 ? kTaps : 1];

    Across(const Stripe<O>& own, std::int64_t most) : stripe(own), taps(kTaps > 0 ? kTaps : static_cast<int>(most)) {
#pragma GCC unroll 5
      for (int t = 0; t < kTaps; ++t) {
        index[t] = Lanes::index(stripe.indices[t]);
        mask[t] = stripe.masks[t];
      }
    }
    POOL_INLINE VecFor<O> tap(const VecFor<O>* row, int t) const {
      const __m512i own = kTaps > 0 ? index[kTaps > 0 ? t : 0] : Lanes::index(stripe.indices[t]);
      if constexpr (O::kIsMax) {
        if constexpr (kRegisters == 1) return (VecFor<O>)Lanes::permute(own, (__m512i)row[0]);
        return (VecFor<O>)Lanes::permute(own, (__m512i)row[0], (__m512i)row[kRegisters - 1]);
      } else {
        const Mask there = kTaps > 0 ? mask[kTaps > 0 ? t : 0] : stripe.masks[t];
        if constexpr (kRegisters == 1) return (VecFor<O>)Lanes::permute_or_zero(there, own, (__m512i)row[0]);
        return (VecFor<O>)Lanes::permute_or_zero(there, own, (__m512i)row[0], (__m512i)row[kRegisters - 1]);
      }
    }
    template <class Op>
    POOL_INLINE VecFor<O> combine(const VecFor<O>* row) const {
      VecFor<O> value = tap(row, 0);
#pragma GCC unroll 5
      for (int t = 1; t < taps; ++t) value = Op::combine(value, tap(row, t));
      return value;
    }
  };

  // Square windows without gaps: each row of the input is loaded once, kKnown rows of a window by the one before it. Returns
  // whether the outputs are right: maxima are taken as if no element were NaN.
  template <int kRegisters, int kParts, int kTogether, int kTaps, int kKnown, bool kFlat, bool kOpen>
  __attribute__((noinline)) bool walk(const Stripe<O>& stripe, std::int64_t od) const {
    using Op = typename OfNumbers<O>::Op;
    Lane<kRegisters, kParts, kTogether> lane(*this, stripe, od);
    const Across<kRegisters, kTaps> across(stripe, kTaps);
    DoubtOf<Op> doubts[2];  // by turns, so that a row need not wait for the sum of the one before it
    const std::int64_t step = p.h.in_step, height = p.h.positions;
    std::int64_t y, at, to;
    const std::int64_t first_y = begin_ * p.h.stride - p.h.lo, first_to = begin_ * p.h.out_step;
    const std::int64_t skipped = p.h.stride - (kTaps - kKnown);
    const std::int64_t end = end_, to_step = p.h.out_step;
    const bool asks = ahead_ > 0;
    const Outer planes = p.outer[1];
    // The rows of outputs in [alike, unlike) read no row outside the input, and have the same factors.
    const std::int64_t alike = std::clamp(inside_begin_, begin_, end), unlike = std::clamp(inside_end_, alike, end);
    VecFor<O> rows[kTaps][kRegisters];
    VecFor<O> factor{};
    if constexpr (!O::kIsMax) factor = load_vec<Value>(stripe.factors[kMostEdges]);
    const auto load = [&](auto inside, int i) __attribute__((always_inline)) {
      if (asks) leaves_ ? lane.ask(at, ahead_) : lane.ask(at);
      if (inside.value || static_cast<std::uint64_t>(y) < static_cast<std::uint64_t>(height)) {
        lane.template load<Op, kFlat, kOpen>(rows[i], at, doubts[i % 2]);
      } else {
#pragma GCC unroll 2
        for (int r = 0; r < kRegisters; ++r) rows[i][r] = O::neutral();
      }
      ++y;
      at += step;
    };
    const auto next = [&](auto inside, VecFor<O> own) __attribute__((always_inline)) {
#pragma GCC unroll 5
      for (int i = kKnown; i < kTaps; ++i) load(inside, i);
      VecFor<O> all[kRegisters];
#pragma GCC unroll 2
      for (int r = 0; r < kRegisters; ++r) {
        all[r] = rows[0][r];
#pragma GCC unroll 5
        for (int i = 1; i < kTaps; ++i) all[r] = Op::combine(all[r], rows[i][r]);
      }
      lane.store(to, across.template combine<Op>(all), own);
#pragma GCC unroll 5
      for (int i = 0; i < kKnown; ++i) {
#pragma GCC unroll 2
        for (int r = 0; r < kRegisters; ++r) rows[i][r] = rows[i + kTaps - kKnown][r];
      }
      to += to_step;
      y += skipped;
      at += skipped * step;
    };
    constexpr bool kOwnLoop = O::kIsMax && kTogether == 1;  // for rows inside
    for (std::int64_t left = groups_; left > 0; --left, lane.go_on(planes)) {
      y = first_y, at = y * step, to = first_to;
#pragma GCC unroll 5
      for (int i = 0; i < kKnown; ++i) load(std::false_type{}, i);
      std::int64_t oh = begin_;
      if constexpr (kOwnLoop) {
        for (; oh < alike; ++oh) next(std::false_type{}, factor_of(stripe, oh));
        for (; oh < unlike; ++oh) next(std::true_type{}, factor);
      }
      // Averages, which have few instructions, and small planes have no other loop: it takes longer to begin one.
      for (; oh < end; ++oh) {
        const bool is_alike = !kOwnLoop && oh >= alike && oh < unlike;
        next(std::false_type{}, is_alike ? factor : factor_of(stripe, oh));
      }
    }
    return doubts[0].is_sure() && doubts[1].is_sure();
  }

  VecFor<O> factor_of(const Stripe<O>& stripe, std::int64_t oh) const {
    if constexpr (O::kIsMax) return VecFor<O>{};
    return load_vec<Value>(stripe.factors[factors_of(oh)]);
  }

  // Windows of any kind.
  template <int kRegisters, int kParts, int kTogether>
  __attribute__((noinline)) void walk_any(const Stripe<O>& stripe, std::int64_t od) const {
    Lane<kRegisters, kParts, kTogether> lane(*this, stripe, od);
    const Across<kRegisters, 0> across(stripe, p.w.most_taps());
    NoDoubt none;
    for (std::int64_t oh = begin_, left = groups_; left > 0; ++oh) {
      if (oh == end_) {
        oh = begin_;
        lane.go_on(p.outer[1]);
        if (--left == 0) break;
      }
      const Axis::Taps high = p.h.taps(oh);
      VecFor<O> all[kRegisters];
#pragma GCC unroll 2
      for (int r = 0; r < kRegisters; ++r) all[r] = O::neutral();
      if (high.count > 0 && deep_.count > 0) {
        std::int64_t at = high.first * p.h.in_step;
        lane.template load<O, false, false>(all, at, none);
        for (std::int64_t i = 1; i < high.count; ++i) {
          VecFor<O> row[kRegisters];
          lane.template load<O, false, false>(row, at += p.h.dilation * p.h.in_step, none);
#pragma GCC unroll 2
          for (int r = 0; r < kRegisters; ++r) all[r] = O::combine(all[r], row[r]);
        }
      }
      VecFor<O> factor{};
      if constexpr (!O::kIsMax) {
        const double scale = p.scale * plane_scale_ * (p.counts_h ? p.factor(p.h, oh) : 1.0);
        for (int i = 0; i < kN; ++i) factor[i] = static_cast<Value>(stripe.columns[i] * scale);
      }
      lane.store(oh * p.h.out_step, across.template combine<O>(all), factor);
    }
  }

  const Plan& p;
  StripesLayout<O> layout_;
  Stripe<O> stripes_[kMostStripes];
  std::int64_t inside_begin_ = 0, inside_end_ = 0;
  std::int64_t in_width_, out_width_;  // bytes of a plane in a register
  double plane_scale_ = 1;
  std::int64_t begin_ = 0, end_ = 0;  // output rows of the band
  Axis::Taps deep_{0, 1};
  bool is_flat_, leaves_;
  std::int64_t ahead_;  // bytes; 0 where nothing is asked for
  std::int64_t group_ = 0, groups_ = 1;  // the first one in hand, and how many are alike
  int planes_ = 0;                    // of the group
  bool is_open_ = false;
  const char* in_planes_[kMostTogether];
  char* out_planes_[kMostTogether];
};

POOL_END
