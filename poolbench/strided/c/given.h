// What C's callers give, read into what the library works with. Each check throws a sentence that names the argument.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "include/poolbench/pooling.h"
#include "problem/resolve.h"
#include "run/checks.h"
#include "run/dispatch.h"
#include "run/processors.h"

namespace poolbench::pool {

// The types are numbered from one, in the order that Type has.
static_assert(POOLBENCH_FLOAT64 == 1 + static_cast<int>(Type::kF64) &&
              POOLBENCH_BFLOAT16 == 1 + static_cast<int>(Type::kBf16) && POOLBENCH_INT64 == kTypes);
static_assert(POOLBENCH_MOST_AXES == kMostAxes && POOLBENCH_SAME_SIZE == kInputsSize);

[[noreturn]] inline void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

inline void check_flag(std::int32_t value, const char* name) {
  if (value != 0 && value != 1) fail(std::string(name) + " is " + std::to_string(value) + "; it must be 0 or 1.");
}

inline Request request_of(const poolbench_pooling* given) {
  if (given == nullptr) fail("pooling is NULL.");
  if (given->size != sizeof(poolbench_pooling)) {
    fail("pooling.size is " + std::to_string(given->size) + "; this library, of version " +
         std::to_string(POOLBENCH_ABI) + ", knows the size " + std::to_string(sizeof(poolbench_pooling)) +
         ": make it with poolbench_pooling_of(), and use a library as new as the header.");
  }
  if (given->kind != POOLBENCH_MAX && given->kind != POOLBENCH_AVERAGE) {
    fail("kind is " + std::to_string(given->kind) + "; it must be POOLBENCH_MAX or POOLBENCH_AVERAGE.");
  }
  if (given->rank < 1 || given->rank > 3) fail("rank is " + std::to_string(given->rank) + "; it must be 1, 2 or 3.");
  check_flag(given->adaptive, "adaptive");
  check_flag(given->channels_last, "channels_last");
  check_flag(given->ceil_mode, "ceil_mode");
  check_flag(given->count_include_pad, "count_include_pad");
  check_flag(given->has_pairs, "has_pairs");
  Request request;
  request.op = given->kind == POOLBENCH_MAX ? Op::kMax : Op::kAvg;
  request.rank = given->rank;
  request.channels_last = given->channels_last == 1;
  request.adaptive = given->adaptive == 1;
  request.ceil_mode = given->ceil_mode == 1;
  request.include_padding = given->count_include_pad == 1;
  request.has_divisor = given->divisor_override != 0;
  request.divisor = given->divisor_override;
  for (int i = 0; i < request.rank; ++i) {
    request.window[i] = given->kernel_size[i];
    request.stride[i] = given->stride[i] == 0 ? given->kernel_size[i] : given->stride[i];
    request.dilation[i] = given->dilation[i];
    request.lo[i] = given->padding[i];
    request.hi[i] = given->has_pairs == 1 ? given->padding_behind[i] : given->padding[i];
    request.one_number[i] = given->has_pairs == 0;
    request.output[i] = given->output_size[i];
  }
  return request;
}

// An array, what its elements are, and which bytes they take up.
struct Given : Elements {
  const char* name;
  Array array;
  bool is_packed;               // in C order
  bool reaches = true;          // whether the bytes can be counted
  std::int64_t first = 0, length = 0;  // from the data on

  Given(const poolbench_array* given, const char* known_as) : name(known_as) {
    if (given == nullptr) fail(std::string(name) + " is NULL.");
    has_type = given->type >= 1 && given->type <= kTypes;
    if (has_type) {
      type = static_cast<Type>(given->type - 1);
    } else {
      type_name = "number " + std::to_string(given->type);
    }
    if (given->dims < 0) fail(std::string(name) + " has " + std::to_string(given->dims) + " axes.");
    check_dims(name, given->dims);
    if (given->dims > 0 && given->shape == nullptr) fail(std::string(name) + ".shape is NULL.");
    array.data = static_cast<char*>(given->data);
    array.dims = given->dims;
    is_packed = given->strides == nullptr;
    const std::int64_t bytes = has_type ? size_of(type) : 1;
    std::int64_t packed = bytes;
    bool is_empty = false;
    for (int i = array.dims - 1; i >= 0; --i) {
      const std::int64_t size = array.shape[i] = given->shape[i];
      if (size < 0) fail(std::string(name) + " has " + std::to_string(size) + " elements along an axis.");
      array.steps[i] = is_packed ? packed : given->strides[i];
      is_empty = is_empty || size == 0;
      if (is_packed && size > 1 && __builtin_mul_overflow(packed, size, &packed)) {
        fail(std::string(name) + "'s sizes overflow; its shape is " + text_of(given->shape, given->dims) + ".");
      }
    }
    if (is_packed) {
      length = is_empty ? 0 : packed;
    } else {
      reaches = extent(array, bytes, &first, &length);
    }
  }

  void check_memory() const {
    if (array.data != nullptr || std::count(array.shape, array.shape + array.dims, 0) > 0) return;
    fail(std::string(name) + " of shape " + text_of(array.shape, array.dims) + " has no memory: its data is NULL.");
  }
};

// Refuses an array to write to two of whose elements share a byte, or may.
inline void check_apart_from_itself(const Given& given) {
  if (!given.is_packed) check_apart_from_itself(given.array, given.name, size_of(given.type));
}

inline void check_reach(const Given& given) {
  if (!given.reaches) check_reach(given.array, given.name, size_of(given.type));
}

// Whether the first or the last byte of `other` is one of the array's for certain.
inline bool holds_end_of(const Given& given, const Given& other) {
  const char *begin = given.array.data + given.first, *end = begin + given.length;
  const char *others = other.array.data + other.first, *others_end = others + other.length;
  if (!((others >= begin && others < end) || (others_end > begin && others_end <= end))) return false;
  std::int64_t bytes = size_of(given.type);
  for (int i = 0; i < given.array.dims; ++i) bytes *= given.array.shape[i];
  return bytes == given.length;  // it has no gaps
}

// Refuses arrays that share memory for certain. Their bytes have been counted.
inline void check_apart(const Given& a, const Given& b) {
  const char *of_a = a.array.data + a.first, *of_b = b.array.data + b.first;
  if (of_a + a.length <= of_b || of_b + b.length <= of_a) return;
  if (!holds_end_of(a, b) && !holds_end_of(b, a)) return;
  fail(std::string(a.name) + " of shape " + text_of(a.array.shape, a.array.dims) + " shares memory with " + b.name +
       " of shape " + text_of(b.array.shape, b.array.dims) + ": give one that lies elsewhere.");
}

inline Settings settings_of(std::int32_t threads) {
  static const Isa checked = default_isa();  // throws, as often as it is asked, where POOLBENCH_ISA is wrong
  (void)checked;
  if (threads < 0) {
    fail("threads is " + std::to_string(threads) + "; it must be at least 1, or 0 for all processors.");
  }
  static const int all = count_processors();
  Settings settings;
  settings.threads = threads == 0 ? all : threads;
  return settings;
}

}  // namespace poolbench::pool
