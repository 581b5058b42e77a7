// Pooling of planes whose rows are shorter than a register or two: several rows are loaded at once, combined along d
// and h in registers, and neighbours along w are brought together by permuting lanes. Needs masks and permutations by
// variable, so it is there for AVX-512 alone. Included once per instruction set.

template <int kSize>
struct Lanes;  // permutations by the size of a value, from one register or two
template <>
struct Lanes<2> {
  using Mask = __mmask32;
  static POOL_INLINE __m512i index(const std::uint16_t* at) { return _mm512_loadu_si512(at); }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a) { return _mm512_permutexvar_epi16(index, a); }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a, __m512i b) {
    return _mm512_permutex2var_epi16(a, index, b);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi16(mask, index, a);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a, __m512i b) {
    return _mm512_maskz_permutex2var_epi16(mask, a, index, b);
  }
};
template <>
struct Lanes<4> {
  using Mask = __mmask16;
  static POOL_INLINE __m512i index(const std::uint16_t* at) {
    return _mm512_maskz_cvtepu16_epi32(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi32(0xffff, index, a);
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a, __m512i b) {
    return _mm512_permutex2var_epi32(a, index, b);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi32(mask, index, a);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a, __m512i b) {
    return _mm512_maskz_permutex2var_epi32(mask, a, index, b);
  }
};
template <>
struct Lanes<8> {
  using Mask = __mmask8;
  static POOL_INLINE __m512i index(const std::uint16_t* at) {
    return _mm512_maskz_cvtepu16_epi64(0xff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi64(0xff, index, a);
  }
  static POOL_INLINE __m512i permute(__m512i index, __m512i a, __m512i b) {
    return _mm512_permutex2var_epi64(a, index, b);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a) {
    return _mm512_maskz_permutexvar_epi64(mask, index, a);
  }
  static POOL_INLINE __m512i permute_or_zero(Mask mask, __m512i index, __m512i a, __m512i b) {
    return _mm512_maskz_permutex2var_epi64(mask, a, index, b);
  }
};

constexpr int kMostNeighbours = 8;  // taps along w
constexpr int kMostTapsDown = 16;   // taps along h
constexpr int kMostGroups = 24;     // groups of rows that are not like the others

struct ShortRowsLayout {
  int ins = 1, outs = 1;  // registers of input rows and of output rows
  int group = 1;          // output rows at once
};

template <class O>
struct ShortRows {
  using Value = typename O::Value;
  static constexpr const char* kName = "short_rows";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr int kN = O::kCount;
  using Permuted = Lanes<sizeof(Value)>;
  using Mask = typename Permuted::Mask;

  static bool fits(const Plan& p) {
    ShortRowsLayout layout;
    if (p.h.out * p.w.out >= Flat<O>::kLarge && Flat<O>::fits(p)) return false;
    return p.problem->indices == nullptr && p.inner == 1 && choose(p, layout);
  }

  // A unit is some of the rows of a plane.
  static std::int64_t units(const Plan& p) {
    ShortRowsLayout l;
    choose(p, l);
    return plane_count(p) * blocks(p, l);
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    ShortRows self(p);
    if (self.l.ins == 1) {
      self.template with_taps<1, 1>(first, last);
    } else if (self.l.outs == 1) {
      self.template with_taps<2, 1>(first, last);
    } else {
      self.template with_taps<2, 2>(first, last);
    }
  }

 private:
  // Some output rows that are pooled together, where they need more than their place to be said: at the edges of the
  // plane, where taps lie outside.
  struct Group {
    std::int64_t row;     // the first output row
    std::int64_t first;   // where its first tap that has a lane begins, in input rows, from that of output row 0
    int taps;             // along h
    Mask loads[kMostTapsDown][2];
    Mask stores[2];
  };

  // Output rows of a unit: so many that what they read stays in the nearest cache, and whole groups.
  static std::int64_t block_rows(const Plan& p, const ShortRowsLayout& l) {
    const std::int64_t row = std::max<std::int64_t>(1, p.w.in * kSize * (p.h.adaptive() ? p.h.in / p.h.out : p.h.stride));
    return std::max<std::int64_t>(1, (16 << 10) / row / l.group) * l.group;
  }

  static std::int64_t blocks(const Plan& p, const ShortRowsLayout& l) {
    const std::int64_t rows = block_rows(p, l);
    return (p.h.out + rows - 1) / rows;
  }

