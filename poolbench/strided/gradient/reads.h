// Which windows read a position, where the channels lie innermost: listed once for all channels, and between
// the edges of a row once for all positions.
#pragma once

#include "gradient/tables.h"

POOL_BEGIN

template <class S, Op kOp>
struct Reads {
  using V = typename Elements<S>::Value;
  using P = PlaceOf<V>;
  static constexpr std::int64_t kMost = kOp == Op::kMax ? 40 : 512;  // windows that read one position

  // A row of windows that reads the row of positions in hand.
  struct Row {
    const char* values;
    const char* offsets;  // for maxima
    P base;
    double factor;        // for averages
  };
  // A window that reads the position in hand.
  struct Read {
    const char* value;
    const char* offset;  // for maxima
    P wanted;
    V factor;            // for averages
  };
  struct List {
    const Read* reads;
    int count;
  };
  // How far, in bytes, the windows of a list lie beyond what it says.
  struct Shift {
    std::int64_t value, offset;
  };

  // Lists the rows of windows that read row (id, ih) of the input; `in` and `offsets` begin the plane.
  static int rows(const Plan& p, std::int64_t id, std::int64_t ih, const char* in, const char* offsets,
                  Row* rows) {
    const Readers d = readers(p.d, id), h = readers(p.h, ih);
    int count = 0;
    for (std::int64_t od = d.first; od <= d.last; ++od) {
      const std::int64_t tap_d = tap_at(p.d, od, id);
      if (tap_d < 0) continue;
      for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
        const std::int64_t tap_h = tap_at(p.h, oh, ih);
        if (tap_h < 0) continue;
        Row& row = rows[count++];
        row.values = in + od * p.d.in_step + oh * p.h.in_step;
        row.offsets = kOp == Op::kMax ? offsets + od * p.d.offset_step + oh * p.h.offset_step : nullptr;
        row.base = static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w);
        row.factor = kOp == Op::kAvg ? p.row_factor(od, oh) : 1.0;
      }
    }
    return count;
  }

  // Lists the windows that read a position.
  static int list(const Plan& p, const FactorTable& factors, const Row* rows, int rows_count,
                  std::int64_t iw, Read* reads) {
    const Readers w = readers(p.w, iw);
    int count = 0;
    for (int i = 0; i < rows_count; ++i) {
      for (std::int64_t ow = w.first; ow <= w.last; ++ow) {
        const std::int64_t tap_w = tap_at(p.w, ow, iw);
        if (tap_w < 0) continue;
        Read& read = reads[count++];
        read.value = rows[i].values + ow * p.w.in_step;
        if constexpr (kOp == Op::kMax) {
          read.offset = rows[i].offsets + ow * p.w.offset_step;
          read.wanted = rows[i].base + static_cast<P>(tap_w);
        } else {
          read.offset = nullptr;
          read.factor = static_cast<V>(rows[i].factor * factors.at(ow));
        }
      }
    }
    return count;
  }

  // Between the edges of a row the windows that read a position are those of the position one stride before, one window
  // further. So they are listed once, for each remainder of the position by the stride.
  class Middle {
   public:
    std::int64_t begin = 0, end = 0;  // positions [begin, end) of the row

    Middle(const Plan& p, const FactorTable& factors, const Row* rows, int count) : w_(p.w) {
      if (w_.adaptive() || w_.dilation != 1 || w_.stride > kMostLists || count * w_.window > kMostListed) return;
      // Windows [low, high] whose windows count alike.
      const std::int64_t low = p.counts_w ? (w_.lo + w_.stride - 1) / w_.stride : 0;
      const std::int64_t inside = w_.positions + w_.lo - w_.window;
      const std::int64_t high = !p.counts_w  ? w_.windows - 1
                                : inside < 0 ? -1
                                             : std::min(w_.windows - 1, inside / w_.stride);
      begin = std::max<std::int64_t>((low - 1) * w_.stride + w_.window - w_.lo, 0);
      end = std::min((high + 1) * w_.stride - w_.lo, w_.positions);
      if (begin >= end) return;
      remainder_ = (begin + w_.lo) % w_.stride;
      const std::int64_t last = (begin + w_.lo) / w_.stride;
      shift_ = {last * w_.in_step, last * w_.offset_step};
      Read* read = reads_;
      for (std::int64_t f = 0; f < w_.stride; ++f) {
        lists_[f].reads = read;
        for (int i = 0; i < count; ++i) {
          // Position at + lo = last * stride + f.
          for (std::int64_t back = (w_.window - 1 - f) / w_.stride; f < w_.window && back >= 0; --back, ++read) {
            read->value = rows[i].values - back * w_.in_step;
            if constexpr (kOp == Op::kMax) {
              read->offset = rows[i].offsets - back * w_.offset_step;
              read->wanted = rows[i].base + static_cast<P>(back * w_.stride + f);
            } else {
              read->offset = nullptr;
              read->factor = static_cast<V>(rows[i].factor * factors.at(low));
            }
          }
        }
        lists_[f].count = static_cast<int>(read - lists_[f].reads);
      }
    }
    Middle(const Middle&) = delete;
    Middle& operator=(const Middle&) = delete;

    // What reads the position in hand, the first of them to begin with.
    List list() const { return lists_[remainder_]; }
    List list(std::int64_t remainder) const { return lists_[remainder]; }
    Shift shift() const { return shift_; }
    // How many times as many positions as the stride are left from position `at` on, which is the one in hand, as far as
    // `most` positions; 0 where such do not begin there.
    std::int64_t periods(std::int64_t at, std::int64_t most) const {
      if (remainder_ != 0) return 0;
      return std::min(most, end - at) / w_.stride;
    }
    // Goes on by as many, or by one position where there are none.
    POOL_INLINE void go_on(std::int64_t periods) {
      if (periods == 0) {
        if (++remainder_ < w_.stride) return;
        remainder_ = 0;
        periods = 1;
      }
      shift_.value += periods * w_.in_step;
      shift_.offset += periods * w_.offset_step;
    }

   private:
    static constexpr std::int64_t kMostLists = 32, kMostListed = 128;
    const Axis& w_;
    std::int64_t remainder_ = 0;
    Shift shift_{0, 0};
    List lists_[kMostLists];
    Read reads_[kMostListed];
  };
};

POOL_END
