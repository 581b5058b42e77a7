#include "problem/strides.h"

#include <algorithm>

namespace poolbench::pool {

using Int = std::int64_t;

bool extent(const Array& array, Int size, Int* first, Int* length) {
  Int below = 0, above = 0;
  bool is_empty = false;
  for (int i = 0; i < array.dims; ++i) {
    is_empty = is_empty || array.shape[i] == 0;
    Int reach;
    if (__builtin_mul_overflow(std::max<Int>(array.shape[i] - 1, 0), array.steps[i], &reach)) return false;
    if (reach > kLimit || reach < -kLimit) return false;
    (reach < 0 ? below : above) += reach;
  }
  *first = is_empty ? 0 : below;
  *length = is_empty ? 0 : above - below + size;
  return true;
}

bool is_free_of_overlap(const Array& array, Int size) {
  Int steps[kMostAxes], counts[kMostAxes];
  int axes = 0;
  for (int i = 0; i < array.dims; ++i) {
    if (array.shape[i] == 0) return true;
    if (array.shape[i] == 1) continue;
    const Int step = array.steps[i] < 0 ? -array.steps[i] : array.steps[i];
    int at = axes++;
    for (; at > 0 && steps[at - 1] > step; --at) {
      steps[at] = steps[at - 1];
      counts[at] = counts[at - 1];
    }
    steps[at] = step;
    counts[at] = array.shape[i];
  }
  Int reach = size;  // what the axes so far take up; the next one must step over it
  for (int i = 0; i < axes; ++i) {
    if (steps[i] < reach) return false;
    reach += (counts[i] - 1) * steps[i];
  }
  return true;
}

std::string text_of(const Int* values, int count) {
  std::string text = "(";
  for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + std::to_string(values[i]);
  return text + (count == 1 ? ",)" : ")");
}

}  // namespace poolbench::pool
