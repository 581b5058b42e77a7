// Pooling where independent elements lie side by side (channels innermost): each output position combines the vectors
// of its window, read where they lie.
#pragma once

#include "pool/channels_few.h"
#include "pool/channels_many.h"
#include "pool/rows.h"
#include "simd/grid.h"

POOL_BEGIN

template <class O>
struct Channels {
  static constexpr const char* kName = "channels";
  static constexpr const char* kTakes = "channels innermost, each position by whole vectors of them";
  static constexpr const char* kCost = "kd·kh·kw";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  using Few = ChannelsOfFew<O>;
  using Many = ChannelsOfMany<O>;
  static constexpr int kBases = 64;               // rows of a window that are combined at once
  // From here on it pays to combine along one axis after the other; with the 16 registers of AVX2 from where an element
  // lies in so many windows.
  static constexpr std::int64_t kManyTaps = 400, kManyWindows = 20;

  static bool has_layout(const Plan& p) {
    return p.inner > 1 && p.inner_in_step == kSize && p.inner_out_step == kSize;
  }

  static bool fits(const Plan& p) {
    if (!has_layout(p)) return false;
    const bool overlaps = overlap(p.d) || overlap(p.h) || overlap(p.w);
    const bool many = overlaps && (p.d.window * p.h.window * p.w.window > kManyTaps ||
                                   (kBytes == 32 && shared(p.d) * shared(p.h) * shared(p.w) > kManyWindows));
    const bool far = kBytes == 32 && reads_far(p, overlaps);
    return !((many || far || p.inner * 2 <= O::kCount) && Rows<O>::fits(p));
  }

  static std::int64_t blocks(const Plan& p) { return (p.inner + kMostInner - 1) / kMostInner; }

  static std::int64_t units(const Plan& p) {
    return plane_count(p) * p.h.windows * blocks(p);
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const std::int64_t parts = blocks(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t c0 = unit % parts * kMostInner;
      const std::int64_t oh = unit / parts % p.h.windows;
      const Plane plane = plane_at(p, unit / parts / p.h.windows);
      row(p, plane.in + c0 * kSize, plane.out + oh * p.h.out_step + c0 * kSize, plane.od, oh,
          std::min(kMostInner, p.inner - c0));
    }
    if (Few::streams(p)) finish_streams();
  }

 private:
  // Where `rows`, which reads an array from front to back, was measured to be faster with AVX2: many channels at each
  // position, of which every window reads several, in arrays that do not lie in a near cache.
  static bool reads_far(const Plan& p, bool overlaps) {
    if (!std::is_same_v<typename O::Value, float> || !has_few_elements(p)) return false;
    const std::int64_t position = p.inner * kSize, bytes = input_bytes(p, kSize);
    if (position < kWidePosition) return false;
    if (overlaps) return O::kIsMax ? bytes >= kNearBytes : p.counts_w && bytes >= kNearBytes / 2;
    return O::kIsMax && bytes >= kStreamedBytes;
  }
  static constexpr std::int64_t kWidePosition = 768, kNearBytes = std::int64_t{1} << 20;

  // About as many windows as an element lies in.
  static std::int64_t shared(const Axis& axis) {
    return axis.adaptive() || axis.windows == 1 ? 1 : std::max<std::int64_t>(axis.window / axis.stride, 1);
  }
  static bool overlap(const Axis& axis) { return axis.windows > 1 && !axis.adaptive() && axis.window > axis.stride; }

  static void row(const Plan& p, const char* in, char* out, std::int64_t od, std::int64_t oh, std::int64_t n) {
    if (has_few_elements(p)) return Few::row(p, in, out, od, oh, n);
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    double row_factor = p.scale;
    if (p.counts_d) row_factor *= p.factor(p.d, od);
    if (p.counts_h) row_factor *= p.factor(p.h, oh);
    const char* bases[kBases];
    const std::int64_t rows = d.count * h.count;
    const bool asks = input_bytes(p, kSize) >= kAskedBytes;
    const bool at_once = !std::is_same_v<O, Avg<float>> && rows <= kBases &&
                         (O::kIsMax || rows * p.w.window <= kBases) && !p.w.adaptive();
    if (at_once) WindowRows(p, in, d, h).list(bases);
    for (std::int64_t ow = 0; ow < p.w.windows; ++ow, out += p.w.out_step) {
      const Axis::Taps w = p.w.taps(ow);
      const double factor = p.counts_w ? row_factor * p.factor(p.w, ow) : row_factor;
      ToOutput<O> sink{out, fill_vec<typename O::Value>(static_cast<typename O::Value>(factor))};
      if (rows == 0 || w.count == 0) {
        combine_nothing<O>(n, sink);
      } else if (at_once) {
        grid(bases, rows, w.first * p.w.in_step, p.w.dilation * p.w.in_step, w.count, n, sink);
      } else {
        Many::window(p, WindowRows(p, in, d, h), w, n, asks, sink);
      }
    }
  }

  template <class Sink>
  static POOL_INLINE void grid(const char* const* bases, std::int64_t rows, std::int64_t offset, std::int64_t step,
                               std::int64_t taps, std::int64_t n, Sink& sink) {
    switch (taps) {
      case 1: combine_grid<O, 1>(bases, rows, offset, step, taps, n, sink); break;
      case 2: combine_grid<O, 2>(bases, rows, offset, step, taps, n, sink); break;
      case 3: combine_grid<O, 3>(bases, rows, offset, step, taps, n, sink); break;
      default: combine_grid<O, 0>(bases, rows, offset, step, taps, n, sink);
    }
  }
};

POOL_END
