#include "problem/resolve.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace poolbench::pool {
namespace {

using Int = std::int64_t;
using std::to_string;
__extension__ using Wide = __int128;

constexpr const char* kAxisNames[3][3] = {{"w", "", ""}, {"h", "w", ""}, {"d", "h", "w"}};

[[noreturn]] void fail(const std::string& sentence) { throw std::invalid_argument(sentence); }

// Where a sentence ends: what it was all about.
std::string of_input(const Array& input) { return "the input has shape " + text_of(input.shape, input.dims) + "."; }

const char* axis_name(const Request& request, int axis) { return kAxisNames[request.rank - 1][axis]; }

// Multiplies; says whether the product is still within bounds.
bool grow(Int* product, Int factor) {
  return !__builtin_mul_overflow(*product, factor, product) && *product <= kLimit;
}

[[noreturn]] void fail_least(const Request& request, const Array& input, const char* name, const Int* values,
                             Int least) {
  fail(std::string(name) + " is " + text_of(values, request.rank) + ": each entry must be at least " +
       to_string(least) + "; " + of_input(input));
}

// Apart from its sentence, this is small enough to be inlined: every call does it five times.
void check_least(const Request& request, const Array& input, const char* name, const Int* values, Int least) {
  for (int i = 0; i < request.rank; ++i) {
    if (values[i] < least) fail_least(request, input, name, values, least);
  }
}

// PyTorch takes an empty axis of channels for an empty batch where there is no batch, and asks for none in the averages
// that it computes as those of images (one axis and two) or as means (one output). All other pooling wants channels.
bool may_lack_channels(const Request& request, const Array& input) {
  if (!request.adaptive) return false;
  if (input.dims == request.rank + 1) return true;
  if (request.op == Op::kMax) return false;
  if (request.rank < 3) return true;
  const int first = request.channels_last ? 1 : 2;
  for (int i = 0; i < request.rank; ++i) {
    const Int out = request.output[i] == kInputsSize ? input.shape[first + i] : request.output[i];
    if (out != 1) return false;
  }
  return true;
}

void check_shape(const Request& request, const Array& input, Int size) {
  const int rank = request.rank;
  if (input.dims != rank + 1 && input.dims != rank + 2) {
    const std::string spatial = rank == 1 ? "L" : rank == 2 ? "H, W" : "D, H, W";
    const std::string item = request.channels_last ? spatial + ", C" : "C, " + spatial;
    fail("The input has " + to_string(input.dims) + (input.dims == 1 ? " axis" : " axes") + " and shape " +
         text_of(input.shape, input.dims) + ": pooling over " + to_string(rank) +
         (rank == 1 ? " axis" : " axes") + " takes (" + item + ") or (N, " + item + ").");
  }
  const bool is_batched = input.dims == rank + 2;
  const int channels = request.channels_last ? input.dims - 1 : is_batched;
  for (int i = 0; i < input.dims; ++i) {
    if (input.shape[i] >= 1) continue;
    const bool may_be_empty = (is_batched && i == 0) || (i == channels && may_lack_channels(request, input));
    if (input.shape[i] == 0 && may_be_empty) continue;
    fail("The input has shape " + text_of(input.shape, input.dims) +
         ": the axes that are pooled may not be empty, and the channels only where PyTorch takes none: in adaptive "
         "pooling without a batch, and in adaptive averages over one axis, two axes or a whole volume.");
  }
  Int first, length;
  Int elements = 1;
  bool fits = extent(input, size, &first, &length);
  for (int i = 0; i < input.dims; ++i) fits = fits && grow(&elements, std::max<Int>(input.shape[i], 1));
  if (!fits || !grow(&elements, size)) {
    fail("The input's sizes, or its sizes times its strides, overflow; " + of_input(input));
  }
}

// The least x >= 0 for which l <= a * x mod m <= r, or -1 where there is none; 0 <= l <= r < m, 0 <= a < m. It descends
// as Euclid's algorithm does: where no multiple of a lies in the range itself, one that wraps around must.
Int first_in_range(Int a, Int m, Int l, Int r) {
  if (l == 0) return 0;
  if (a == 0) return -1;
  const Int direct = (l - 1) / a + 1;
  if (static_cast<Wide>(direct) * a <= r) return direct;
  const Int wraps = first_in_range(m % a, a, (a - r % a) % a, (a - l % a) % a);
  if (wraps < 0) return -1;
  return static_cast<Int>((static_cast<Wide>(m) * wraps + l - 1) / a + 1);
}

// The first output whose window reads nothing of the input, or -1.
Int find_empty_window(const Axis& axis) {
  if (axis.lo == 0 && axis.hi == 0) return -1;
  if ((axis.window - 1) * axis.dilation < axis.lo) return 0;  // it ends in the left-hand padding
  if ((axis.windows - 1) * axis.stride - axis.lo >= axis.positions) return axis.windows - 1;
  // A window that starts to the left of the input may step over it if it is shorter than a step.
  if (axis.dilation <= axis.positions || axis.lo == 0) return -1;
  const Int d = axis.dilation, offset = (d - axis.lo % d) % d;
  if (offset >= axis.positions) return 0;
  const Int o = first_in_range(axis.stride % d, d, axis.positions - offset, d - 1 - offset);
  return o >= 0 && o < axis.windows && o <= (axis.lo - 1) / axis.stride ? o : -1;
}

void resolve_adaptive(const Request& request, const Array& input, int i, Axis& axis) {
  const Int wanted = request.output[i];
  axis.window = 0;
  axis.windows = wanted == kInputsSize ? axis.positions : wanted;
  Int product = axis.positions;
  if (axis.windows > kLimit || !grow(&product, axis.windows)) {
    fail("output_size asks for " + to_string(axis.windows) + " along " + axis_name(request, i) +
         ", which times the input's length " + to_string(axis.positions) + " overflows; " + of_input(input));
  }
}

void resolve_windowed(const Request& request, const Array& input, int i, Axis& axis) {
  const Int k = request.window[i], d = request.dilation[i], lo = request.lo[i], hi = request.hi[i];
  Int span;
  if (__builtin_mul_overflow(k - 1, d, &span) || span >= kLimit) span = kLimit;
  ++span;
  // With this, the place of every tap fits its type, those in the padding included.
  Int farthest = std::max(axis.in_step < 0 ? -axis.in_step : axis.in_step, Int{1});
  if (lo > kLimit || hi > kLimit || !grow(&farthest, axis.positions + lo + hi)) {
    fail("padding " + to_string(lo) + " and " + to_string(hi) + " along " + axis_name(request, i) +
         " makes the padded input so long that sizes overflow; " + of_input(input));
  }
  if (request.one_number[i] && lo > span / 2) {
    fail("padding is " + to_string(lo) + " along " + axis_name(request, i) + ": it may be at most half of what the " +
         "window spans, " + to_string(span / 2) + " (kernel_size " + to_string(k) + ", dilation " + to_string(d) +
         "), unless it is given as a (lo, hi) pair; " + of_input(input));
  }
  const Int padded = axis.positions + lo + hi, room = padded - span;
  // Ceil mode counts a window that begins in the padded input although it doesn't fit, also where it is the only one:
  // PyTorch rounds (room + stride - 1) / stride down, which is 0 above -stride.
  const bool has_lone_overhang = room < 0 && request.ceil_mode && span <= kLimit && room > -request.stride[i];
  if (room < 0 && !has_lone_overhang) {
    fail("kernel_size " + text_of(request.window, request.rank) + " does not fit along " + axis_name(request, i) +
         ": the window spans " + (span > kLimit ? "more than " + to_string(kLimit) : to_string(span)) +
         " (kernel_size " + to_string(k) + ", dilation " + to_string(d) + "), the padded input " + to_string(padded) +
         " (length " + to_string(axis.positions) + ", padding " + to_string(lo) + " and " + to_string(hi) + ")" +
         (request.ceil_mode ? ", by as much as the stride or more; " : "; ") + of_input(input));
  }
  // A stride beyond the padded input never leads to a second window, and a dilation means nothing to a single tap.
  const Int s = std::min(request.stride[i], padded);
  Int out = has_lone_overhang ? 1 : room / s + 1;
  if (request.ceil_mode && !has_lone_overhang) {
    if (room % s != 0) ++out;
    // PyTorch drops the last window of ceil mode where it would start in the right-hand padding.
    if ((out - 1) * s >= axis.positions + lo) --out;
  }
  axis.windows = out;
  axis.window = k;
  axis.stride = s;
  axis.dilation = k == 1 ? 1 : d;
  axis.lo = lo;
  axis.hi = hi;
  const bool may_be_empty = request.op == Op::kAvg && (request.include_padding || request.has_divisor);
  if (may_be_empty) return;
  const Int empty = find_empty_window(axis);
  if (empty >= 0) {
    fail("padding " + to_string(lo) + " and " + to_string(hi) + " along " + axis_name(request, i) +
         " leaves the window of output " + to_string(empty) + " nothing of the input to read (length " +
         to_string(axis.positions) + ", kernel_size " + to_string(k) + ", stride " + to_string(request.stride[i]) +
         ", dilation " + to_string(d) + "): lessen the padding; " + of_input(input));
  }
}

void check_products(const Request& request, const Array& input, Resolved& resolved) {
  Int taps = 1;
  for (const Axis& axis : resolved.problem.axes) {
    if (!grow(&taps, std::max<Int>(axis.window, 1))) {
      fail("kernel_size " + text_of(request.window, request.rank) + " counts more elements than fit 60 bits; " +
           of_input(input));
    }
  }
  Int in = 1, out = 1, bytes = 8;  // an index takes 8 bytes, and no element takes more
  for (int i = 0; i < input.dims; ++i) {
    in *= input.shape[i];
    // A batch of zero makes the product zero, but the rest must make sense nevertheless.
    if (!grow(&bytes, std::max<Int>(resolved.shape[i], 1))) {
      fail("The output would have shape " + text_of(resolved.shape, resolved.dims) + ", whose product overflows; " +
           of_input(input));
    }
    out *= resolved.shape[i];
  }
  resolved.elements = out;
  resolved.input_elements = in;
}

}  // namespace