  static bool choose(const Plan& p, ShortRowsLayout& l) {
    if (p.w.in_step != kSize || p.w.out_step != kSize || p.w.in > 2 * kN || p.w.out > 2 * kN) return false;
    const std::int64_t w_taps = p.w.most_taps(), h_taps = p.h.most_taps(), d_taps = p.d.most_taps();
    if (w_taps > kMostNeighbours || h_taps > kMostTapsDown || d_taps > kMostTapsDown) return false;
    const bool touching = p.h.in_step == p.w.in * kSize && p.h.out_step == p.w.out * kSize && !p.h.adaptive();
    double best = 0;
    l = {1, 1, 1};
    for (int ins = 1; ins <= 2; ++ins) {
      if (p.w.in > ins * kN) continue;
      for (int outs = 1; outs <= ins; ++outs) {
        if (p.w.out > outs * kN) continue;
        std::int64_t group = 1;
        if (touching) {
          group = std::min((ins * kN / p.w.in - 1) / p.h.stride + 1, outs * kN / p.w.out);
          group = std::min(group, p.h.out);
        }
        // What the work per group costs, in instructions, and the loop around it.
        const std::int64_t cost = d_taps * h_taps * ins * 3 + w_taps * outs * 3 + outs * 2 + 10;
        const double own = static_cast<double>(cost) / static_cast<double>(group);
        if (best == 0 || own < best) {
          best = own;
          l = {ins, outs, static_cast<int>(group)};
        }
      }
    }
    return best > 0 && special_groups(p, l) <= kMostGroups;
  }

  // Groups are alike in [from, to), counted in groups.
  static void alike(const Plan& p, const ShortRowsLayout& l, std::int64_t& from, std::int64_t& to) {
    from = to = 0;
    if (p.h.adaptive() || p.counts_h) return;
    std::int64_t begin, end;
    p.h.inside(begin, end);
    from = (begin + l.group - 1) / l.group;
    to = std::max(from, end / l.group);
  }

  static std::int64_t group_count(const Plan& p, const ShortRowsLayout& l) {
    return (p.h.out + l.group - 1) / l.group;
  }

  static std::int64_t special_groups(const Plan& p, const ShortRowsLayout& l) {
    std::int64_t from, to;
    alike(p, l, from, to);
    return group_count(p, l) - (to - from);
  }

  explicit ShortRows(const Plan& plan) : p(plan) {
    choose(plan, l);
    set_permutations();
    alike(p, l, alike_from_, alike_to_);
    const std::int64_t groups = group_count(p, l);
    for (std::int64_t g = 0; g < groups; ++g) {
      if (g == alike_from_) g = alike_to_;
      if (g < groups) add_group(g * l.group, std::min<std::int64_t>(l.group, p.h.out - g * l.group));
    }
    const std::int64_t loaded = ((l.group - 1) * p.h.stride + 1) * p.w.in;
    set_masks(all_loads_, 0, loaded);
    set_masks(all_stores_, 0, l.group * p.w.out);
  }

  // Where each lane of the output finds its taps along w. A maximum takes one of its own taps again where one lies
  // outside; an average takes zero.
  void set_permutations() {
    taps_ = static_cast<int>(p.w.most_taps());
    std::memset(indices_, 0, sizeof indices_);
    std::memset(masks_, 0, sizeof masks_);
    for (std::int64_t o = 0; o < p.w.out; ++o) {
      const Axis::Taps own = p.w.taps(o);
      for (int t = 0; t < taps_; ++t) {
        const bool there = t < own.count;
        const std::int64_t at = own.first + (there ? t : 0) * p.w.dilation;
        for (std::int64_t row = 0; row < l.group; ++row) {
          const std::int64_t lane = row * p.w.out + o;
          indices_[t][lane] = static_cast<std::uint16_t>(own.count > 0 ? row * p.h.stride * p.w.in + at : 0);
          if (there) masks_[t][lane / kN] = static_cast<Mask>(masks_[t][lane / kN] | Mask{1} << (lane % kN));
        }
      }
    }
    if constexpr (!O::kIsMax) {
      // Lanes that are not stored get a factor too: what is multiplied with garbage may take a hundred times as long.
      for (std::int64_t lane = 0; lane < 2 * kN; ++lane) {
        column_factors_[lane] = static_cast<Value>(p.counts_w ? p.factor(p.w, lane % p.w.out) : 1);
      }
    }
  }

  static void set_masks(Mask* masks, std::int64_t from, std::int64_t to) {
    for (int r = 0; r < 2; ++r) {
      const std::int64_t begin = std::clamp<std::int64_t>(from - r * kN, 0, kN);
      const std::int64_t end = std::clamp<std::int64_t>(to - r * kN, 0, kN);
      const std::uint64_t below = (std::uint64_t{1} << end) - 1;
      masks[r] = static_cast<Mask>(below & ~((std::uint64_t{1} << begin) - 1));
    }
  }

