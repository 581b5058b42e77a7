// How planes of contiguous rows are walked down in stripes with AVX2, each as wide as a vector of outputs: of which windows,
// which stripes there are, and where their rows are loaded.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

// A part of a pass, small enough that what it reads stays in the nearest cache while stripe after stripe walks down: a band
// of rows of one plane, or some whole planes that follow each other.
struct StripesPart {
  Plane first;
  std::int64_t planes, begin, end;  // rows
  bool is_last;                     // whether no plane follows in the same line of planes
};

// All parts of a pass. Planes lie in lines: those of a sample, or those along d where that axis has more than one.
class StripesParts {
 public:
  static constexpr std::int64_t kBytes = 16 << 10;       // of a band
  static constexpr std::int64_t kPlanesBytes = 8 << 10;  // of planes, whose outputs are to stay there, too

  // Rows of a plane, of so many bytes to read; how many a band has at least, and of what they are a multiple.
  StripesParts(const Plan& plan, std::int64_t rows, std::int64_t row_bytes, std::int64_t least, std::int64_t multiple)
      : p(plan), rows_(rows), multiple_(multiple), is_deep_(plan.d.windows > 1),
        line_(is_deep_ ? plan.d.windows : plan.outer[1].count) {
    const std::int64_t most = std::max(least, kBytes / (row_bytes + 1));
    bands_ = (rows + most - 1) / most;
    std::int64_t begin = 0, end = 1;
    if (is_deep_ && !p.d.adaptive()) p.d.inside(begin, end);
    const bool is_even = !is_deep_ || (!p.d.adaptive() && end - begin == p.d.windows);
    if (bands_ <= 1 && is_even && line_ > 0) {
      together_ = std::clamp<std::int64_t>(kPlanesBytes / (rows * row_bytes + 1), 1, line_);
    }
    parts_ = (line_ + together_ - 1) / together_ * bands_;
  }
  std::int64_t count() const { return p.outer[0].count * (is_deep_ ? p.outer[1].count : 1) * parts_; }

  // From a plane of a part to the next one.
  std::int64_t in_step() const { return is_deep_ ? p.d.stride * p.d.in_step : p.outer[1].in_step; }
  std::int64_t out_step() const { return is_deep_ ? p.d.out_step : p.outer[1].out_step; }
  std::int64_t offset_step() const { return is_deep_ ? p.d.offset_step : p.outer[1].offset_step; }

  template <class Do>
  void each(std::int64_t first, std::int64_t last, Do part) const {
    std::int64_t line = first / parts_, plane = first % parts_ / bands_ * together_, band = first % bands_;
    for (; first < last; ++first) {
      const std::int64_t planes = std::min(together_, line_ - plane), next = band + 1;
      Plane at{line, plane, 0, nullptr, nullptr};
      if (is_deep_) at = {line / p.outer[1].count, line % p.outer[1].count, plane, nullptr, nullptr};
      find_memory(p, at);
      part(StripesPart{at, planes, begin_of(band), next == bands_ ? rows_ : begin_of(next), plane + planes == line_});
      if (++band < bands_) continue;
      band = 0;
      plane += planes;
      if (plane == line_) plane = 0, ++line;
    }
  }

 private:
  std::int64_t begin_of(std::int64_t band) const { return bands_ == 1 ? 0 : rows_ * band / bands_ / multiple_ * multiple_; }

  const Plan& p;
  const std::int64_t rows_, multiple_;
  const bool is_deep_;
  const std::int64_t line_;  // planes of a line
  std::int64_t bands_ = 1, together_ = 1, parts_ = 1;
};

template <class T>
struct NarrowStripes {
  using Part = StripesPart;
  using Parts = StripesParts;
  using Mask = Vec<std::int32_t>;
  static constexpr std::int64_t kSize = sizeof(T);
  static constexpr std::int64_t kN = kLanes<T>;
  static constexpr std::int64_t kAskedBytes = 512 << 10;  // arrays from here on are asked for, two parts ahead
  static constexpr std::int64_t kMostEdges = 4;           // rows of outputs that count otherwise than most
  static constexpr int kMostLoads = 5;                    // vectors that a row of a stripe is loaded as
  static constexpr int kMostOfRow = 2 * kN + 2;           // elements of a row that a stripe loads
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
    return has_few_edges(p.h) && are_inside(p.w);
  }
  static bool has_few_edges(const Axis& h) {
    std::int64_t begin, end;
    h.inside(begin, end);
    return h.windows - (end - begin) <= kMostEdges;
  }

  // Where most lanes of a row's vectors are outputs.
  static bool fills_vectors(const Axis& w) { return 3 * w.windows >= 2 * kN * stripes(w); }

  // How a pass over the inputs of windows is cut.
  static Parts parts(const Plan& p) {
    return Parts(p, p.h.windows, p.w.positions * kSize * p.h.stride * p.d.most_taps(), 8, 1);
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
  // Whether a stripe reads no padding, looks at all elements of its windows before it combines any, and reads beyond the
  // row nothing but what follows in the same array, if another plane does.
  static bool is_open(const Plan& p, std::int64_t stripe) {
    const Axis& w = p.w;
    const std::int64_t first = begin_of(w, stripe) * w.stride - w.lo, end = (w.windows - 1) * w.stride + w.window - w.lo;
    return first >= 0 && end <= w.positions && end <= first + kN * w.stride && is_single(p.d) &&
           p.h.in_step == w.positions * kSize && p.outer[1].in_step == p.h.positions * p.h.in_step &&
           p.h.positions * w.positions > kN * w.stride + w.window;
  }
  // Calls `walk(is_edge, first, last)` for the planes of a part: at the edge are those of which a stripe of this kind may
  // read nothing beside the row. Returns whether all calls did.
  template <class Kind, class Walk>
  static bool in_order(const Part& part, const Kind& kind, Walk walk) {
    const std::int64_t edge = kind.is_inside ? part.planes : !kind.is_open ? 0 : part.planes - (part.is_last ? 1 : 0);
    const bool is_sure = edge == 0 || walk(std::false_type{}, std::int64_t{0}, edge);
    return (edge == part.planes || walk(std::true_type{}, edge, part.planes)) && is_sure;
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
