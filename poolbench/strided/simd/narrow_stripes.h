// How planes of contiguous rows are walked down in stripes with AVX2, each as wide as a vector of outputs: of which windows,
// which stripes there are, and where their rows are loaded.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

template <class T>
struct NarrowStripes {
  using Mask = Vec<std::int32_t>;
  static constexpr std::int64_t kSize = sizeof(T);
  static constexpr std::int64_t kN = kLanes<T>;
  static constexpr std::int64_t kBandBytes = 16 << 10;  // what a band of rows reads, so that it stays in the nearest cache
  static constexpr std::int64_t kAskedBytes = 512 << 10;  // arrays from here on are asked for, two bands ahead
  static constexpr std::int64_t kMostEdges = 4;         // rows of outputs that count otherwise than most
  static constexpr int kMostLoads = 5;                  // vectors that a row of a stripe is loaded as
  static constexpr int kMostKinds = 4;

  // A window, known when this is compiled: its stride and taps along w and along h, and whether it has one tap along d.
  template <int kOwnStride, int kOwnAcross, int kOwnDownStride, int kOwnTaps, bool kOwnFlat>
  struct Window {
    static constexpr int kStride = kOwnStride, kAcross = kOwnAcross, kDownStride = kOwnDownStride, kTaps = kOwnTaps;
    static constexpr int kKnown = std::max(kTaps - kDownStride, 0);  // rows that the window before has read
    static constexpr int kSkipped = kDownStride - (kTaps - kKnown);  // and those that no window reads
    static constexpr int kLoads = kStride == 1 ? kAcross : (kAcross + 1) / 2 * 2;
    static constexpr bool kFlat = kOwnFlat;
  };

  // Windows for which there is a loop: how far they are apart, and how long they are; or that along w, and then along h. Of
  // kBy2Of1 rows may be one apart: some plans know no rows that no window reads.
  enum Loop { kNone, kBy2Of1, kBy2Of2, kBy1Of3, kBy2Of3, kBy1Of5, kBy1Of2AndBy2Of2 };
  static bool is(const Axis& axis, std::int64_t stride, std::int64_t window) {
    return !axis.adaptive() && axis.dilation == 1 && axis.stride == stride && axis.window == window;
  }
  static Loop loop_of(const Plan& p) {
    if (is(p.h, 1, 1) || is(p.h, 2, 1)) return is(p.w, 2, 1) ? kBy2Of1 : kNone;
    if (is(p.h, 1, 3)) return is(p.w, 1, 3) ? kBy1Of3 : kNone;
    if (is(p.h, 1, 5)) return is(p.w, 1, 5) ? kBy1Of5 : kNone;
    if (is(p.h, 2, 3)) return is(p.w, 2, 3) ? kBy2Of3 : kNone;
    if (!is(p.h, 2, 2)) return kNone;
    return is(p.w, 2, 2) ? kBy2Of2 : is(p.w, 1, 2) ? kBy1Of2AndBy2Of2 : kNone;
  }

  static bool fits(const Plan& p) {
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize || loop_of(p) == kNone) return false;
    // Of a row shorter than a vector, what is written behind its end is written over by the next one.
    if (p.w.windows < kN && (2 * p.w.windows < kN || p.h.out_step != p.w.windows * kSize)) return false;
    std::int64_t begin, end;
    p.h.inside(begin, end);
    return p.h.windows - (end - begin) <= kMostEdges && are_inside(p.w);
  }

  // Where most lanes of a row's vectors are outputs.
  static bool fills_vectors(const Axis& w) { return 3 * w.windows >= 2 * kN * stripes(w); }

  // As many rows of outputs as leave what they read in the nearest cache while stripe after stripe walks down.
  static std::int64_t bands(const Plan& p) {
    const std::int64_t row = p.w.positions * kSize * p.h.stride * p.d.most_taps();
    const std::int64_t rows = std::max<std::int64_t>(8, kBandBytes / (row + 1));
    return (p.h.windows + rows - 1) / rows;
  }

  static std::int64_t stripes(const Axis& w) { return (w.windows + kN - 1) / kN; }
  // The first output of a stripe. The last one overlaps with the one before it.
  static std::int64_t begin_of(const Axis& w, std::int64_t stripe) {
    return std::min(stripe * kN, std::max<std::int64_t>(w.windows - kN, 0));
  }
  // Whether a stripe reads no position outside the row, with what it loads beyond its last window.
  static bool is_inside(const Axis& w, std::int64_t stripe) {
    const std::int64_t first = begin_of(w, stripe) * w.stride - w.lo;
    return first >= 0 && first + kN * w.stride + w.window - w.stride % 2 <= w.positions;
  }
  // Only the first and the two last ones may.
  static bool are_inside(const Axis& w) {
    const std::int64_t count = stripes(w);
    return count < kMostKinds || (is_inside(w, 1) && is_inside(w, count - 3));
  }

  // Kinds of stripes: the first one, those between, and the two last ones.
  static int kinds(std::int64_t count) { return static_cast<int>(std::min<std::int64_t>(count, kMostKinds)); }
  static std::int64_t example_of(int kind, std::int64_t count) {
    return count <= kMostKinds || kind < 2 ? kind : count - kMostKinds + kind;
  }
  static std::int64_t kind_of(std::int64_t stripe, std::int64_t count) {
    if (count <= kMostKinds || stripe == 0) return stripe;
    return stripe < count - 2 ? 1 : stripe - count + kMostKinds;
  }

  // How far behind the first position of a stripe load j begins: each tap's own, or two vectors for each two taps.
  static constexpr std::int64_t offset(int stride, int j) { return stride == 1 ? j : j % 2 * kN + j / 2 * 2; }
  // Which lanes of a load that begins at `first` lie among `count` positions.
  static Mask lanes_inside(std::int64_t first, std::int64_t count) {
    constexpr int kWords = static_cast<int>(kSize) / 4;
    Mask mask;
    for (int i = 0; i < 8; ++i) {
      const std::int64_t at = first + i / kWords;
      mask[i] = at >= 0 && at < count ? -1 : 0;
    }
    return mask;
  }
  // The lanes of a mask; the others are zero, or those of `rest`.
  static POOL_INLINE Vec<T> load_lanes(const char* at, Mask mask) {
    return (Vec<T>)_mm256_maskload_epi32(reinterpret_cast<const int*>(at), (__m256i)mask);
  }
  static POOL_INLINE Vec<T> load_lanes(const char* at, Mask mask, Vec<T> rest) {
    return (Vec<T>)_mm256_blendv_ps((__m256)rest, (__m256)load_lanes(at, mask), (__m256)mask);
  }
  // Which output a lane is where pairs were brought together within halves.
  static constexpr int output_of_lane(int lane) {
    constexpr int kHalf = static_cast<int>(kN) / 2, kPair = kHalf / 2;
    return lane % kHalf % kPair + lane / kHalf * kPair + lane % kHalf / kPair * kHalf;
  }
};

POOL_END
