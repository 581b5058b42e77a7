// How the stripes engine lays planes into registers, and which lanes and masks that needs. Included once per instruction
// set, for AVX-512 alone.
#pragma once

#include "simd/combine.h"
#include "simd/permuted.h"

POOL_BEGIN

constexpr int kMostNeighbours = 5;    // taps along w
constexpr int kMostStripes = 40;      // of a plane
constexpr int kMostTogether = 2;      // planes in the lanes of one stripe
constexpr int kMostEdges = 8;         // rows of outputs that count otherwise than most

// Which output columns one vector holds: a stripe of one plane, or the whole rows of several.
template <class O>
struct StripesLayout {
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr int kN = O::kCount;

  static constexpr std::int64_t kLeastOutputs = 16, kLeastAdaptive = O::kIsMax ? 5 : 4, kMostDown = 9;
  static constexpr std::int64_t kLeastColumns = 4, kLeastRows = 4;

  int registers = 0;  // of input for one of output
  int parts = 1;      // planes in each of them
  bool packs = false; // several planes side by side: `parts` in each register
  int stripes = 0;
  std::int64_t begins[kMostStripes + 1];  // output columns

  // The first position that the windows from `o` on read.
  static std::int64_t first_of(const Plan& p, std::int64_t o) {
    return p.w.adaptive() ? p.w.taps(o).first : std::clamp<std::int64_t>(o * p.w.stride - p.w.lo, 0, p.w.positions);
  }

  // Rows that a square window without gaps has in common with the one before it, where they stay in registers; otherwise
  // -1.
  static std::int64_t known_rows(const Plan& p) {
    if (!std::is_same_v<typename O::Value, float> || p.h.adaptive() || p.w.adaptive() || p.h.dilation > 1) return -1;
    std::int64_t begin, end;
    p.h.inside(begin, end);
    if (p.h.window != p.w.window || begin + p.h.windows - end > kMostEdges) return -1;
    const std::int64_t high = p.h.window, known = std::max<std::int64_t>(high - p.h.stride, 0);
    const bool is_flat = is_single(p.d);
    if (high == 3 || (high == 2 && known == 0)) return is_flat || known > 0 || high == 2 ? known : -1;
    const bool is_kept = high == 1 || high == 2 || (high == 4 && known >= 2) || (high == 5 && known >= 2);
    return is_flat && is_kept ? known : -1;
  }

  int together() const { return packs ? registers * parts : 1; }

  bool choose(const Plan& p) {
    const std::int64_t taps = p.w.most_taps();
    // Single rows are few to walk down, and with few outputs it takes too long to begin.
    if (p.h.windows == 1 || p.h.windows * p.w.windows < kLeastOutputs || p.w.windows < kLeastColumns) return false;
    if (is_identity(p.h) && is_identity(p.d) && (taps > 1 || is_identity(p.w))) return false;
    if (p.w.adaptive() && p.w.windows < kLeastAdaptive) return false;
    // Large maxima are put together in steps, and sums of floats in double have half the lanes.
    if (std::is_same_v<O, Avg<float>> || taps > kMostNeighbours || p.h.most_taps() * p.d.most_taps() > kMostDown) return false;
    if (p.inner != 1 || p.w.in_step != kSize || p.w.out_step != kSize) return false;
    const std::int64_t planes = p.outer[0].count * p.outer[1].count;
    double best = 0;
    for (int in = 1; in <= 2; ++in) {
      const int each = kMostTogether / in;
      if (p.w.positions <= kN / each && p.w.windows <= kN / kMostTogether && planes >= kMostTogether) {
        const double own = cost(p, in, each, kMostTogether) / kMostTogether;
        if (best == 0 || own < best) {
          best = own;
          registers = in, parts = each, packs = true, stripes = 1;
          begins[0] = 0, begins[1] = p.w.windows;
        }
      }
      StripesLayout cut;
      if (!cut.cut(p, in)) continue;
      const double own = cost(p, in, 1, 1) * cut.stripes;
      if (best > 0 && own >= best) continue;
      best = own;
      registers = in, parts = 1, packs = false, stripes = cut.stripes;
      for (int i = 0; i <= stripes; ++i) begins[i] = cut.begins[i];
    }
    return best > 0 && stripes <= most_stripes(p) && (stripes == 1 || p.h.windows >= kLeastRows);
  }

