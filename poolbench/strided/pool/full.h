// Reductions of whole contiguous rows to one element each: global pooling, and windows as long as their axis. As many
// rows as a vector has lanes are reduced side by side, so that their lanes are added up together in the end. Averages of
// floats are taken in float as far as chains of additions stay short: twice the lanes, and nothing to convert.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

constexpr int halvings(std::int64_t n) { return n <= 1 ? 0 : 1 + halvings(n / 2); }

// The sum of floats in a row, or as much of it as float32 may add up: each of these is a tree, so that no chain of
// additions is longer than that of few elements (combine.h). The order doesn't depend on where the row lies.
struct FloatTrees {
  using V = Vec<float>;
  static constexpr std::int64_t kN = kLanes<float>;
  static constexpr std::int64_t kSize = 4;
  static constexpr int kTree = 8;  // vectors: a chain of three

  // Vectors of a row that is added up in float: trees one behind the other, the last of which may be short, and then
  // across the lanes.
  static constexpr std::int64_t kMost = (kFewElements - halvings(kTree) - halvings(kN)) * kTree;
  static constexpr std::int64_t kBlock = 16;  // vectors of a longer row that are added up in float

  template <int kVectors>
  static POOL_INLINE V tree(const char* at) {
    if constexpr (kVectors == 1) {
      return load_vec<float>(at);
    } else {
      return tree<kVectors / 2>(at) + tree<kVectors - kVectors / 2>(at + kVectors / 2 * kN * kSize);
    }
  }
  // The last of the vectors has `last` elements.
  template <int kVectors>
  static POOL_INLINE V tree(const char* at, int last) {
    if constexpr (kVectors == 1) {
      return FloatAvg::load_part(at, last);
    } else {
      return tree<kVectors / 2>(at) + tree<kVectors - kVectors / 2>(at + kVectors / 2 * kN * kSize, last);
    }
  }

  // `trees` whole ones, and then `kVectors` more.
  template <int kVectors>
  static POOL_INLINE V row(const char* at, std::int64_t trees, int last) {
    if (trees == 0) return tree<kVectors>(at, last);
    V sum = tree<kTree>(at);
    for (std::int64_t i = 1; i < trees; ++i) sum += tree<kTree>(at += kTree * kN * kSize);
    return sum + tree<kVectors>(at + kTree * kN * kSize, last);
  }

  // Short rows of n elements, `step` bytes apart.
  static POOL_INLINE void rows(const char* in, std::int64_t step, std::int64_t n, int count, Ahead& ahead, V* sums) {
    const std::int64_t before = (n - 1) / kN, trees = before / kTree;
    const int last = static_cast<int>(n - before * kN);
    switch (before % kTree) {
      case 0: return rows<1>(in, step, trees, last, count, ahead, sums);
      case 1: return rows<2>(in, step, trees, last, count, ahead, sums);
      case 2: return rows<3>(in, step, trees, last, count, ahead, sums);
      case 3: return rows<4>(in, step, trees, last, count, ahead, sums);
      case 4: return rows<5>(in, step, trees, last, count, ahead, sums);
      case 5: return rows<6>(in, step, trees, last, count, ahead, sums);
      case 6: return rows<7>(in, step, trees, last, count, ahead, sums);
      default: return rows<8>(in, step, trees, last, count, ahead, sums);
    }
  }
  template <int kVectors>
  static POOL_INLINE void rows(const char* in, std::int64_t step, std::int64_t trees, int last, int count,
                               Ahead& ahead, V* sums) {
    for (int i = 0; i < count; ++i, in += step) {
      ahead.come_to(in);
      sums[i] = row<kVectors>(in, trees, last);
    }
  }

  // A long row: blocks are added up in float, and they in double.
  static POOL_INLINE Vec<double> long_row(const char* at, std::int64_t n) {
    Vec<double> low{}, high{};
    for (; n >= kBlock * kN; n -= kBlock * kN, at += kBlock * kN * kSize) widen(tree<kBlock>(at), low, high);
    for (; n >= 4 * kN; n -= 4 * kN, at += 4 * kN * kSize) widen(tree<4>(at), low, high);
    for (; n > 0; n -= kN, at += kN * kSize) {
      widen(FloatAvg::load_part(at, static_cast<int>(std::min(n, kN))), low, high);
    }
    return low + high;
  }
  static POOL_INLINE void widen(V sum, Vec<double>& low, Vec<double>& high) {
    Floats halves[2];
    __builtin_memcpy(halves, &sum, sizeof halves);
    low += Widened<float>::widen(halves[0]);
    high += Widened<float>::widen(halves[1]);
  }
};

