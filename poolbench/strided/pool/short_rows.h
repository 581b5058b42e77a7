// Pooling of planes whose rows are shorter than a register or two: several rows are loaded at once, combined along d
// and h in registers, and neighbours along w are brought together by permuting lanes. Needs masks and permutations by
// variable, so it is there for AVX-512 alone.
#pragma once

#include "pool/flat.h"
#include "pool/short_rows_layout.h"

POOL_BEGIN

template <class O>
struct ShortRows {
  using Value = typename O::Value;
  static constexpr const char* kName = "short_rows";
  static constexpr const char* kTakes = "contiguous rows of at most two vectors, several of them in a register";
  static constexpr const char* kCost = "kd·kh + kw";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr int kN = O::kCount;
  using Permuted = Lanes<sizeof(Value)>;
  using Mask = typename Permuted::Mask;

  static bool fits(const Plan& p) {
    ShortRowsLayout<O> layout;
    if (p.h.windows * p.w.windows >= Flat<O>::kLarge && Flat<O>::fits(p)) return false;
    return p.inner == 1 && layout.choose(p);
  }

  // A unit is some of the rows of a plane.
  static std::int64_t units(const Plan& p) {
    ShortRowsLayout<O> layout;
    layout.choose(p);
    return plane_count(p) * layout.blocks(p);
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    ShortRows self(p);
    if (self.tables.l.ins == 1) {
      self.template with_taps<1, 1>(first, last);
    } else if (self.tables.l.outs == 1) {
      self.template with_taps<2, 1>(first, last);
    } else {
      self.template with_taps<2, 2>(first, last);
    }
  }

 private:
  explicit ShortRows(const Plan& plan) : p(plan), tables(plan) {}

  template <int kIns, int kOuts>
  void with_taps(std::int64_t first, std::int64_t last) {
    switch (tables.taps) {
      case 1: planes<kIns, kOuts, 1>(first, last); break;
      case 2: planes<kIns, kOuts, 2>(first, last); break;
      case 3: planes<kIns, kOuts, 3>(first, last); break;
      default: planes<kIns, kOuts, 0>(first, last);
    }
  }

  template <int kIns, int kOuts, int kTaps>
  void planes(std::int64_t first, std::int64_t last) {
    const ShortRowsLayout<O>& l = tables.l;
    const std::int64_t each = l.block_rows(p), all = l.blocks(p);
    std::int64_t block = first % all;
    Plane plane = plane_at(p, first / all);
    Permutation<kIns, kOuts, kTaps> permutation(tables);
    const Axis d = p.d;
    const bool flat = is_single(d);
    const std::int64_t down = p.h.dilation * p.h.in_step;
    for (; first < last; ++first) {
      const char* in = plane.in;
      char* out = plane.out;
      const std::int64_t row = block * each, end = std::min(p.h.windows, row + each);
      Axis::Taps deep{0, 1};
      double scale = p.scale;
      if (!flat) {
        deep = d.taps(plane.od);
        in += deep.first * d.in_step;
        if (p.counts_d) scale *= p.factor(d, plane.od);
      }
      const int depth = static_cast<int>(deep.count);
      permutation.scale = fill_vec<Value>(static_cast<Value>(scale));
      for (int i = 0; i < tables.specials; ++i) {
        if (tables.groups[i].row >= row && tables.groups[i].row < end) {
          special<kIns, kOuts, kTaps>(i, in, out, depth, permutation);
        }
      }
      const std::int64_t from = std::max(tables.alike_from, row / l.group);
      const std::int64_t to_group = std::min(tables.alike_to, end / l.group);
      const char* at = in + (from * l.group * p.h.stride - p.h.lo) * p.h.in_step;
      char* to = out + from * l.group * p.h.out_step;
      const std::int64_t in_step = l.group * p.h.stride * p.h.in_step, out_step = l.group * p.h.out_step;
      const int taps = static_cast<int>(p.h.window);
      const Mask loads[2] = {tables.all_loads[0], tables.all_loads[1]};
      const Mask stores[2] = {tables.all_stores[0], tables.all_stores[1]};
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
    const typename ShortRowsTables<O>::Group& group = tables.groups[i];
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
                      !O::kIsMax && p.counts_h ? tables.group_factors[O::kIsMax ? 0 : i] : nullptr);
  }

  // What brings neighbours together, in registers.
  template <int kIns, int kOuts, int kTaps>
  struct Permutation {
    const ShortRowsTables<O>& all;
    int taps;
    VecFor<O> scale;
    __m512i index[kTaps > 0 ? kTaps : 1][kOuts];
    Mask mask[kTaps > 0 ? kTaps : 1][kOuts];
    VecFor<O> columns[kOuts];

    explicit Permutation(const ShortRowsTables<O>& tables) : all(tables), taps(kTaps > 0 ? kTaps : all.taps) {
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) {
#pragma GCC unroll 2
        for (int q = 0; q < kOuts; ++q) {
          index[t][q] = Permuted::index(all.indices[t] + q * kN);
          mask[t][q] = all.masks[t][q];
        }
      }
#pragma GCC unroll 2
      for (int q = 0; q < kOuts; ++q) {
        if constexpr (!O::kIsMax) columns[q] = load_vec<Value>(all.column_factors + q * kN);
      }
    }

    POOL_INLINE VecFor<O> tap(const VecFor<O>* acc, int t, int q) const {
      const __m512i own = kTaps > 0 ? index[kTaps > 0 ? t : 0][q] : Permuted::index(all.indices[t] + q * kN);
      if constexpr (O::kIsMax) {
        if constexpr (kIns == 1) return (VecFor<O>)Permuted::permute(own, (__m512i)acc[0]);
        return (VecFor<O>)Permuted::permute(own, (__m512i)acc[0], (__m512i)acc[kIns - 1]);
      } else {
        const Mask there = kTaps > 0 ? mask[kTaps > 0 ? t : 0][q] : all.masks[t][q];
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
  ShortRowsTables<O> tables;
};

POOL_END