  void add_group(std::int64_t oh, std::int64_t rows) {
    Group& group = groups_[specials_];
    group.row = oh;
    group.taps = 0;
    const Axis::Taps own = p.h.taps(oh);
    const std::int64_t start = p.h.adaptive() ? own.first : oh * p.h.stride - p.h.lo;
    const std::int64_t window = p.h.adaptive() ? own.count : p.h.window;
    const std::int64_t loaded = (rows - 1) * p.h.stride + 1;
    for (std::int64_t t = 0; t < window; ++t) {
      const std::int64_t y = start + t * p.h.dilation;
      const std::int64_t from = y < 0 ? -y : 0, to = std::min(loaded, p.h.in - y);
      if (from >= to) continue;
      if (group.taps == 0) group.first = y;
      set_masks(group.loads[group.taps], from * p.w.in, to * p.w.in);
      group.taps = static_cast<int>((y - group.first) / p.h.dilation) + 1;
    }
    set_masks(group.stores, 0, rows * p.w.out);
    if constexpr (!O::kIsMax) {
      for (int lane = 0; lane < 2 * kN; ++lane) {
        const std::int64_t row = oh + lane / p.w.out;
        group_factors_[specials_][lane] =
            static_cast<Value>(p.counts_h && row < p.h.out ? p.factor(p.h, row) : 1);
      }
    }
    ++specials_;
  }

  template <int kIns, int kOuts>
  void with_taps(std::int64_t first, std::int64_t last) {
    switch (taps_) {
      case 1: planes<kIns, kOuts, 1>(first, last); break;
      case 2: planes<kIns, kOuts, 2>(first, last); break;
      case 3: planes<kIns, kOuts, 3>(first, last); break;
      default: planes<kIns, kOuts, 0>(first, last);
    }
  }

  template <int kIns, int kOuts, int kTaps>
  void planes(std::int64_t first, std::int64_t last) {
    const std::int64_t each = block_rows(p, l), all = blocks(p, l);
    std::int64_t block = first % all;
    Plane plane = plane_at(p, first / all);
    Permutation<kIns, kOuts, kTaps> permutation(*this);
    const Axis d = p.d;
    const bool flat = is_single(d);
    const std::int64_t down = p.h.dilation * p.h.in_step;
    for (; first < last; ++first) {
      const char* in = plane.in;
      char* out = plane.out;
      const std::int64_t row = block * each, end = std::min(p.h.out, row + each);
      Axis::Taps deep{0, 1};
      double scale = p.scale;
      if (!flat) {
        deep = d.taps(plane.od);
        in += deep.first * d.in_step;
        if (p.counts_d) scale *= p.factor(d, plane.od);
      }
      const int depth = static_cast<int>(deep.count);
      permutation.scale = fill_vec<Value>(static_cast<Value>(scale));
      for (int i = 0; i < specials_; ++i) {
        if (groups_[i].row >= row && groups_[i].row < end) special<kIns, kOuts, kTaps>(i, in, out, depth, permutation);
      }
      const std::int64_t from = std::max(alike_from_, row / l.group), to_group = std::min(alike_to_, end / l.group);
      const char* at = in + (from * l.group * p.h.stride - p.h.lo) * p.h.in_step;
      char* to = out + from * l.group * p.h.out_step;
      const std::int64_t in_step = l.group * p.h.stride * p.h.in_step, out_step = l.group * p.h.out_step;
      const int taps = static_cast<int>(p.h.window);
      const Mask loads[2] = {all_loads_[0], all_loads_[1]}, stores[2] = {all_stores_[0], all_stores_[1]};
      for (std::int64_t g = from; g < to_group; ++g, at += in_step, to += out_step) {
        VecFor<O> acc[kIns];
        load_first<kIns>(acc, at, loads, depth);
        if (depth > 1) combine_deep<kIns, true>(acc, at + p.d.dilation * p.d.in_step, depth - 1, loads);
        const char* tap = at + down;
        for (int i = 1; i < taps; ++i, tap += down) combine_deep<kIns, true>(acc, tap, depth, loads);
        permutation.store(acc, to, stores, nullptr);
      }
      if (++block < all) continue;
      block = 0;
      next_plane(p, plane);
    }
  }

  template <int kIns>
  static POOL_INLINE void load_first(VecFor<O>* acc, const char* at, const Mask* loads, int depth) {
    // At a depth of 0 all taps are padding, and nothing may be read.
#pragma GCC unroll 2
    for (int r = 0; r < kIns; ++r) acc[r] = depth > 0 ? O::load_masked(at + r * kN * kSize, loads[r]) : O::neutral();
  }

