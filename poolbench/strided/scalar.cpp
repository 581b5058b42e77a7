// The kernels that take anything: one output at a time, whatever the strides. The others must agree with them.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernel.h"
#include "overflow.h"
#include "scalar_values.h"

namespace poolbench::pool {
namespace {

template <class V>
inline bool is_nan(V value) {
  if constexpr (std::is_floating_point_v<V>) return value != value;
  return false;
}

// Sums doubles with one more double for what rounding loses (A. Neumaier, 1974), so that nothing depends on the order.
struct Sum {
  double total = 0, lost = 0;
  void add(double value) {
    const double sum = total + value;
    lost += std::fabs(total) >= std::fabs(value) ? (total - sum) + value : (value - sum) + total;
    total = sum;
  }
  double value() const { return std::isfinite(total) ? total + lost : total; }
};

struct Row {  // where one row of outputs is, and what its windows share
  const char* in;
  char* out;
  char* indices;
  Axis::Taps d, h;
  std::int64_t od, oh;
};

template <class T>
void max_row(const Problem& p, const Row& row) {
  using V = typename Values<T>::type;
  const Axis &d = p.axes[0], &h = p.axes[1], &w = p.axes[2];
  for (std::int64_t ow = 0; ow < w.out; ++ow) {
    const Axis::Taps taps = w.taps(ow);
    V best{};
    std::int64_t best_index = -1;
    const char* best_at = nullptr;
    for (std::int64_t i = 0; i < row.d.count; ++i) {
      const std::int64_t id = row.d.first + i * d.dilation;
      for (std::int64_t j = 0; j < row.h.count; ++j) {
        const std::int64_t ih = row.h.first + j * h.dilation;
        const char* at = row.in + id * d.in_step + ih * h.in_step + taps.first * w.in_step;
        for (std::int64_t k = 0; k < taps.count; ++k, at += w.dilation * w.in_step) {
          const V value = Values<T>::get(at);
          if (best_index < 0 || value > best || is_nan(value)) {
            best = value;
            best_at = at;
            best_index = (id * h.in + ih) * w.in + taps.first + k * w.dilation;
          }
        }
      }
    }
    if (best_at != nullptr) std::memcpy(row.out + ow * w.out_step, best_at, sizeof(T));
    if (row.indices != nullptr) std::memcpy(row.indices + ow * w.index_step, &best_index, sizeof best_index);
  }
}

template <class T, bool kShrinks>
double window_sum(const Problem& p, const Row& row, const Axis::Taps& taps) {
  const Axis &d = p.axes[0], &h = p.axes[1], &w = p.axes[2];
  Sum sum;
  for (std::int64_t i = 0; i < row.d.count; ++i) {
    const std::int64_t id = row.d.first + i * d.dilation;
    for (std::int64_t j = 0; j < row.h.count; ++j) {
      const std::int64_t ih = row.h.first + j * h.dilation;
      const char* at = row.in + id * d.in_step + ih * h.in_step + taps.first * w.in_step;
      for (std::int64_t k = 0; k < taps.count; ++k, at += w.dilation * w.in_step) {
        const auto value = static_cast<double>(Values<T>::get(at));
        sum.add(kShrinks ? value * kShrink : value);
      }
    }
  }
  return sum.value();
}

// All outputs of a row, or those alone that are not finite yet.
template <class T, bool kMends>
void avg_row(const Problem& p, const Row& row) {
  const Axis &d = p.axes[0], &h = p.axes[1], &w = p.axes[2];
  for (std::int64_t ow = 0; ow < w.out; ++ow) {
    if (kMends && std::isfinite(Values<T>::get(row.out + ow * w.out_step))) continue;
    const Axis::Taps taps = w.taps(ow);
    double divisor = static_cast<double>(p.divisor);
    if (p.divisor == 0) {
      divisor = p.include_padding
                    ? static_cast<double>(d.counted(row.od)) * static_cast<double>(h.counted(row.oh)) *
                          static_cast<double>(w.counted(ow))
                    : static_cast<double>(row.d.count) * static_cast<double>(row.h.count) *
                          static_cast<double>(taps.count);
    }
    double average = window_sum<T, false>(p, row, taps) / divisor;
    if (std::is_same_v<T, double> && !std::isfinite(average)) {
      average = window_sum<T, true>(p, row, taps) / divisor / kShrink;
    }
    Values<T>::put(row.out + ow * w.out_step, static_cast<typename Values<T>::type>(average));
  }
}

template <class T, Op kOp, bool kMends = false>
void pool_rows(const Problem& p, std::int64_t first, std::int64_t last) {
  const Axis &d = p.axes[0], &h = p.axes[1];
  for (std::int64_t unit = first; unit < last; ++unit) {
    Row row;
    row.oh = unit % h.out;
    row.od = unit / h.out % d.out;
    const std::int64_t plane = unit / h.out / d.out;
    const std::int64_t c = plane % p.channels.count;
    const std::int64_t n = plane / p.channels.count;
    row.in = p.in + n * p.batch.in_step + c * p.channels.in_step;
    row.out = p.out + n * p.batch.out_step + c * p.channels.out_step + row.od * d.out_step + row.oh * h.out_step;
    row.indices = p.indices == nullptr ? nullptr
                                       : p.indices + n * p.batch.index_step + c * p.channels.index_step +
                                             row.od * d.index_step + row.oh * h.index_step;
    row.d = d.taps(row.od);
    row.h = h.taps(row.oh);
    if constexpr (kOp == Op::kMax) {
      max_row<T>(p, row);
    } else {
      avg_row<T, kMends>(p, row);
    }
  }
}

template <class T, Op kOp>
void run_rows(const Plan& plan, std::int64_t first, std::int64_t last) {
  pool_rows<T, kOp>(*plan.problem, first, last);
}

bool fits(const Plan&) { return true; }

std::int64_t count_rows(const Problem& p) {
  return p.batch.count * p.channels.count * p.axes[0].out * p.axes[1].out;
}

std::int64_t units(const Plan& plan) { return count_rows(*plan.problem); }

template <class T, Op kOp>
constexpr Kernel kernel(Type type) {
  return {{"scalar", Isa::kBaseline, kOp, type}, fits, units, run_rows<T, kOp>};
}

constexpr Kernel kList[] = {
    kernel<double, Op::kMax>(Type::kF64),       kernel<float, Op::kMax>(Type::kF32),
    kernel<F16, Op::kMax>(Type::kF16),          kernel<Bf16, Op::kMax>(Type::kBf16),
    kernel<std::int8_t, Op::kMax>(Type::kI8),   kernel<std::uint8_t, Op::kMax>(Type::kU8),
    kernel<std::int16_t, Op::kMax>(Type::kI16), kernel<std::int32_t, Op::kMax>(Type::kI32),
    kernel<std::int64_t, Op::kMax>(Type::kI64), kernel<double, Op::kAvg>(Type::kF64),
    kernel<float, Op::kAvg>(Type::kF32),        kernel<F16, Op::kAvg>(Type::kF16),
    kernel<Bf16, Op::kAvg>(Type::kBf16),
};

}  // namespace

void mend_averages(const Problem& problem) {
  const std::int64_t rows = count_rows(problem);
  switch (problem.type) {
    case Type::kF64: pool_rows<double, Op::kAvg, true>(problem, 0, rows); break;
    case Type::kF32: pool_rows<float, Op::kAvg, true>(problem, 0, rows); break;
    case Type::kF16: pool_rows<F16, Op::kAvg, true>(problem, 0, rows); break;
    case Type::kBf16: pool_rows<Bf16, Op::kAvg, true>(problem, 0, rows); break;
    default: break;  // averages are taken of floats alone
  }
}

KernelList scalar_kernels() { return {kList, static_cast<int>(sizeof kList / sizeof *kList)}; }

}  // namespace poolbench::pool
