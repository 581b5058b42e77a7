// The gradient of a maximum of stride 1 with as many windows as positions, all contiguous: then the windows that
// read an element lie at the same distances from each, over all rows, planes and images as over one long row. A window
// at such a distance whose offset is the number that belongs to it found its maximum right here: offsets name no
// padding, so what lies beyond the end of a row is never taken for a neighbour.
#pragma once

#include "gradient/tables.h"

POOL_BEGIN

template <class S>
struct GatherFlat {
  static constexpr const char* kName = "gather_flat";
  static constexpr const char* kTakes =
      "stride 1 with as many windows as positions, contiguous: all planes and images as one row";
  static constexpr const char* kCost = "kd·kh·kw";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;
  static constexpr std::int64_t kMostTaps = 64;
  static constexpr std::int64_t kChunk = 4096;  // elements of a unit

  static std::int64_t plane(const Plan& p) { return p.d.positions * p.h.positions * p.w.positions; }
  static bool joined(const Plan& p) {
    const Outer& outer = p.outer[1];
    return outer.count > 1 && outer.out_step == plane(p) * E::kSize && outer.in_step == plane(p) * E::kSize &&
           outer.offset_step == plane(p) * p.offset_size;
  }
  static std::int64_t length(const Plan& p) { return plane(p) * (joined(p) ? p.outer[1].count : 1); }
  static std::int64_t runs(const Plan& p) { return p.outer[0].count * (joined(p) ? 1 : p.outer[1].count); }
  static std::int64_t chunks(const Plan& p) { return (length(p) + kChunk - 1) / kChunk; }
  static std::int64_t units(const Plan& p) { return runs(p) * chunks(p); }

  static bool lies_flat(const Axis& axis, std::int64_t elements, int offset_size) {
    return axis.positions == 1 || (axis.out_step == elements * E::kSize && axis.in_step == elements * E::kSize &&
                            axis.offset_step == elements * offset_size);
  }
  static bool fits(const Plan& p) {
    for (const Axis* axis : {&p.d, &p.h, &p.w}) {
      if (axis->adaptive() || axis->positions != axis->windows || (axis->stride != 1 && axis->windows > 1))
        return false;
    }
    if (p.inner != 1 || p.d.window * p.h.window * p.w.window > kMostTaps) return false;
    if (!lies_flat(p.w, 1, p.offset_size) || !lies_flat(p.h, p.w.positions, p.offset_size) ||
        !lies_flat(p.d, p.w.positions * p.h.positions, p.offset_size)) {
      return false;
    }
    const Terms terms(p);
    return length(p) >= 8 * (terms.farthest - terms.nearest + 1) && length(p) >= 8 * kN;
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const Terms terms(p);
    Ahead ahead(asks_ahead<S>(p));
    const std::int64_t all = length(p), parts = chunks(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t begin = unit % parts * kChunk, end = std::min(begin + kChunk, all), at = unit / parts;
      const std::int64_t plane = joined(p) ? at * p.outer[1].count : at;
      char* const out = p.out + p.out_start(plane);
      const char* const in = p.in + p.in_start(plane);
      const char* const offsets = p.offsets + p.offsets_start(plane);
      // Whole vectors where all that they read is there, one by one at the ends.
      const std::int64_t from = std::min(std::max(begin, terms.farthest), end);
      const std::int64_t to = std::max(from, std::min(end, all + terms.nearest));
      one_by_one(p, terms, begin, from, all, out, in, offsets);
      std::int64_t x = from;
      switch (p.offset_size) {
        case 1: x = vectors<1>(terms, from, to, ahead, out, in, offsets); break;
        case 2: x = vectors<2>(terms, from, to, ahead, out, in, offsets); break;
        default: x = vectors<4>(terms, from, to, ahead, out, in, offsets);
      }
      one_by_one(p, terms, x, end, all, out, in, offsets);
    }
  }

 private:
  // How far before an element the windows lie that may have found it, the farthest first: row-major order.
  struct Terms {
    struct Term {
      std::int64_t distance;
      P number;
    };
    Term terms[kMostTaps];
    int count = 0;
    std::int64_t farthest, nearest;  // at least 0 and at most 0

    explicit Terms(const Plan& p) {
      for (std::int64_t i = 0; i < p.d.window; ++i) {
        for (std::int64_t j = 0; j < p.h.window; ++j) {
          for (std::int64_t k = 0; k < p.w.window; ++k) {
            const std::int64_t distance =
                ((i * p.d.dilation - p.d.lo) * p.h.positions + j * p.h.dilation - p.h.lo) * p.w.positions +
                k * p.w.dilation - p.w.lo;
            int at = count++;
            for (; at > 0 && terms[at - 1].distance < distance; --at) terms[at] = terms[at - 1];
            terms[at] = {distance, static_cast<P>((i * p.window_h + j) * p.window_w + k)};
          }
        }
      }
      farthest = std::max<std::int64_t>(terms[0].distance, 0);
      nearest = std::min<std::int64_t>(terms[count - 1].distance, 0);
    }
  };

  static void one_by_one(const Plan& p, const Terms& terms, std::int64_t begin, std::int64_t end,
                         std::int64_t all, char* out, const char* in, const char* offsets) {
    for (std::int64_t x = begin; x < end; ++x) {
      V sum = 0;
      for (int i = 0; i < terms.count; ++i) {
        const std::int64_t from = x - terms.terms[i].distance;
        if (from < 0 || from >= all) continue;
        if (load_offset(offsets + from * p.offset_size, p.offset_size) == terms.terms[i].number) {
          sum += E::get(in + from * E::kSize);
        }
      }
      E::put(out + x * E::kSize, sum);
    }
  }

  // Returns how far it came: what is left is less than a vector.
  template <int kSize>
  static POOL_INLINE std::int64_t vectors(const Terms& terms, std::int64_t begin, std::int64_t end, Ahead& ahead,
                                          char* out, const char* in, const char* offsets) {
    std::int64_t x = begin;
#if POOL_AVX512
    if constexpr (kSize == 1 && sizeof(V) == 4) {
      for (; x + 4 * kN <= end; x += 4 * kN) {
        ahead.come_to(out + x * E::kSize);
        Vec<V> sums[4] = {};
        for (int i = 0; i < terms.count; ++i) {
          const std::int64_t from = x - terms.terms[i].distance;
          add_where_bytes<S>(sums, offsets + from, _mm_set1_epi8(static_cast<char>(terms.terms[i].number)),
                             in + from * E::kSize);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) E::store(out + (x + i * kN) * E::kSize, sums[i]);
      }
    }
#endif
    for (; x + kN <= end; x += kN) {
      ahead.come_to(out + x * E::kSize);
      Vec<V> sum{};
      for (int i = 0; i < terms.count; ++i) {
        const std::int64_t from = x - terms.terms[i].distance;
        sum = add_where<V>(sum, load_places<V, kSize>(offsets + from * kSize), fill_vec<P>(terms.terms[i].number),
                           E::load(in + from * E::kSize));
      }
      E::store(out + x * E::kSize, sum);
    }
    return x;
  }
};

POOL_END
