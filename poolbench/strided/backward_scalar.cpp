// The training kernels that take anything: one element at a time, whatever the strides. The others must agree with them.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "backward_plan.h"
#include "overflow.h"
#include "scalar_values.h"

namespace poolbench::pool {
namespace {

bool fits(const TrainingPlan&) { return true; }

// --- A maximum and its offset ---------------------------------------------------------------------------------------

std::int64_t output_rows(const TrainingPlan& p) { return p.planes() * p.d.out * p.h.out; }

template <class T>
void keep_row(const TrainingPlan& p, const char* in, char* out, char* offsets, std::int64_t od, std::int64_t oh) {
  using V = typename Values<T>::type;
  const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
  const std::int64_t tap_d = first_tap(p.d, od), tap_h = first_tap(p.h, oh);
  for (std::int64_t ow = 0; ow < p.w.out; ++ow) {
    const Axis::Taps w = p.w.taps(ow);
    const std::int64_t tap_w = first_tap(p.w, ow);
    const char* best_at = nullptr;
    V best{};
    std::int64_t offset = 0;
    for (std::int64_t i = 0; i < d.count; ++i) {
      for (std::int64_t j = 0; j < h.count; ++j) {
        const char* at = in + (d.first + i * p.d.dilation) * p.d.in_step + (h.first + j * p.h.dilation) * p.h.in_step +
                         w.first * p.w.in_step;
        for (std::int64_t k = 0; k < w.count; ++k, at += p.w.dilation * p.w.in_step) {
          const V value = Values<T>::get(at);
          if (best_at != nullptr && !(value > best) && value == value) continue;
          best = value;
          best_at = at;
          offset = ((tap_d + i) * p.window_h + tap_h + j) * p.window_w + tap_w + k;
        }
      }
    }
    std::memcpy(out + ow * p.w.out_step, best_at, sizeof(T));
    store_offset(offsets + ow * p.w.index_step, p.offset_size, offset);
  }
}

template <class T>
void keep(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
  for (std::int64_t unit = first; unit < last; ++unit) {
    const std::int64_t oh = unit % p.h.out, od = unit / p.h.out % p.d.out, plane = unit / p.h.out / p.d.out;
    for (std::int64_t c = 0; c < p.inner; ++c) {
      const std::int64_t at = c * static_cast<std::int64_t>(sizeof(T));
      keep_row<T>(p, p.in + p.in_start(plane) + at,
                  p.out + p.out_start(plane) + at + od * p.d.out_step + oh * p.h.out_step,
                  p.offsets + p.offsets_start(plane) + c * p.offset_size + od * p.d.index_step + oh * p.h.index_step,
                  od, oh);
    }
  }
}

// --- Gradients: each element of the input asks the windows that read it, in row-major order ---------------------------

std::int64_t input_rows(const TrainingPlan& p) { return p.planes() * p.d.in * p.h.in; }

// The sum of the shares, of gradients times `scale`, as the type V.
template <class T, Op kOp, class V>
V gather(const TrainingPlan& p, const char* out, const char* offsets, std::int64_t id, std::int64_t ih, std::int64_t iw,
         V scale) {
  const Readers d = readers(p.d, id), h = readers(p.h, ih), w = readers(p.w, iw);
  V sum{};
  for (std::int64_t od = d.first; od <= d.last; ++od) {
    const std::int64_t tap_d = tap_at(p.d, od, id);
    if (tap_d < 0) continue;
    for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
      const std::int64_t tap_h = tap_at(p.h, oh, ih);
      if (tap_h < 0) continue;
      const double row_factor = kOp == Op::kAvg ? p.row_factor(od, oh) : 1.0;
      for (std::int64_t ow = w.first; ow <= w.last; ++ow) {
        const std::int64_t tap_w = tap_at(p.w, ow, iw);
        if (tap_w < 0) continue;
        const V value = Values<T>::get(out + od * p.d.out_step + oh * p.h.out_step + ow * p.w.out_step) * scale;
        if constexpr (kOp == Op::kMax) {
          const std::int64_t kept =
              load_offset(offsets + od * p.d.index_step + oh * p.h.index_step + ow * p.w.index_step, p.offset_size);
          if (kept == (tap_d * p.window_h + tap_h) * p.window_w + tap_w) sum += value;
        } else {
          sum += value * static_cast<V>(p.counts_w ? row_factor * p.factor(p.w, ow) : row_factor);
        }
      }
    }
  }
  return sum;
}

template <class T, Op kOp>
void backward(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
  for (std::int64_t unit = first; unit < last; ++unit) {
    const std::int64_t ih = unit % p.h.in, id = unit / p.h.in % p.d.in, plane = unit / p.h.in / p.d.in;
    for (std::int64_t c = 0; c < p.inner; ++c) {
      const std::int64_t at = c * static_cast<std::int64_t>(sizeof(T));
      char* in = p.in + p.in_start(plane) + at + id * p.d.in_step + ih * p.h.in_step;
      const char* out = p.out + p.out_start(plane) + at;
      const char* offsets = kOp == Op::kMax ? p.offsets + p.offsets_start(plane) + c * p.offset_size : nullptr;
      for (std::int64_t iw = 0; iw < p.w.in; ++iw, in += p.w.in_step) {
        Values<T>::put(in, gather<T, kOp>(p, out, offsets, id, ih, iw, typename Values<T>::type{1}));
      }
    }
  }
}

template <class T>
void mend(const TrainingPlan& p) {
  constexpr double kScale = std::is_same_v<T, double> ? kShrink : 1.0;
  for (std::int64_t unit = 0; unit < input_rows(p); ++unit) {
    const std::int64_t ih = unit % p.h.in, id = unit / p.h.in % p.d.in, plane = unit / p.h.in / p.d.in;
    for (std::int64_t c = 0; c < p.inner; ++c) {
      const std::int64_t at = c * static_cast<std::int64_t>(sizeof(T));
      char* in = p.in + p.in_start(plane) + at + id * p.d.in_step + ih * p.h.in_step;
      for (std::int64_t iw = 0; iw < p.w.in; ++iw, in += p.w.in_step) {
        if (std::isfinite(Values<T>::get(in))) continue;
        const double sum = gather<T, Op::kAvg, double>(p, p.out + p.out_start(plane) + at, nullptr, id, ih, iw, kScale);
        Values<T>::put(in, static_cast<typename Values<T>::type>(sum / kScale));
      }
    }
  }
}

template <class T>
constexpr TrainingKernel keep_kernel(Type type) {
  return {Pass::kKeep, {"scalar_keep", Isa::kBaseline, Op::kMax, type}, fits, output_rows, keep<T>};
}
template <class T, Op kOp>
constexpr TrainingKernel backward_kernel(Type type) {
  return {Pass::kBackward, {"scalar_backward", Isa::kBaseline, kOp, type}, fits, input_rows, backward<T, kOp>};
}

constexpr TrainingKernel kList[] = {
    keep_kernel<double>(Type::kF64), keep_kernel<float>(Type::kF32),
    keep_kernel<F16>(Type::kF16), keep_kernel<Bf16>(Type::kBf16),
    backward_kernel<double, Op::kMax>(Type::kF64), backward_kernel<float, Op::kMax>(Type::kF32),
    backward_kernel<F16, Op::kMax>(Type::kF16), backward_kernel<Bf16, Op::kMax>(Type::kBf16),
    backward_kernel<double, Op::kAvg>(Type::kF64), backward_kernel<float, Op::kAvg>(Type::kF32),
    backward_kernel<F16, Op::kAvg>(Type::kF16), backward_kernel<Bf16, Op::kAvg>(Type::kBf16),
};

}  // namespace

