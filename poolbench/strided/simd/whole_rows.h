// Windows that are whole rows, as those of global pooling are in contiguous planes.
#pragma once

#include "simd/large.h"

POOL_BEGIN

// Whether each window is one contiguous row, and no two of them are the same.
template <class S>
bool windows_are_rows(const Plan& p) {
  return p.inner == 1 && p.d.window == 1 && p.d.lo == 0 && p.h.window == 1 && p.h.lo == 0 && p.w.windows == 1 &&
         p.w.window == p.w.positions && p.w.lo == 0 && p.w.dilation == 1 && p.position_step(p.w) == Elements<S>::kSize;
}

// One such window that reads something: where its row of positions lies, its output, and its offset. Rows are often
// short, so those after the first are found without dividing.
class WholeRow {
 public:
  // They are counted along h, then d, then the outer axes: by positions where these are what a pass writes, since an
  // average may have windows of padding alone behind them.
  WholeRow(const Plan& p, std::int64_t number) {
    const Outer &n = p.outer[0], &c = p.outer[1];
    const bool gradient = p.pass == Pass::kGradient;
    axes_[0] = {gradient ? p.h.positions : p.h.windows, p.h.stride * p.position_step(p.h), p.window_step(p.h),
                p.h.offset_step, 0};
    axes_[1] = {gradient ? p.d.positions : p.d.windows, p.d.stride * p.position_step(p.d), p.window_step(p.d),
                p.d.offset_step, 0};
    axes_[2] = {c.count, gradient ? c.out_step : c.in_step, gradient ? c.in_step : c.out_step, c.offset_step, 0};
    axes_[3] = {n.count, gradient ? n.out_step : n.in_step, gradient ? n.in_step : n.out_step, n.offset_step, 0};
    for (Axis& axis : axes_) {
      axis.at = number % axis.count;
      number /= axis.count;
      move(axis, axis.at);
    }
  }

  POOL_INLINE void next() {
    for (Axis& axis : axes_) {
      move(axis, 1);
      if (++axis.at < axis.count) return;
      move(axis, -axis.count);
      axis.at = 0;
    }
  }

  // Bytes from where the arrays of positions, of windows, and of offsets begin.
  std::int64_t positions = 0, window = 0, offset = 0;

  std::int64_t d() const { return axes_[1].at; }
  std::int64_t h() const { return axes_[0].at; }

 private:
  struct Axis {
    std::int64_t count, position_step, window_step, offset_step, at;
  };

  POOL_INLINE void move(const Axis& axis, std::int64_t steps) {
    positions += steps * axis.position_step;
    window += steps * axis.window_step;
    offset += steps * axis.offset_step;
  }

  Axis axes_[4];
};

POOL_END
