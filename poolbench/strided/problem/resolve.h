// From what a caller asks for and the array it asks it of, to a Problem: every rule about shapes, and every check.
#pragma once

#include <cstdint>

#include "problem/offsets.h"
#include "problem/problem.h"
#include "problem/strides.h"

namespace poolbench::pool {

constexpr std::int64_t kInputsSize = INT64_MIN;  // an output size that was left to the input

// The numbers as the caller gave them, one per pooled axis, outermost first: nothing here has been checked.
struct Request {
  Op op = Op::kMax;
  int rank = 2;
  bool channels_last = false;  // whether the input's shape has the channels last; the memory's order is its own affair
  bool adaptive = false;
  bool ceil_mode = false;
  bool include_padding = true;
  bool has_divisor = false;
  std::int64_t divisor = 0;
  std::int64_t window[3] = {};
  std::int64_t stride[3] = {};
  std::int64_t dilation[3] = {};
  std::int64_t lo[3] = {};
  std::int64_t hi[3] = {};
  bool one_number[3] = {};  // whether the padding was one number, to which the rule of half a window applies
  std::int64_t output[3] = {};
};

// A problem whose output has a shape but no memory yet.
struct Resolved {
  Problem problem;
  int rank = 0;
  int dims = 0;
  int channels_axis = 0;
  int first_pooled_axis = 0;
  std::int64_t shape[kMostAxes] = {};
  std::int64_t elements = 0;  // of the output; 0 for an empty batch, which needs no run
  std::int64_t input_elements = 0;
};

// Throws std::invalid_argument with a sentence that names the argument and the input's shape.
//
// The rules are those that PyTorch documents for torch.nn.MaxPool2d, AvgPool2d and AdaptiveAvgPool2d, applied to each
// axis by itself: the output size is floor((L + lo + hi - span) / stride) + 1, or ceil, where the last window of ceil
// mode is dropped if it would start in the right-hand padding, and the only one may be longer than the padded input by less
// than a stride; padding given as one number per axis may not exceed
// half of the span (window - 1) * dilation + 1. Padding given as (lo, hi) may be anything that leaves every window of
// a maximum, and of an average that counts nothing but the input, at least one element of the input.
Resolved resolve(const Request& request, const Array& input, Type type);

}  // namespace poolbench::pool
