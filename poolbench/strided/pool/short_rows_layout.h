// How the short_rows engine takes a plan's rows together in registers, and which lanes and masks that needs. Included
// once per instruction set, for AVX-512 alone.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

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

template <class O>
struct ShortRowsLayout {
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr int kN = O::kCount;

  int ins = 1, outs = 1;  // registers of input rows and of output rows
  int group = 1;          // output rows at once

  bool choose(const Plan& p) {
    if (p.w.in_step != kSize || p.w.out_step != kSize || p.w.positions > 2 * kN || p.w.windows > 2 * kN) return false;
    const std::int64_t w_taps = p.w.most_taps(), h_taps = p.h.most_taps(), d_taps = p.d.most_taps();
    if (w_taps > kMostNeighbours || h_taps > kMostTapsDown || d_taps > kMostTapsDown) return false;
    const bool touching =
        p.h.in_step == p.w.positions * kSize && p.h.out_step == p.w.windows * kSize && !p.h.adaptive();
    double best = 0;
    *this = ShortRowsLayout{};
    for (int in = 1; in <= 2; ++in) {
      if (p.w.positions > in * kN) continue;
      for (int out = 1; out <= in; ++out) {
        if (p.w.windows > out * kN) continue;
        std::int64_t together = 1;
        if (touching) {
          together = std::min((in * kN / p.w.positions - 1) / p.h.stride + 1, out * kN / p.w.windows);
          together = std::min(together, p.h.windows);
        }
        // What the work per group costs, in instructions, and the loop around it.
        const std::int64_t cost = d_taps * h_taps * in * 3 + w_taps * out * 3 + out * 2 + 10;
        const double own = static_cast<double>(cost) / static_cast<double>(together);
        if (best == 0 || own < best) {
          best = own;
          ins = in;
          outs = out;
          group = static_cast<int>(together);
        }
      }
    }
    return best > 0 && special_groups(p) <= kMostGroups;
  }

  // Output rows of a unit: so many that what they read stays in the nearest cache, and whole groups.
  std::int64_t block_rows(const Plan& p) const {
    const std::int64_t taken =
        p.h.adaptive() ? p.h.positions / p.h.windows : p.h.stride;  // input rows for one of output
    const std::int64_t row = std::max<std::int64_t>(1, p.w.positions * kSize * taken);
    return std::max<std::int64_t>(1, (16 << 10) / row / group) * group;
  }

  std::int64_t blocks(const Plan& p) const {
    const std::int64_t rows = block_rows(p);
    return (p.h.windows + rows - 1) / rows;
  }

  // Groups are alike in [from, to), counted in groups.
  void alike(const Plan& p, std::int64_t& from, std::int64_t& to) const {
    from = to = 0;
    if (p.h.adaptive() || p.counts_h) return;
    std::int64_t begin, end;
    p.h.inside(begin, end);
    from = (begin + group - 1) / group;
    to = std::max(from, end / group);
  }

  std::int64_t group_count(const Plan& p) const { return (p.h.windows + group - 1) / group; }

  std::int64_t special_groups(const Plan& p) const {
    std::int64_t from, to;
    alike(p, from, to);
    return group_count(p) - (to - from);
  }
};

// What is worked out once for all planes.
template <class O>
struct ShortRowsTables {
  using Value = typename O::Value;
  using Mask = typename Lanes<sizeof(Value)>::Mask;
  static constexpr int kN = O::kCount;

  // Some output rows that are pooled together, where they need more than their place to be said: at the edges of the
  // plane, where taps lie outside.
  struct Group {
    std::int64_t row;     // the first output row
    std::int64_t first;   // where its first tap that has a lane begins, in input rows, from that of output row 0
    int taps;             // along h
    Mask loads[kMostTapsDown][2];
    Mask stores[2];
  };

