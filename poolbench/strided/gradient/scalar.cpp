// The gradients that take anything: each position asks the windows that read it, in row-major order, whatever the strides.
// The others must agree with them.
#include <cmath>
#include <cstring>
#include <type_traits>

#include "run/kernel.h"
#include "run/overflow.h"
#include "simd/scalar_values.h"

namespace poolbench::pool {
namespace {

bool fits(const Plan&) { return true; }

std::int64_t units(const Plan& p) { return p.planes() * p.d.positions * p.h.positions; }

// The sum of the shares, of gradients times `scale`, as the type V.
template <class T, Op kOp, class V>
V gather(const Plan& p, const char* in, const char* offsets, std::int64_t id, std::int64_t ih, std::int64_t iw,
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
        const V value = Values<T>::get(in + od * p.d.in_step + oh * p.h.in_step + ow * p.w.in_step) * scale;
        if constexpr (kOp == Op::kMax) {
          const std::int64_t kept =
              load_offset(offsets + od * p.d.offset_step + oh * p.h.offset_step + ow * p.w.offset_step, p.offset_size);
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
void run_rows(const Plan& p, std::int64_t first, std::int64_t last) {
  for (std::int64_t unit = first; unit < last; ++unit) {
    const std::int64_t ih = unit % p.h.positions, id = unit / p.h.positions % p.d.positions;
    const std::int64_t plane = unit / p.h.positions / p.d.positions;
    for (std::int64_t c = 0; c < p.inner; ++c) {
      const std::int64_t at = c * static_cast<std::int64_t>(sizeof(T));
      char* out = p.out + p.out_start(plane) + at + id * p.d.out_step + ih * p.h.out_step;
      const char* in = p.in + p.in_start(plane) + at;
      const char* offsets = kOp == Op::kMax ? p.offsets + p.offsets_start(plane) + c * p.offset_size : nullptr;
      for (std::int64_t iw = 0; iw < p.w.positions; ++iw, out += p.w.out_step) {
        Values<T>::put(out, gather<T, kOp>(p, in, offsets, id, ih, iw, typename Values<T>::type{1}));
      }
    }
  }
}

template <class T>
void mend(const Plan& p) {
  constexpr double kScale = std::is_same_v<T, double> ? kShrink : 1.0;
  for (std::int64_t unit = 0; unit < units(p); ++unit) {
    const std::int64_t ih = unit % p.h.positions, id = unit / p.h.positions % p.d.positions;
    const std::int64_t plane = unit / p.h.positions / p.d.positions;
    for (std::int64_t c = 0; c < p.inner; ++c) {
      const std::int64_t at = c * static_cast<std::int64_t>(sizeof(T));
      char* out = p.out + p.out_start(plane) + at + id * p.d.out_step + ih * p.h.out_step;
      for (std::int64_t iw = 0; iw < p.w.positions; ++iw, out += p.w.out_step) {
        if (std::isfinite(Values<T>::get(out))) continue;
        const double sum = gather<T, Op::kAvg, double>(p, p.in + p.in_start(plane) + at, nullptr, id, ih, iw, kScale);
        Values<T>::put(out, static_cast<typename Values<T>::type>(sum / kScale));
      }
    }
  }
}

template <class T, Op kOp>
constexpr Kernel kernel(Type type) {
  return {Pass::kGradient, "scalar", "anything at all, one element at a time", "kd·kh·kw for each element",
          Isa::kBaseline, kOp, type, fits, units, run_rows<T, kOp>};
}

constexpr Kernel kList[] = {
    kernel<double, Op::kMax>(Type::kF64), kernel<float, Op::kMax>(Type::kF32),
    kernel<F16, Op::kMax>(Type::kF16),    kernel<Bf16, Op::kMax>(Type::kBf16),
    kernel<double, Op::kAvg>(Type::kF64), kernel<float, Op::kAvg>(Type::kF32),
    kernel<F16, Op::kAvg>(Type::kF16),    kernel<Bf16, Op::kAvg>(Type::kBf16),
};

}  // namespace

void mend_gradient(const Plan& plan) {
  switch (plan.type) {
    case Type::kF64: mend<double>(plan); break;
    case Type::kF32: mend<float>(plan); break;
    case Type::kF16: mend<F16>(plan); break;
    case Type::kBf16: mend<Bf16>(plan); break;
    default: break;  // there are gradients of floats alone
  }
}

KernelList scalar_gradient_kernels() { return {kList, static_cast<int>(sizeof kList / sizeof *kList)}; }

}  // namespace poolbench::pool
