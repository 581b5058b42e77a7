// The maximum in large windows that overlap where the channels lie innermost, one axis after the other: first along w, once
// for each row of the input, then along h among what was found. Four windows that follow each other are taken at once, and
// what all of them read is combined once. A window of 13x13 takes 10 maxima instead of 168.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

// The maxima of kTogether windows of positions that lie `step` bytes apart, for kVectors vectors from element x on, handed
// to sink.put(window, x, maxima). `In` is how a position is loaded. All of the windows read [firsts[kTogether - 1],
// ends[0]), which must not be empty; those before read more in front of it, those behind it more after it.
template <class In, int kVectors>
struct Reach {
  static constexpr std::int64_t kElement = sizeof(typename In::Stored);
  const char* at;
  std::int64_t step;
  VecFor<In> found[kVectors];

  POOL_INLINE Reach(const char* from, std::int64_t distance, std::int64_t k) : at(from), step(distance) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) found[v] = In::load(at + k * step + v * In::kCount * kElement);
  }
  POOL_INLINE void take(std::int64_t k) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      found[v] = In::combine(found[v], In::load(at + k * step + v * In::kCount * kElement));
    }
  }
};

template <class In, int kTogether, int kVectors, class Sink>
POOL_INLINE void maxima_together(const char* at, std::int64_t step, const std::int64_t* firsts, const std::int64_t* ends,
                                 std::int64_t x, const Sink& sink) {
  std::int64_t k = firsts[kTogether - 1];
  Reach<In, kVectors> reach(at + x * Reach<In, kVectors>::kElement, step, k);
  while (++k < ends[0]) reach.take(k);
  VecFor<In> fronts[kTogether][kVectors];
  k = firsts[kTogether - 1];
#pragma GCC unroll 4
  for (int j = kTogether - 1; j >= 0; --j) {
    while (k > firsts[j]) reach.take(--k);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) fronts[j][v] = reach.found[v];
  }
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    sink.put(0, x + v * In::kCount, fronts[0][v]);
    reach.found[v] = fronts[kTogether - 1][v];
  }
  k = ends[0];
#pragma GCC unroll 4
  for (int j = 1; j < kTogether; ++j) {
    for (; k < ends[j]; ++k) reach.take(k);
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sink.put(j, x + v * In::kCount, In::combine(fronts[j][v], reach.found[v]));
  }
}

template <class O>
struct Separable {
  static constexpr const char* kName = "separable";
  static constexpr const char* kTakes =
      "channels innermost, one element along d, windows that are large for their stride";
  static constexpr const char* kCost = "(kh + kw) / 4";
  using V = typename O::Value;
  static constexpr std::int64_t kN = O::kCount;
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr int kTogether = 4;
  static constexpr std::int64_t kFew = kBytes == 32 ? 25 : kFewElements;  // elements up to which others are faster
  static constexpr std::int64_t kRoom = 160 << 10;  // of scratch memory, in bytes

  static bool fits(const Plan& p) {
    const std::int64_t together = std::min(p.h.stride, p.h.window) * (p.w.window / kTogether + p.w.stride + 2);
    return p.inner > 1 && p.inner_in_step == kSize && p.inner_out_step == kSize && p.inner % kN == 0 &&
           !p.d.adaptive() && !p.h.adaptive() && !p.w.adaptive() && p.d.window == 1 && p.d.lo == 0 &&
           (p.d.windows - 1) * p.d.stride < p.d.positions && p.h.dilation == 1 && p.w.dilation == 1 &&
           rows_in_room(p, kN) >= p.h.window + (kTogether - 1) * p.h.stride && p.h.window * p.w.window > kFew &&
           // What was measured: a maximum here costs more, since what it takes is stored and loaded again.
           4 * p.h.window * p.w.window > 5 * (together + p.h.window / kTogether + p.h.stride + 2);
  }
  static std::int64_t units(const Plan& p) { return plane_count(p) * blocks(p) * p.h.windows; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    alignas(kBytes) char room[kRoom];
    for (std::int64_t unit = first; unit < last;) {
      const std::int64_t oh = unit % p.h.windows, column = unit / p.h.windows;
      const std::int64_t end = std::min(p.h.windows, oh + last - unit);
      Column(p, room, plane_at(p, column / blocks(p)), column % blocks(p) * channels(p)).rows(oh, end);
      unit += end - oh;
    }
  }

 private:
  // The rows of the input for which there is room, of n channels.
  static std::int64_t rows_in_room(const Plan& p, std::int64_t n) {
    return kRoom / (p.w.windows * n * static_cast<std::int64_t>(sizeof(V)));
  }
  // Of a unit: as many as leave room for the rows of some windows.
  static std::int64_t channels(const Plan& p) {
    std::int64_t n = 4 * kN;
    while (n > kN && (n > p.inner || rows_in_room(p, n) < p.h.window + 2 * kTogether * p.h.stride)) n /= 2;
    return n;
  }
  static std::int64_t blocks(const Plan& p) { return (p.inner + channels(p) - 1) / channels(p); }

  // Some channels of a plane, from top to bottom. What was found in the rows of the input is kept while windows read it.
  class Column {
   public:
    Column(const Plan& p, char* room, const Plane& plane, std::int64_t c)
        : p_(p), n_(std::min(channels(p), p.inner - c)), row_(p.w.windows * n_ * static_cast<std::int64_t>(sizeof(V))),
          room_(room), in_(plane.in + p.d.taps(plane.od).first * p.d.in_step + c * kSize), out_(plane.out + c * kSize) {}

