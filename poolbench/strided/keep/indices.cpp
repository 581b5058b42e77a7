#include "keep/indices.h"

#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "problem/offsets.h"
#include "run/units.h"

namespace poolbench::pool {
namespace {

constexpr std::int64_t kListed = 512;  // elements of windows whose places are looked up, since a division takes longer

// Places are those of a window's first element, padding counted, and of an element within any window.
class Writer {
 public:
  static constexpr Op op = Op::kMax;  // nothing is added up

  Writer(const Problem& kept, const Indices& to)
      : p_(kept), to_(to), d_(kept.axes[0]), h_(kept.axes[1]), w_(kept.axes[2]), window_h_(largest_window(h_)),
        window_w_(largest_window(w_)), elements_(largest_window(d_) * window_h_ * window_w_) {
    for (std::int64_t i = 0; i < elements_ && elements_ <= kListed; ++i) listed_[i] = within(i);
  }

  // A unit is a row of windows, for all channels where they lie innermost, otherwise for one.
  bool channels_first() const {
    return p_.channels.count == 1 || std::abs(to_.steps[1]) > std::abs(to_.steps[4]) || w_.windows == 1;
  }
  std::int64_t units() const {
    return p_.batch.count * (channels_first() ? p_.channels.count : 1) * d_.windows * h_.windows;
  }

  void run(const Writer&, std::int64_t first, std::int64_t last) const {
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t oh = unit % h_.windows, od = unit / h_.windows % d_.windows,
                         outer = unit / h_.windows / d_.windows;
      const std::int64_t channels = channels_first() ? p_.channels.count : 1;
      const std::int64_t c = outer % channels, n = outer / channels;
      const std::int64_t base =
          (position_of(d_, od, 0) * h_.positions + position_of(h_, oh, 0)) * w_.positions;
      const char* from = p_.offsets + n * p_.batch.offset_step + c * p_.channels.offset_step + od * d_.offset_step +
                         oh * h_.offset_step;
      char* to = to_.data + n * to_.steps[0] + c * to_.steps[1] + od * to_.steps[2] + oh * to_.steps[3];
      if (channels_first()) {
        write_row(from, to, base);
      } else {
        write_channels(from, to, base);
      }
    }
  }

 private:
  std::int64_t within(std::int64_t offset) const {
    const auto step = [](const Axis& axis) { return axis.adaptive() ? 1 : axis.dilation; };
    const std::int64_t row = offset / window_w_;
    return (row / window_h_ * step(d_) * h_.positions + row % window_h_ * step(h_)) * w_.positions +
           offset % window_w_ * step(w_);
  }

  template <int kSize>
  std::int64_t place(const char* at) const {
    const std::int64_t offset = load_offset(at, kSize);
    return elements_ <= kListed ? listed_[offset] : within(offset);
  }

  // Calls write(integral constant) for the size of the offsets.
  template <class Write>
  void with_size(Write write) const {
    switch (p_.offset_size) {
      case 1: write(std::integral_constant<int, 1>{}); break;
      case 2: write(std::integral_constant<int, 2>{}); break;
      case 4: write(std::integral_constant<int, 4>{}); break;
      default: write(std::integral_constant<int, 8>{});
    }
  }

  static void store(char* to, std::int64_t index) { std::memcpy(to, &index, sizeof index); }

  void write_row(const char* from, char* to, std::int64_t base) const {
    with_size([&](auto size) {
      for (std::int64_t ow = 0; ow < w_.windows; ++ow) {
        store(to + ow * to_.steps[4], base + position_of(w_, ow, 0) + place<size()>(from + ow * w_.offset_step));
      }
    });
  }

  void write_channels(const char* from, char* to, std::int64_t base) const {
    with_size([&](auto size) {
      for (std::int64_t ow = 0; ow < w_.windows; ++ow) {
        const std::int64_t first = base + position_of(w_, ow, 0);
        const char* offsets = from + ow * w_.offset_step;
        char* indices = to + ow * to_.steps[4];
        for (std::int64_t c = 0; c < p_.channels.count; ++c) {
          store(indices + c * to_.steps[1], first + place<size()>(offsets + c * p_.channels.offset_step));
        }
      }
    });
  }

  const Problem& p_;
  const Indices& to_;
  const Axis &d_, &h_, &w_;
  const std::int64_t window_h_, window_w_, elements_;
  std::int64_t listed_[kListed];
};

}  // namespace

void write_indices(const Problem& kept, const Indices& indices, int threads) {
  const Writer writer(kept, indices);
  std::int64_t outputs = kept.batch.count * kept.channels.count;
  for (const Axis& axis : kept.axes) outputs *= axis.windows;
  run_units(writer, writer, writer.units(), threads, outputs * 8);
}

}  // namespace poolbench::pool
