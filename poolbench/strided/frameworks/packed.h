// What the operators of JAX and TensorFlow are given: a pooling as one list of numbers, as poolbench/strided/request.py
// writes it, and arrays in C order, which may have more axes in front than a batch.
#pragma once

#include <poolbench/pooling.h>

#include <cstddef>
#include <cstdint>

namespace poolbench {

constexpr int kNumbers = 26;

inline poolbench_pooling unpack(const std::int64_t* numbers) {
  poolbench_pooling pooling = poolbench_pooling_of(static_cast<std::int32_t>(numbers[0]), static_cast<std::int32_t>(numbers[1]));
  pooling.adaptive = numbers[2] != 0;
  pooling.channels_last = numbers[3] != 0;
  pooling.ceil_mode = numbers[4] != 0;
  pooling.count_include_pad = numbers[5] != 0;
  pooling.has_pairs = numbers[6] != 0;
  pooling.divisor_override = numbers[7];
  for (int i = 0; i < 3; ++i) {
    pooling.kernel_size[i] = numbers[8 + i];
    pooling.stride[i] = numbers[11 + i];
    pooling.dilation[i] = numbers[14 + i];
    pooling.padding[i] = numbers[17 + i];
    pooling.padding_behind[i] = numbers[20 + i];
    pooling.output_size[i] = numbers[23 + i];
  }
  return pooling;
}

inline std::int64_t size_of(std::int32_t type) {
  static const std::int64_t kSizes[] = {0, 8, 4, 2, 2, 1, 1, 2, 4, 8};
  return kSizes[type];
}

// An array in C order. All axes in front of the channels and the pooled ones are one batch: jax.vmap adds some.
struct Dense : poolbench_array {
  std::int64_t sizes[POOLBENCH_MOST_AXES];

  Dense(const poolbench_pooling& pooling, void* at, std::int32_t type_of_elements, const std::int64_t* given, std::int64_t axes) {
    const std::int64_t rest = pooling.rank + 1;
    data = at;
    type = type_of_elements;
    strides = nullptr;
    shape = sizes;
    dims = static_cast<std::int32_t>(axes < rest + 1 ? axes : rest + 1);
    sizes[0] = 1;
    const std::int64_t merged = axes - dims;
    for (std::int64_t i = 0; i <= merged && i < axes; ++i) sizes[0] *= given[i];
    for (std::int32_t i = 1; i < dims; ++i) sizes[i] = given[merged + i];
  }
  Dense(const Dense&) = delete;

  std::int64_t count() const {
    std::int64_t elements = 1;
    for (std::int32_t i = 0; i < dims; ++i) elements *= sizes[i];
    return elements;
  }
};

}  // namespace poolbench