    // Outputs of the rows [begin, end), as many at a time as there is room for. Which windows are taken together does not
    // depend on where the work was cut: of zeros with different signs the one that comes last is kept.
    void rows(std::int64_t begin, std::int64_t end) {
      const std::int64_t at_once = (1 + (rows_in_room(p_, n_) - p_.h.window) / p_.h.stride) / kTogether * kTogether;
      for (std::int64_t from = begin / kTogether * kTogether; from < end; from += at_once) {
        const std::int64_t to = std::min(std::min(from + at_once, p_.h.windows), (end + kTogether - 1) / kTogether * kTogether);
        const Axis::Taps top = p_.h.taps(from), bottom = p_.h.taps(to - 1);
        search(top.first, std::max(top.first, bottom.first + bottom.count));
        for (std::int64_t oh = from; oh < to; oh += kTogether) merge(oh, begin, end);
      }
    }

   private:
    // Where maxima go: into the scratch memory as values, or out; each window `step` bytes behind the one before it. Out
    // go those of the windows [first, last).
    struct Kept {
      char* at;
      std::int64_t step;
      POOL_INLINE bool wants(std::int64_t) const { return true; }
      POOL_INLINE Kept only(std::int64_t j) const { return {at + j * step, step}; }
      POOL_INLINE void put(std::int64_t j, std::int64_t x, VecFor<O> value) const {
        store_vec<V>(reinterpret_cast<V*>(at + j * step) + x, value);
      }
    };
    struct Written {
      char* at;
      std::int64_t step, first, last;
      POOL_INLINE bool wants(std::int64_t j) const { return j >= first && j < last; }
      POOL_INLINE Written only(std::int64_t j) const { return {at + j * step, step, 0, 1}; }
      POOL_INLINE void put(std::int64_t j, std::int64_t x, VecFor<O> value) const {
        if (wants(j)) O::store(at + j * step + x * kSize, value, value);
      }
    };

    // Along w, in the rows [top, bottom) of the input, the first of which may be there already.
    void search(std::int64_t top, std::int64_t bottom) {
      const std::int64_t there = std::max<std::int64_t>(0, bottom_ - top);
      if (there > 0) std::memmove(room_, room_ + (top - top_) * row_, static_cast<std::size_t>(there * row_));
      top_ = top;
      bottom_ = std::max(bottom, top + there);
      const std::int64_t step = n_ * static_cast<std::int64_t>(sizeof(V));
      for (std::int64_t ih = top + there; ih < bottom; ++ih) {
        char* to = room_ + (ih - top) * row_;
        for (std::int64_t ow = 0; ow < p_.w.windows; ow += kTogether, to += kTogether * step) {
          windows<O>(p_.w, ow, in_ + ih * p_.h.in_step, p_.w.in_step, Kept{to, step});
        }
      }
    }

    // Along h, for up to kTogether rows of outputs from oh on: of those, the ones in [begin, end) are written.
    void merge(std::int64_t oh, std::int64_t begin, std::int64_t end) const {
      const std::int64_t step = n_ * static_cast<std::int64_t>(sizeof(V));
      const char* from = room_ - top_ * row_;
      char* to = out_ + oh * p_.h.out_step;
      for (std::int64_t ow = 0; ow < p_.w.windows; ++ow, from += step, to += p_.w.out_step) {
        windows<OnValues<O>>(p_.h, oh, from, row_, Written{to, p_.h.out_step, begin - oh, end - oh});
      }
    }

    // Up to kTogether windows of an axis, from o on, whose positions lie `step` bytes apart, for all channels.
    template <class In, class Sink>
    POOL_INLINE void windows(const Axis& axis, std::int64_t o, const char* at, std::int64_t step, const Sink& sink) const {
      const std::int64_t count = std::min<std::int64_t>(kTogether, axis.windows - o);
      std::int64_t firsts[kTogether], ends[kTogether];
      for (std::int64_t j = 0; j < count; ++j) {
        const Axis::Taps taps = axis.taps(o + j);
        firsts[j] = taps.first;
        ends[j] = taps.first + taps.count;
      }
      if (count == kTogether && firsts[kTogether - 1] < ends[0]) {
        return all_channels<In, kTogether>(at, step, firsts, ends, sink);
      }
      for (std::int64_t j = 0; j < count; ++j) {
        if (!sink.wants(j)) continue;
        const Sink one = sink.only(j);
        if (firsts[j] < ends[j]) {
          all_channels<In, 1>(at, step, firsts + j, ends + j, one);
        } else {
          for (std::int64_t x = 0; x < n_; x += kN) one.put(0, x, O::neutral());
        }
      }
    }

    template <class In, int kCount, class Sink>
    POOL_INLINE void all_channels(const char* at, std::int64_t step, const std::int64_t* firsts, const std::int64_t* ends,
                                  const Sink& sink) const {
      std::int64_t x = 0;
      for (; x + 2 * kN <= n_; x += 2 * kN) maxima_together<In, kCount, 2>(at, step, firsts, ends, x, sink);
      if (x < n_) maxima_together<In, kCount, 1>(at, step, firsts, ends, x, sink);
    }

    const Plan& p_;
    const std::int64_t n_, row_;  // channels, and bytes of a row of what was found
    char* const room_;
    const char* const in_;
    char* const out_;
    std::int64_t top_ = 0, bottom_ = 0;  // the rows of the input that are there
  };
};

POOL_END