Resolved resolve(const Request& request, const Array& input, Type type) {
  check_shape(request, input, size_of(type));
  if (request.adaptive) {
    for (int i = 0; i < request.rank; ++i) {
      if (request.output[i] < 1 && request.output[i] != kInputsSize) {
        fail("output_size asks for " + to_string(request.output[i]) + " along " + axis_name(request, i) +
             ": it must be at least 1, or None for the input's own size; " + of_input(input));
      }
    }
  } else {
    check_least(request, input, "kernel_size", request.window, 1);
    check_least(request, input, "stride", request.stride, 1);
    check_least(request, input, "dilation", request.dilation, 1);
    check_least(request, input, "padding", request.lo, 0);
    check_least(request, input, "padding", request.hi, 0);
    if (request.has_divisor && request.divisor == 0) fail("divisor_override is 0; it may be any number but that.");
  }

  Resolved resolved;
  Problem& problem = resolved.problem;
  const int batched = input.dims - request.rank - 1;
  resolved.rank = request.rank;
  resolved.dims = input.dims;
  resolved.channels_axis = request.channels_last ? input.dims - 1 : batched;
  resolved.first_pooled_axis = request.channels_last ? batched : batched + 1;
  problem.op = request.op;
  problem.type = type;
  problem.in = input.data;
  problem.include_padding = request.include_padding;
  problem.divisor = request.has_divisor ? request.divisor : 0;
  if (batched) {
    problem.batch.count = resolved.shape[0] = input.shape[0];
    problem.batch.in_step = input.shape[0] > 1 ? input.steps[0] : 0;
  }
  problem.channels.count = resolved.shape[resolved.channels_axis] = input.shape[resolved.channels_axis];
  problem.channels.in_step = problem.channels.count > 1 ? input.steps[resolved.channels_axis] : 0;
  for (int i = 0; i < request.rank; ++i) {
    const int from = resolved.first_pooled_axis + i;
    Axis& axis = problem.axes[3 - request.rank + i];
    axis.positions = input.shape[from];
    axis.in_step = axis.positions > 1 ? input.steps[from] : 0;
    if (request.adaptive) {
      resolve_adaptive(request, input, i, axis);
    } else {
      resolve_windowed(request, input, i, axis);
    }
    resolved.shape[from] = axis.windows;
  }
  check_products(request, input, resolved);
  return resolved;
}

}  // namespace poolbench::pool