  explicit ShortRowsTables(const Plan& plan) : p(plan) {
    l.choose(plan);
    set_permutations();
    l.alike(p, alike_from, alike_to);
    const std::int64_t count = l.group_count(p);
    for (std::int64_t g = 0; g < count; ++g) {
      if (g == alike_from) g = alike_to;
      if (g < count) add_group(g * l.group, std::min<std::int64_t>(l.group, p.h.windows - g * l.group));
    }
    const std::int64_t loaded = ((l.group - 1) * p.h.stride + 1) * p.w.positions;
    set_masks(all_loads, 0, loaded);
    set_masks(all_stores, 0, l.group * p.w.windows);
  }

  const Plan& p;
  ShortRowsLayout<O> l;
  int taps = 0, specials = 0;
  std::int64_t alike_from = 0, alike_to = 0;
  Mask all_loads[2], all_stores[2];
  Mask masks[kMostNeighbours][2];
  Group groups[kMostGroups];
  alignas(64) std::uint16_t indices[kMostNeighbours][2 * kN];
  alignas(64) Value column_factors[2 * kN];
  alignas(64) Value group_factors[O::kIsMax ? 1 : kMostGroups][2 * kN];

 private:
  // Where each lane of the output finds its taps along w. A maximum takes one of its own taps again where one lies
  // outside; an average takes zero.
  void set_permutations() {
    taps = static_cast<int>(p.w.most_taps());
    std::memset(indices, 0, sizeof indices);
    std::memset(masks, 0, sizeof masks);
    for (std::int64_t o = 0; o < p.w.windows; ++o) {
      const Axis::Taps own = p.w.taps(o);
      for (int t = 0; t < taps; ++t) {
        const bool there = t < own.count;
        const std::int64_t at = own.first + (there ? t : 0) * p.w.dilation;
        for (std::int64_t row = 0; row < l.group; ++row) {
          const std::int64_t lane = row * p.w.windows + o;
          indices[t][lane] = static_cast<std::uint16_t>(own.count > 0 ? row * p.h.stride * p.w.positions + at : 0);
          if (there) masks[t][lane / kN] = static_cast<Mask>(masks[t][lane / kN] | Mask{1} << (lane % kN));
        }
      }
    }
    if constexpr (!O::kIsMax) {
      // Lanes that are not stored get a factor too: what is multiplied with garbage may take a hundred times as long.
      for (std::int64_t lane = 0; lane < 2 * kN; ++lane) {
        column_factors[lane] = static_cast<Value>(p.counts_w ? p.factor(p.w, lane % p.w.windows) : 1);
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
    Group& group = groups[specials];
    group.row = oh;
    group.first = 0;  // where all taps are padding, nothing is read from there
    group.taps = 0;
    const Axis::Taps own = p.h.taps(oh);
    const std::int64_t start = p.h.adaptive() ? own.first : oh * p.h.stride - p.h.lo;
    const std::int64_t window = p.h.adaptive() ? own.count : p.h.window;
    const std::int64_t loaded = (rows - 1) * p.h.stride + 1;
    for (std::int64_t t = 0; t < window; ++t) {
      const std::int64_t y = start + t * p.h.dilation;
      const std::int64_t from = y < 0 ? -y : 0, to = std::min(loaded, p.h.positions - y);
      if (from >= to) continue;
      if (group.taps == 0) group.first = y;
      set_masks(group.loads[group.taps], from * p.w.positions, to * p.w.positions);
      group.taps = static_cast<int>((y - group.first) / p.h.dilation) + 1;
    }
    set_masks(group.stores, 0, rows * p.w.windows);
    if constexpr (!O::kIsMax) {
      for (int lane = 0; lane < 2 * kN; ++lane) {
        const std::int64_t row = oh + lane / p.w.windows;
        group_factors[specials][lane] = static_cast<Value>(p.counts_h && row < p.h.windows ? p.factor(p.h, row) : 1);
      }
    }
    ++specials;
  }
};

POOL_END