// Combines n elements that lie side by side into one vector of partial results: pairwise over blocks, so that sums are
// as accurate as a pairwise sum and chains of additions stay short.
template <class O>
struct Reduction {
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kBlock = 32;  // vectors

  static POOL_INLINE VecFor<O> of_few(const char* at, std::int64_t vectors, int rest) {
    VecFor<O> a = O::neutral(), b = O::neutral();
    std::int64_t i = 0;
    for (; i + 2 <= vectors; i += 2) {
      a = O::combine(a, O::load(at + i * O::kCount * kSize));
      b = O::combine(b, O::load(at + (i + 1) * O::kCount * kSize));
    }
    if (i < vectors) a = O::combine(a, O::load(at + i * O::kCount * kSize));
    if (rest > 0) b = O::combine(b, O::load_part(at + vectors * O::kCount * kSize, rest));
    return O::combine(a, b);
  }

  static POOL_INLINE VecFor<O> of_block(const char* at) {
    VecFor<O> sums[4] = {O::load(at), O::load(at + O::kCount * kSize), O::load(at + 2 * O::kCount * kSize),
                         O::load(at + 3 * O::kCount * kSize)};
    for (std::int64_t i = 4; i < kBlock; i += 4) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[j] = O::combine(sums[j], O::load(at + (i + j) * O::kCount * kSize));
    }
    return O::combine(O::combine(sums[0], sums[1]), O::combine(sums[2], sums[3]));
  }

  static VecFor<O> of_many(const char* at, std::int64_t vectors, int rest) {
    VecFor<O> levels[48];  // levels[i] holds what 2^i blocks gave, where bit i of `blocks` is set
    std::int64_t blocks = 0;
    for (; vectors >= kBlock; vectors -= kBlock, at += kBlock * O::kCount * kSize, ++blocks) {
      VecFor<O> sum = of_block(at);
      int level = 0;
      for (; (blocks >> level) & 1; ++level) sum = O::combine(levels[level], sum);
      levels[level] = sum;
    }
    VecFor<O> all = of_few(at, vectors, rest);
    for (int level = 0; blocks >> level; ++level) {
      if ((blocks >> level) & 1) all = O::combine(all, levels[level]);
    }
    return all;
  }
};

// Lane i of the result combines the lanes of parts[i]; there is one part for each lane.
template <class O>
POOL_INLINE VecFor<O> across_lanes(VecFor<O>* parts) {
  using Value = typename O::Value;
#pragma GCC unroll 8
  for (int n = O::kCount / 2; n > 0; n /= 2) {
#pragma GCC unroll 64
    for (int i = 0; i < n; ++i) {
      parts[i] = O::combine(even_lanes<Value>(parts[2 * i], parts[2 * i + 1]),
                            odd_lanes<Value>(parts[2 * i], parts[2 * i + 1]));
    }
  }
  return parts[0];
}

// Rows of up to kMost vectors, as many as a vector has lanes: what they come to, a lane for each. Half of them first and
// then the other half, so that few registers hold what is not done yet.
template <class Op>
struct ShortRows {
  using V = Vec<typename Op::Value>;
  static constexpr std::int64_t kN = Op::kCount;
  static constexpr std::int64_t kMost = kBytes == 32 ? 8 : 4;  // of AVX-512 and AVX2, rows of up to 64 floats

  // The last of the vectors has `last` elements.
  static V of(const char* at, std::int64_t step, std::int64_t vectors, int last, DoubtOf<Op>& doubt) {
    switch (vectors) {
      case 1: return rows<1, kN>(at, step, last, doubt);
      case 2: return rows<2, kN>(at, step, last, doubt);
      case 3: return rows<3, kN>(at, step, last, doubt);
      case 4: return rows<4, kN>(at, step, last, doubt);
      default: break;
    }
    if constexpr (kMost > 4) {
      switch (vectors) {
        case 5: return rows<5, kN>(at, step, last, doubt);
        case 6: return rows<6, kN>(at, step, last, doubt);
        case 7: return rows<7, kN>(at, step, last, doubt);
        default: return rows<8, kN>(at, step, last, doubt);
      }
    }
    return Op::neutral();
  }

