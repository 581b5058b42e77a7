// Sums of whole rows of floats, taken in float as far as chains of additions stay short: twice the lanes of a double, and
// nothing to convert.
#pragma once

#include "simd/across_lanes.h"

POOL_BEGIN

constexpr int halvings(std::int64_t n) { return n <= 1 ? 0 : 1 + halvings(n / 2); }

// The sum of floats in a row, or as much of it as float32 may add up: each of these is a tree, so that no chain of
// additions is longer than that of few elements (combine.h). The order doesn't depend on where the row lies.
struct RowSums {
  using V = Vec<float>;
  static constexpr std::int64_t kN = kLanes<float>;
  static constexpr std::int64_t kSize = 4;
  static constexpr int kTree = 8;  // vectors: a chain of three

  // Vectors of a row that is added up in float: trees one behind the other, the last of which may be short, and then
  // across the lanes.
  static constexpr std::int64_t kMost = (kFewElements - halvings(kTree) - halvings(kN)) * kTree;
  static constexpr std::int64_t kMostInChain = kFewElements - halvings(kN);
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

  // A row of so many vectors. With AVX-512 those that PackedRows may take are one chain: it has the same elements for each
  // lane, in the same order, from whichever lane the row begins.
  template <int kVectors>
  static POOL_INLINE V whole(const char* at, int last) {
    if constexpr (kBytes == 64 && kVectors >= 3 && kVectors <= kMostInChain) {
      V sum = load_vec<float>(at);
#pragma GCC unroll 8
      for (int i = 1; i + 1 < kVectors; ++i) sum += load_vec<float>(at + i * kBytes);
      return sum + FloatAvg::load_part(at + (kVectors - 1) * kBytes, last);
    } else {
      return tree<kVectors>(at, last);
    }
  }

  // `trees` whole ones, and then `kVectors` more.
  template <int kVectors>
  static POOL_INLINE V row(const char* at, std::int64_t trees, int last) {
    if (trees == 0) return whole<kVectors>(at, last);
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
    for (; n >= kBlock * kN; n -= kBlock * kN, at += kBlock * kN * kSize) add_widened(tree<kBlock>(at), low, high);
    for (; n >= 4 * kN; n -= 4 * kN, at += 4 * kN * kSize) add_widened(tree<4>(at), low, high);
    for (; n > 0; n -= kN, at += kN * kSize) {
      add_widened(FloatAvg::load_part(at, static_cast<int>(std::min(n, kN))), low, high);
    }
    return low + high;
  }
};

#if POOL_AVX512
// Rows behind each other that begin anywhere in a line of memory, such as planes of 7 × 7. A vector across two lines takes
// as long as two, and so lines are read whole; a mask leaves out what belongs to the row before or behind. As many rows as
// a vector has lanes end where they began in a line.
class PackedRows {
 public:
  using V = Vec<float>;
  static constexpr std::int64_t kN = kLanes<float>;
  static constexpr std::int64_t kLeast = 3 * kN;  // elements: below, most lines are of two rows
  static constexpr std::int64_t kMost = RowSums::kMostInChain * kN;
  static constexpr std::int64_t kFewest = 4 * kN;  // rows: fewer are added up by the time that these are set up

  static bool takes(const char* in, std::int64_t step, std::int64_t n) {
    if (n < kLeast || n > kMost || step != n * 4) return false;
    const std::int64_t begin = begin_of(in);
    return begin % 4 == 0 && (begin != 0 || n % kN != 0);
  }

  PackedRows(const char* in, std::int64_t n) : whole_(n / kN) {
    std::int64_t at = begin_of(in) / 4;
    for (std::int64_t i = 0; i < kN; ++i, at += n) {
      lines_[i] = at / kN * kBytes - begin_of(in);
      own_[i] = static_cast<Lanes::Mask>(~0u << at % kN);
      has_more_[i] = at % kN + n >= (whole_ + 1) * kN;
    }
    own_[kN] = own_[0];
  }

  // As many rows as a vector has lanes, a lane for each.
  V sums(const char* in) const {
    switch (whole_) {
      case 3: return sums<3>(in);
      case 4: return sums<4>(in);
      default: return sums<5>(in);
    }
  }

 private:
  using Lanes = Masked<4>;

  static std::int64_t begin_of(const char* in) {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(in) % kBytes);
  }

  template <int kWhole>
  POOL_INLINE V sums(const char* in) const {
    return across_lanes<FloatAvg>([&](int i) __attribute__((always_inline)) { return row<kWhole>(in + lines_[i], i); });
  }
  // Of kWhole vectors and less than one more.
  template <int kWhole>
  POOL_INLINE V row(const char* line, int i) const {
    V sum = (V)Lanes::load_lanes(line, own_[i]);
#pragma GCC unroll 8
    for (int j = 1; j < kWhole; ++j) sum += load_vec<float>(line + j * kBytes);
    line += kWhole * kBytes;
    if (has_more_[i]) {
      sum += load_vec<float>(line);
      line += kBytes;
    }
    const auto behind = static_cast<Lanes::Mask>(~own_[i + 1]);
    return (V)_mm512_mask_add_ps((__m512)sum, behind, (__m512)sum, (__m512)Lanes::load_lanes(line, behind));
  }

  std::int64_t whole_;
  std::int64_t lines_[kN];  // where the line that a row begins in begins, in bytes from the first row
  Lanes::Mask own_[kN + 1];
  bool has_more_[kN];  // a whole vector more
};
#endif

POOL_END
