// What is pooled: the language between the Python face and the kernels. Nothing here knows of Python or of vectors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace poolbench::pool {

enum class Op : std::uint8_t { kMax, kAvg };

// What is read and written. `in` is what a pass reads and `out` what it writes, whichever way the data goes.
enum class Pass : std::uint8_t {
  kPool,      // reads an element for each position, writes one for each window
  kKeep,      // the same for maxima, and writes where in its window each of them was found
  kGradient,  // reads the gradient of each window's output (and where its maximum was), writes that of each position
};
constexpr int kPasses = 3;

enum class Type : std::uint8_t { kF64, kF32, kF16, kBf16, kI8, kU8, kI16, kI32, kI64 };
constexpr int kTypes = 9;

constexpr std::int64_t size_of(Type type) {
  switch (type) {
    case Type::kF64: case Type::kI64: return 8;
    case Type::kF32: case Type::kI32: return 4;
    case Type::kF16: case Type::kBf16: case Type::kI16: return 2;
    default: return 1;
  }
}

// Steps are in bytes, of any sign, and need not be multiples of the element's size. An in_step leads on in what the pass
// reads, an out_step in what it writes, and an offset_step in the offsets, of which there is one for each window.

// An axis that is not pooled: batch or channels.
struct Outer {
  std::int64_t count = 1;
  std::int64_t in_step = 0;
  std::int64_t out_step = 0;
  std::int64_t offset_step = 0;
};

// One pooled axis: its positions, and the windows over them. Windowed: window o reads the positions
// o * stride - lo + t * dilation for t in [0, window) that lie in [0, positions). Adaptive (window is 0): window o reads
// [o * positions / windows, ceil((o + 1) * positions / windows)).
struct Axis {
  std::int64_t positions = 1;
  std::int64_t windows = 1;
  std::int64_t window = 1;  // elements of one
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t lo = 0;
  std::int64_t hi = 0;
  std::int64_t in_step = 0;
  std::int64_t out_step = 0;
  std::int64_t offset_step = 0;

  bool adaptive() const { return window == 0; }

  // The positions of output o: first, first + step, … (count of them).
  struct Taps {
    std::int64_t first;
    std::int64_t count;
  };
  Taps taps(std::int64_t o) const {
    if (adaptive()) {
      const std::int64_t first = o * positions / windows;
      return {first, ((o + 1) * positions + windows - 1) / windows - first};
    }
    const std::int64_t start = o * stride - lo;
    if (dilation == 1) {  // a division takes longer than a short row
      const std::int64_t begin = start < 0 ? 0 : start;
      const std::int64_t end = start + window < positions ? start + window : positions;
      return begin < end ? Taps{begin, end - begin} : Taps{0, 0};
    }
    const std::int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const std::int64_t first = start + skipped * dilation;
    if (first >= positions || skipped >= window) return {0, 0};
    const std::int64_t inside = (positions - 1 - first) / dilation + 1;
    return {first, inside < window - skipped ? inside : window - skipped};
  }

  // How many positions an output reads at most.
  std::int64_t most_taps() const {
    if (!adaptive()) return window;
    const std::int64_t most = (positions + windows - 1) / windows + 1;
    return most < positions ? most : positions;
  }

  // The outputs [begin, end) whose taps all lie in the input. For windowed axes.
  void inside(std::int64_t& begin, std::int64_t& end) const {
    const std::int64_t room = positions - 1 - (window - 1) * dilation + lo;
    begin = (lo + stride - 1) / stride;
    if (begin > windows) begin = windows;
    end = room < 0 ? 0 : room / stride + 1;
    if (end > windows) end = windows;
    if (end < begin) end = begin;
  }

  // How many taps of output o lie in the padded input: what an average that counts padding divides by.
  std::int64_t counted(std::int64_t o) const {
    if (adaptive()) return taps(o).count;
    const std::int64_t start = o * stride - lo;
    const std::int64_t inside = (positions + hi - 1 - start) / dilation + 1;
    return inside < window ? inside : window;
  }
};

// The shapes fit each other and the memory: whoever makes a Problem has checked that.
//
// An offset says which element of its window a maximum was: padding counted, in row-major order, (kd * window_h + kh) *
// window_w + kw, where the windows of an adaptive pooling count as the largest of them.
struct Problem {
  Pass pass = Pass::kPool;
  Op op = Op::kMax;
  Type type = Type::kF32;
  const char* in = nullptr;
  char* out = nullptr;
  char* offsets = nullptr;      // written by kKeep, read by kGradient of a maximum
  int offset_size = 1;          // in bytes: 1, 2, 4 or 8
  Outer batch;
  Outer channels;
  Axis axes[3];                 // d, h, w; those that do not exist keep their defaults
  bool include_padding = true;  // for kAvg
  std::int64_t divisor = 0;     // for kAvg; 0 for the rule of include_padding
};

enum class Isa : std::uint8_t { kBaseline, kAvx2, kAvx512, kNeon };

}  // namespace poolbench::pool
