// The kernels that find maxima and where they are, whatever the strides: one window at a time. The others must agree with
// them.
#include <cstring>

#include "run/kernel.h"
#include "simd/scalar_values.h"

namespace poolbench::pool {
namespace {

bool fits(const Plan&) { return true; }

std::int64_t units(const Plan& plan) {
  const Problem& p = *plan.problem;
  return p.batch.count * p.channels.count * p.axes[0].windows * p.axes[1].windows;
}

struct Row {  // where one row of windows is, and what they share
  const char* in;
  char* out;
  char* offsets;
  Axis::Taps d, h;
  std::int64_t tap_d, tap_h;
};

template <class T>
void keep_row(const Problem& p, std::int64_t window_h, std::int64_t window_w, const Row& row) {
  using V = typename Values<T>::type;
  const Axis &d = p.axes[0], &h = p.axes[1], &w = p.axes[2];
  for (std::int64_t ow = 0; ow < w.windows; ++ow) {
    const Axis::Taps taps = w.taps(ow);
    const std::int64_t tap_w = first_tap(w, ow);
    const char* best_at = nullptr;
    V best{};
    std::int64_t offset = 0;
    for (std::int64_t i = 0; i < row.d.count; ++i) {
      for (std::int64_t j = 0; j < row.h.count; ++j) {
        const char* at = row.in + (row.d.first + i * d.dilation) * d.in_step +
                         (row.h.first + j * h.dilation) * h.in_step + taps.first * w.in_step;
        for (std::int64_t k = 0; k < taps.count; ++k, at += w.dilation * w.in_step) {
          const V value = Values<T>::get(at);
          if (best_at != nullptr && !(value > best) && value == value) continue;
          best = value;
          best_at = at;
          offset = ((row.tap_d + i) * window_h + row.tap_h + j) * window_w + tap_w + k;
        }
      }
    }
    std::memcpy(row.out + ow * w.out_step, best_at, sizeof(T));
    store_offset(row.offsets + ow * w.offset_step, p.offset_size, offset);
  }
}

template <class T>
void run_rows(const Plan& plan, std::int64_t first, std::int64_t last) {
  const Problem& p = *plan.problem;
  const Axis &d = p.axes[0], &h = p.axes[1];
  const std::int64_t window_h = largest_window(h), window_w = largest_window(p.axes[2]);
  for (std::int64_t unit = first; unit < last; ++unit) {
    const std::int64_t oh = unit % h.windows, od = unit / h.windows % d.windows, plane = unit / h.windows / d.windows;
    const std::int64_t c = plane % p.channels.count, n = plane / p.channels.count;
    Row row;
    row.in = p.in + n * p.batch.in_step + c * p.channels.in_step;
    row.out = p.out + n * p.batch.out_step + c * p.channels.out_step + od * d.out_step + oh * h.out_step;
    row.offsets = p.offsets + n * p.batch.offset_step + c * p.channels.offset_step + od * d.offset_step +
                  oh * h.offset_step;
    row.d = d.taps(od);
    row.h = h.taps(oh);
    row.tap_d = first_tap(d, od);
    row.tap_h = first_tap(h, oh);
    keep_row<T>(p, window_h, window_w, row);
  }
}

template <class T>
constexpr Kernel kernel(Type type) {
  return {Pass::kKeep, "scalar", "anything at all, integers among it, one element at a time",
          "kd·kh·kw for each element", Isa::kBaseline, Op::kMax, type, fits, units, run_rows<T>};
}

constexpr Kernel kList[] = {
    kernel<double>(Type::kF64),       kernel<float>(Type::kF32),       kernel<F16>(Type::kF16),
    kernel<Bf16>(Type::kBf16),        kernel<std::int8_t>(Type::kI8),  kernel<std::uint8_t>(Type::kU8),
    kernel<std::int16_t>(Type::kI16), kernel<std::int32_t>(Type::kI32), kernel<std::int64_t>(Type::kI64),
};

}  // namespace

KernelList scalar_keep_kernels() { return {kList, static_cast<int>(sizeof kList / sizeof *kList)}; }

}  // namespace poolbench::pool
