// Reductions of whole contiguous rows to one element each: global pooling, and windows as long as their axis. As many
// rows as a vector has lanes are reduced side by side, so that their lanes are added up together in the end. Averages of
// floats are taken in float as far as chains of additions stay short: twice the lanes, and nothing to convert.
#pragma once

#include "pool/row_sums.h"

POOL_BEGIN

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

// Rows of up to kMost vectors, as many as a vector has lanes: what they come to, a lane for each.
template <class Op>
struct ShortRows {
  using V = Vec<typename Op::Value>;
  static constexpr std::int64_t kMost = kBytes == 32 ? 8 : 4;  // of AVX-512 and AVX2, rows of up to 64 floats

  // The last of the vectors has `last` elements.
  static V of(const char* at, std::int64_t step, std::int64_t vectors, int last, DoubtOf<Op>& doubt) {
    switch (vectors) {
      case 1: return rows<1>(at, step, last, doubt);
      case 2: return rows<2>(at, step, last, doubt);
      case 3: return rows<3>(at, step, last, doubt);
      case 4: return rows<4>(at, step, last, doubt);
      default: break;
    }
    if constexpr (kMost > 4) {
      switch (vectors) {
        case 5: return rows<5>(at, step, last, doubt);
        case 6: return rows<6>(at, step, last, doubt);
        case 7: return rows<7>(at, step, last, doubt);
        default: return rows<8>(at, step, last, doubt);
      }
    }
    return Op::neutral();
  }

 private:
  template <int kVectors>
  static POOL_INLINE V rows(const char* at, std::int64_t step, int last, DoubtOf<Op>& doubt) {
    return across_lanes<Op>([&](int i) __attribute__((always_inline)) { return row<kVectors>(at + i * step, last, doubt); });
  }
  template <int kVectors>
  static POOL_INLINE V row(const char* at, int last, DoubtOf<Op>& doubt) {
    if constexpr (std::is_same_v<Op, FloatAvg>) {
      return RowSums::whole<kVectors>(at, last);
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
    std::int64_t row = 0;
#if POOL_AVX512
    if constexpr (std::is_same_v<O, FloatAvg>) {
      if (count >= PackedRows::kFewest && p.h.out_step == kSize && PackedRows::takes(in, p.h.in_step, p.w.positions)) {
        const PackedRows packed(in, p.w.positions);
        for (; row + O::kCount <= count; row += O::kCount) {
          ahead.come_to(in);
          ahead.come_to(in + O::kCount / 2 * p.h.in_step);
          O::store(out, settled(packed.sums(in)), factor);
          in += O::kCount * p.h.in_step;
          out += O::kCount * kSize;
        }
      }
    }
#endif
    for (; row < count; row += O::kCount) {
      const int now = static_cast<int>(std::min<std::int64_t>(count - row, O::kCount));
      if constexpr (kTakesShort) {
        if (now == O::kCount && vectors <= ShortRows<Numbers>::kMost && p.h.out_step == kSize) {
          DoubtOf<Numbers> doubt;
          ahead.come_to(in);
          const auto result = ShortRows<Numbers>::of(in, p.h.in_step, vectors, last, doubt);
          if (doubt.is_sure()) {
            O::store(out, settled(result), factor);
            in += now * p.h.in_step;
            out += now * kSize;
            continue;
          }
        }
      }
      if constexpr (std::is_same_v<O, FloatAvg>) {
        RowSums::rows(in, p.h.in_step, p.w.positions, now, ahead, parts);
      } else {
        for (int i = 0; i < now; ++i) parts[i] = reduce(p, in + i * p.h.in_step, ahead);
      }
      in += now * p.h.in_step;
      for (int i = now; i < O::kCount; ++i) parts[i] = O::neutral();
      const VecFor<O> result = settled(across_lanes<O>([&](int i) { return parts[i]; }));
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

  // A sum of zeros is a positive one, as it is wherever lanes are left out.
  static POOL_INLINE VecFor<O> settled(VecFor<O> sum) {
    if constexpr (std::is_same_v<O, FloatAvg>) return sum + VecFor<O>{};
    else return sum;
  }

  static POOL_INLINE VecFor<O> reduce(const Plan& p, const char* in, Ahead& ahead) {
    const std::int64_t vectors = p.w.positions / O::kCount;
    const int rest = static_cast<int>(p.w.positions % O::kCount);
    if constexpr (std::is_same_v<O, Avg<float>>) {
      return RowSums::long_row(in, p.w.positions);
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
  static bool has(const Plan& p) { return p.w.positions <= RowSums::kMost * RowSums::kN; }
};

POOL_END