void mend_gradient(const TrainingPlan& plan) {
  switch (plan.type) {
    case Type::kF64: mend<double>(plan); break;
    case Type::kF32: mend<float>(plan); break;
    case Type::kF16: mend<F16>(plan); break;
    case Type::kBf16: mend<Bf16>(plan); break;
    default: break;  // there are gradients of floats alone
  }
}

TrainingList scalar_training() { return {kList, static_cast<int>(sizeof kList / sizeof *kList)}; }

void write_indices(const Training& kept, const Problem& problem) {
  const std::int64_t window_h = largest_window(problem.axes[1]), window_w = largest_window(problem.axes[2]);
  const Axis &d = problem.axes[0], &h = problem.axes[1], &w = problem.axes[2];
  const Axis(&steps)[3] = kept.problem.axes;
  for (std::int64_t n = 0; n < problem.batch.count; ++n) {
    for (std::int64_t c = 0; c < problem.channels.count; ++c) {
      for (std::int64_t od = 0; od < d.out; ++od) {
        for (std::int64_t oh = 0; oh < h.out; ++oh) {
          const char* from = kept.offsets + n * kept.problem.batch.index_step + c * kept.problem.channels.index_step +
                             od * steps[0].index_step + oh * steps[1].index_step;
          char* to = problem.indices + n * problem.batch.index_step + c * problem.channels.index_step +
                     od * d.index_step + oh * h.index_step;
          for (std::int64_t ow = 0; ow < w.out; ++ow) {
            const std::int64_t offset = load_offset(from + ow * steps[2].index_step, kept.offset_size);
            const std::int64_t row = offset / window_w;
            const std::int64_t place =
                (position_of(d, od, row / window_h) * h.in + position_of(h, oh, row % window_h)) * w.in +
                position_of(w, ow, offset % window_w);
            std::memcpy(to + ow * w.index_step, &place, sizeof place);
          }
        }
      }
    }
  }
}

}  // namespace poolbench::pool