 private:
  template <int kVectors, int kRows>
  static POOL_INLINE V rows(const char* at, std::int64_t step, int last, DoubtOf<Op>& doubt) {
    if constexpr (kRows == 1) {
      return row<kVectors>(at, last, doubt);
    } else {
      const V a = rows<kVectors, kRows / 2>(at, step, last, doubt);
      const V b = rows<kVectors, kRows / 2>(at + kRows / 2 * step, step, last, doubt);
      return Op::combine(even_lanes<typename Op::Value>(a, b), odd_lanes<typename Op::Value>(a, b));
    }
  }
  template <int kVectors>
  static POOL_INLINE V row(const char* at, int last, DoubtOf<Op>& doubt) {
    if constexpr (std::is_same_v<Op, FloatAvg>) {
      return FloatTrees::tree<kVectors>(at, last);
    } else {
      V parts[kVectors];
#pragma GCC unroll 8
      for (int i = 0; i + 1 < kVectors; ++i) parts[i] = Op::load(at + i * kBytes);
      parts[kVectors - 1] = Op::load_part(at + (kVectors - 1) * kBytes, last);
      doubt.template see<kVectors>(parts);
      V all = parts[0];
#pragma GCC unroll 8
      for (int i = 1; i < kVectors; ++i) all = Op::combine(all, parts[i]);
      return all;
    }
  }
};

template <class O>
struct Full {
  static constexpr const char* kName = "full";
  static constexpr const char* kTakes = "windows that are whole contiguous rows: global pooling of planes";
  static constexpr const char* kCost = "1 for each vector that is read";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);

  static bool fits(const Plan& p) {
    return p.inner == 1 && p.w.positions > 1 && is_full(p.w) && p.w.in_step == kSize &&
           is_identity(p.h) && is_identity(p.d);
  }

  static std::int64_t units(const Plan& p) { return plane_count(p) * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const VecFor<O> factor = fill_vec<typename O::Value>(static_cast<typename O::Value>(p.scale));
    while (first < last) {
      const std::int64_t h = first % p.h.windows;
      const Plane plane = plane_at(p, first / p.h.windows);
      const std::int64_t count = std::min(last - first, p.h.windows - h);
      rows(p, plane.in + plane.od * p.d.in_step + h * p.h.in_step, plane.out + h * p.h.out_step, count, factor);
      first += count;
    }
  }

  static void rows(const Plan& p, const char* in, char* out, std::int64_t count, VecFor<O> factor) {
    using Numbers = typename OfNumbers<O>::Op;
    constexpr bool kTakesShort = std::is_same_v<O, FloatAvg> || !std::is_same_v<O, Numbers>;
    const std::int64_t vectors = (p.w.positions + O::kCount - 1) / O::kCount;
    const int last = static_cast<int>(p.w.positions - (vectors - 1) * O::kCount);
    VecFor<O> parts[O::kCount];
    Ahead ahead(input_bytes(p, kSize) >= kAskedBytes);
    for (std::int64_t row = 0; row < count; row += O::kCount) {
      const int now = static_cast<int>(std::min<std::int64_t>(count - row, O::kCount));
      if constexpr (kTakesShort) {
        if (now == O::kCount && vectors <= ShortRows<Numbers>::kMost && p.h.out_step == kSize) {
          DoubtOf<Numbers> doubt;
          ahead.come_to(in);
          const auto result = ShortRows<Numbers>::of(in, p.h.in_step, vectors, last, doubt);
          if (doubt.is_sure()) {
            O::store(out, result, factor);
            in += now * p.h.in_step;
            out += now * kSize;
            continue;
          }
        }
      }
      if constexpr (std::is_same_v<O, FloatAvg>) {
        FloatTrees::rows(in, p.h.in_step, p.w.positions, now, ahead, parts);
      } else {
        for (int i = 0; i < now; ++i) parts[i] = reduce(p, in + i * p.h.in_step, ahead);
      }
      in += now * p.h.in_step;
      for (int i = now; i < O::kCount; ++i) parts[i] = O::neutral();
      const VecFor<O> result = across_lanes<O>(parts);
      if (p.h.out_step == kSize) {
        O::store_part(out, result, factor, now);
      } else {
        char few[kBytes];
        O::store_part(few, result, factor, now);
        for (int i = 0; i < now; ++i) __builtin_memcpy(out + i * p.h.out_step, few + i * kSize, kSize);
      }
      out += now * p.h.out_step;
    }
  }

  static POOL_INLINE VecFor<O> reduce(const Plan& p, const char* in, Ahead& ahead) {
    const std::int64_t vectors = p.w.positions / O::kCount;
    const int rest = static_cast<int>(p.w.positions % O::kCount);
    if constexpr (std::is_same_v<O, Avg<float>>) {
      return FloatTrees::long_row(in, p.w.positions);
    } else if (vectors < Reduction<O>::kBlock) {
      ahead.come_to(in);
      return Reduction<O>::of_few(in, vectors, rest);
    } else {
      return Reduction<O>::of_many(in, vectors, rest);
    }
  }
};

// Rows of floats are added up in float as far as chains stay short.
template <>
struct ShortSums<Full> {
  static bool has(const Plan& p) { return p.w.positions <= FloatTrees::kMost * FloatTrees::kN; }
};

POOL_END
