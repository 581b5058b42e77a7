// What the functions of poolbench.strided.torch take, in the order in which both ways into the library are given it, and the
// memory of what they make.
#pragma once

#include <poolbench/pooling.h>

#include <algorithm>
#include <cstdint>

namespace poolbench {

// `Given` hands out the parameters one by one, each once: sizes(name, least number, numbers) for one number for each pooled
// axis, flag(), and divisor(), which is 0 where there is none. Its rank() is known when all have been read.
template <class Given>
poolbench_pooling read_max_pool(Given& given) {
  poolbench_pooling pooling = poolbench_pooling_of(POOLBENCH_MAX, 0);
  given.sizes("kernel_size", 1, pooling.kernel_size);
  given.sizes("stride", 1, pooling.stride);
  given.sizes("padding", 0, pooling.padding);
  given.sizes("dilation", 1, pooling.dilation);
  pooling.ceil_mode = given.flag();
  pooling.rank = given.rank();
  return pooling;
}

template <class Given>
poolbench_pooling read_avg_pool(Given& given) {
  poolbench_pooling pooling = poolbench_pooling_of(POOLBENCH_AVERAGE, 0);
  given.sizes("kernel_size", 1, pooling.kernel_size);
  given.sizes("stride", 1, pooling.stride);
  given.sizes("padding", 0, pooling.padding);
  pooling.ceil_mode = given.flag();
  pooling.count_include_pad = given.flag();
  pooling.divisor_override = given.divisor();
  pooling.rank = given.rank();
  return pooling;
}

template <class Given>
poolbench_pooling read_adaptive_pool(std::int32_t kind, Given& given) {
  poolbench_pooling pooling = poolbench_pooling_of(kind, 0);
  pooling.adaptive = 1;
  given.sizes("output_size", 1, pooling.output_size);
  pooling.rank = given.rank();
  return pooling;
}

// The strides, in elements, of a fresh tensor (N, C, *spatial): in C order, or with the channels innermost.
inline void put_strides(const std::int64_t* sizes, int dims, bool channels_last, std::int64_t* strides) {
  std::int64_t step = 1;
  const auto put = [&](int axis) {
    strides[axis] = step;
    step *= std::max<std::int64_t>(sizes[axis], 1);
  };
  if (channels_last) put(1);
  for (int axis = dims - 1; axis >= 0; --axis) {
    if (!channels_last || axis != 1) put(axis);
  }
}

}  // namespace poolbench