  // One tap along h, and all along d. kSome: no lane but those of the mask will be used.
  template <int kIns, bool kSome>
  POOL_INLINE void combine_deep(VecFor<O>* acc, const char* at, int depth, const Mask* loads) {
    for (int i = 0; i < depth; ++i, at += p.d.dilation * p.d.in_step) {
#pragma GCC unroll 2
      for (int r = 0; r < kIns; ++r) {
        const char* own = at + r * kN * kSize;
        acc[r] = O::combine(acc[r], kSome ? O::load_some(own, loads[r]) : O::load_masked(own, loads[r]));
      }
    }
  }

  template <int kIns, int kOuts, int kTaps, class Permutation>
  POOL_INLINE void special(int i, const char* in, char* out, int depth, Permutation& permutation) {
    const Group& group = groups_[i];
    VecFor<O> acc[kIns];
    const char* at = in + group.first * p.h.in_step;
    const std::int64_t down = p.h.dilation * p.h.in_step;
    if (depth == 1 && group.taps > 0) {
      load_first<kIns>(acc, at, group.loads[0], depth);
      for (int t = 1; t < group.taps; ++t) combine_deep<kIns, false>(acc, at += down, 1, group.loads[t]);
    } else {
#pragma GCC unroll 2
      for (int r = 0; r < kIns; ++r) acc[r] = O::neutral();
      for (int t = 0; t < group.taps; ++t, at += down) combine_deep<kIns, false>(acc, at, depth, group.loads[t]);
    }
    permutation.store(acc, out + group.row * p.h.out_step, group.stores,
                      !O::kIsMax && p.counts_h ? group_factors_[O::kIsMax ? 0 : i] : nullptr);
  }

  // What brings neighbours together, in registers.
  template <int kIns, int kOuts, int kTaps>
  struct Permutation {
    const ShortRows& all;
    int taps;
    VecFor<O> scale;
    __m512i index[kTaps > 0 ? kTaps : 1][kOuts];
    Mask mask[kTaps > 0 ? kTaps : 1][kOuts];
    VecFor<O> columns[kOuts];

    explicit Permutation(const ShortRows& rows) : all(rows), taps(kTaps > 0 ? kTaps : rows.taps_) {
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 2
        for (int q = 0; q < kOuts; ++q) {
          index[t][q] = Permuted::index(rows.indices_[t] + q * kN);
          mask[t][q] = rows.masks_[t][q];
        }
      }
#pragma GCC unroll 2
      for (int q = 0; q < kOuts; ++q) {
        if constexpr (!O::kIsMax) columns[q] = load_vec<Value>(rows.column_factors_ + q * kN);
      }
    }

    POOL_INLINE VecFor<O> tap(const VecFor<O>* acc, int t, int q) const {
      const __m512i own = kTaps > 0 ? index[kTaps > 0 ? t : 0][q] : Permuted::index(all.indices_[t] + q * kN);
      if constexpr (O::kIsMax) {
        if constexpr (kIns == 1) return (VecFor<O>)Permuted::permute(own, (__m512i)acc[0]);
        return (VecFor<O>)Permuted::permute(own, (__m512i)acc[0], (__m512i)acc[kIns - 1]);
      } else {
        const Mask there = kTaps > 0 ? mask[kTaps > 0 ? t : 0][q] : all.masks_[t][q];
        if constexpr (kIns == 1) return (VecFor<O>)Permuted::permute_or_zero(there, own, (__m512i)acc[0]);
        return (VecFor<O>)Permuted::permute_or_zero(there, own, (__m512i)acc[0], (__m512i)acc[kIns - 1]);
      }
    }

    POOL_INLINE void store(const VecFor<O>* acc, char* out, const Mask* stores, const Value* row_factors) const {
#pragma GCC unroll 2
      for (int q = 0; q < kOuts; ++q) {
        VecFor<O> value = tap(acc, 0, q);
#pragma GCC unroll 4
        for (int t = 1; t < taps; ++t) value = O::combine(value, tap(acc, t, q));
        VecFor<O> factor = scale;
        if constexpr (!O::kIsMax) {
          factor = factor * columns[q];
          if (row_factors != nullptr) factor = factor * load_vec<Value>(row_factors + q * kN);
        }
        O::store_masked(out + q * kN * kSize, value, factor, stores[q]);
      }
    }
  };

  const Plan& p;
  ShortRowsLayout l;
  int taps_ = 0, specials_ = 0;
  std::int64_t alike_from_ = 0, alike_to_ = 0;
  Mask all_loads_[2], all_stores_[2];
  Mask masks_[kMostNeighbours][2];
  Group groups_[kMostGroups];
  alignas(64) std::uint16_t indices_[kMostNeighbours][2 * kN];
  alignas(64) Value column_factors_[2 * kN];
  alignas(64) Value group_factors_[O::kIsMax ? 1 : kMostGroups][2 * kN];
};