 private:
  // Beside each other, stripes walk through memory in steps. Caches don't mind, memory does: where as much is written as is
  // read, or several planes are read at once. Narrow rows of windows that share nothing are better read one after the
  // other, by `direct`.
  static int most_stripes(const Plan& p) {
    const std::int64_t bytes = input_bytes(p, kSize);
    const bool apart = p.w.window <= p.w.stride && p.h.window <= p.h.stride;
    if (known_rows(p) >= 0) {
      const bool cached = bytes < kMemoryBytes, flat = p.d.window == 1 && p.d.stride == 1;
      if (apart ? p.w.positions * kSize > kNarrowRow || (cached && p.w.windows < 2 * kN)
                : cached || (p.w.stride > 1 && flat)) {
        return kMostStripes;
      }
    }
    if (p.w.stride == 1 || p.w.most_taps() == 1) return 6;
    return apart || bytes >= kLargeBytes ? 1 : 2;
  }
  static constexpr std::int64_t kNarrowRow = 512;  // bytes
  static constexpr std::int64_t kLargeBytes = std::int64_t{8} << 20;

  // As few stripes as possible of which each reads no more than `in` registers.
  bool cut(const Plan& p, int in) {
    stripes = 0;
    for (std::int64_t o = 0; o < p.w.windows;) {
      if (stripes == kMostStripes) return false;
      begins[stripes++] = o;
      const std::int64_t first = first_of(p, o);
      std::int64_t end = o;
      while (end < p.w.windows && end - o < kN) {
        const Axis::Taps last = p.w.taps(end);
        if (last.count > 0 && last.first + (last.count - 1) * p.w.dilation - first >= in * kN) break;
        ++end;
      }
      if (end == o) return false;
      o = end;
    }
    begins[stripes] = p.w.windows;
    return stripes > 0;
  }

  // Cycles for a vector of outputs, about.
  static double cost(const Plan& p, int in, int each, int all) {
    const auto rows = static_cast<double>(p.h.most_taps() * p.d.most_taps());
    const double fresh = p.h.adaptive() ? rows : static_cast<double>(std::min(p.h.stride, p.h.window) * p.d.most_taps());
    const double combine = O::kIsMax ? 2 : 1;
    return 4 + fresh * in * (1 + each) + in * (rows - 1) * combine +
           static_cast<double>(p.w.most_taps()) * (1 + combine) + 2 * all;
  }
};

// What a stripe needs, worked out once for all planes.
template <class O>
struct Stripe {
  using Value = typename O::Value;
  using Mask = typename Permuted<sizeof(Value)>::Mask;
  static constexpr int kN = O::kCount;
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);

  std::int64_t in_bytes = 0, out_bytes = 0;  // from the begin of a row
  bool is_narrow = false;                    // whether the first of its registers holds all that it reads
  Mask loads[kMostTogether];                 // of each register, or of each plane in the registers
  Mask stores[kMostTogether];                // of each plane
  Mask masks[kMostNeighbours];
  alignas(64) std::uint16_t indices[kMostNeighbours][kN];
  alignas(64) double columns[kN];            // factors
  alignas(64) Value factors[O::kIsMax ? 1 : kMostEdges + 1][kN];  // of rows at the edges, and of all others

  void set(const Plan& p, const StripesLayout<O>& l, int number) {
    const std::int64_t begin = l.begins[number], end = l.begins[number + 1];
    const std::int64_t first = l.packs ? 0 : l.first_of(p, begin);
    in_bytes = first * kSize;
    out_bytes = begin * kSize;
    const int all = l.together();
    const std::int64_t in_width = kN / l.parts, out_width = kN / all;
    for (int i = 0; i < l.registers * l.parts; ++i) {
      const std::int64_t left = l.packs ? p.w.positions : std::clamp<std::int64_t>(p.w.positions - first - i * kN, 0, kN);
      loads[i] = lanes(i % l.parts * in_width, left);
    }
    for (int i = 0; i < all; ++i) stores[i] = lanes(i * out_width, end - begin);
    is_narrow = !l.packs;
    std::memset(indices, 0, sizeof indices);
    std::memset(masks, 0, sizeof masks);
    for (double& column : columns) column = 1;
    const auto taps = static_cast<int>(p.w.most_taps());
    for (std::int64_t o = begin; o < end; ++o) {
      const Axis::Taps own = p.w.taps(o);
      is_narrow &= own.count == 0 || own.first + (own.count - 1) * p.w.dilation - first < kN;
      for (int i = 0; i < all; ++i) {
        const std::int64_t lane = i * out_width + o - begin;
        const std::int64_t at = i / l.parts * kN + i % l.parts * in_width + own.first - first;
        for (int t = 0; t < taps; ++t) {
          // A maximum takes one of its own taps again where one lies outside; an average takes zero.
          indices[t][lane] = static_cast<std::uint16_t>(own.count > 0 ? at + (t < own.count ? t : 0) * p.w.dilation : 0);
          if (t < own.count) masks[t] = static_cast<Mask>(masks[t] | Mask{1} << lane);
        }
        if (!O::kIsMax && p.counts_w) columns[lane] = p.factor(p.w, o);
      }
    }
  }

 private:
  static Mask lanes(std::int64_t from, std::int64_t count) {
    return static_cast<Mask>(((std::uint64_t{1} << count) - 1) << from);
  }
};

POOL_END
