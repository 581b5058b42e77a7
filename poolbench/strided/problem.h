// What is pooled: the language between the Python face and the kernels. Nothing here knows of Python or of vectors.
#pragma once

#include <cstddef>
#include <cstdint>

namespace poolbench::pool {

enum class Op : std::uint8_t { kMax, kAvg };

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

// Steps are in bytes, of any sign, and need not be multiples of the element's size.

// An axis that is not pooled: batch or channels.
struct Outer {
  std::int64_t count = 1;
  std::int64_t in_step = 0;
  std::int64_t out_step = 0;
  std::int64_t index_step = 0;
};

// One pooled axis. Windowed: output o reads the positions o * stride - lo + t * dilation for t in [0, window) that lie
// in [0, in). Adaptive (window is 0): output o reads [o * in / out, ceil((o + 1) * in / out)).
struct Axis {
  std::int64_t in = 1;
  std::int64_t out = 1;
  std::int64_t window = 1;
  std::int64_t stride = 1;
  std::int64_t dilation = 1;
  std::int64_t lo = 0;
  std::int64_t hi = 0;
  std::int64_t in_step = 0;
  std::int64_t out_step = 0;
  std::int64_t index_step = 0;

  bool adaptive() const { return window == 0; }

  // The positions of output o: first, first + step, … (count of them).
  struct Taps {
    std::int64_t first;
    std::int64_t count;
  };
  Taps taps(std::int64_t o) const {
    if (adaptive()) {
      const std::int64_t first = o * in / out;
      return {first, ((o + 1) * in + out - 1) / out - first};
    }
    const std::int64_t start = o * stride - lo;
    if (dilation == 1) {  // a division takes longer than a short row
      const std::int64_t begin = start < 0 ? 0 : start;
      const std::int64_t end = start + window < in ? start + window : in;
      return begin < end ? Taps{begin, end - begin} : Taps{0, 0};
    }
    const std::int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
    const std::int64_t first = start + skipped * dilation;
    if (first >= in || skipped >= window) return {0, 0};
    const std::int64_t inside = (in - 1 - first) / dilation + 1;
    return {first, inside < window - skipped ? inside : window - skipped};
  }

  // How many positions an output reads at most.
  std::int64_t most_taps() const {
    if (!adaptive()) return window;
    const std::int64_t most = (in + out - 1) / out + 1;
    return most < in ? most : in;
  }

  // The outputs [begin, end) whose taps all lie in the input. For windowed axes.
  void inside(std::int64_t& begin, std::int64_t& end) const {
    const std::int64_t room = in - 1 - (window - 1) * dilation + lo;
    begin = (lo + stride - 1) / stride;
    if (begin > out) begin = out;
    end = room < 0 ? 0 : room / stride + 1;
    if (end > out) end = out;
    if (end < begin) end = begin;
  }

  // How many taps of output o lie in the padded input: what an average that counts padding divides by.
  std::int64_t counted(std::int64_t o) const {
    if (adaptive()) return taps(o).count;
    const std::int64_t start = o * stride - lo;
    const std::int64_t inside = (in + hi - 1 - start) / dilation + 1;
    return inside < window ? inside : window;
  }
};

// The shapes fit each other and the memory: whoever makes a Problem has checked that.
struct Problem {
  Op op = Op::kMax;
  Type type = Type::kF32;
  const char* in = nullptr;
  char* out = nullptr;
  char* indices = nullptr;        // int64 positions within the plane, or nullptr; for kMax alone
  Outer batch;
  Outer channels;
  Axis axes[3];                   // d, h, w; those that do not exist keep their defaults
  bool include_padding = true;    // for kAvg
  std::int64_t divisor = 0;       // for kAvg; 0 for the rule of include_padding
};

enum class Isa : std::uint8_t { kBaseline, kAvx2, kAvx512, kNeon };

// How to run. The defaults let the kernel choose.
struct Settings {
  int isa = -1;                   // an Isa, or -1 for the widest one that POOLBENCH_ISA and the processor allow
  const char* engine = nullptr;   // the name of an engine, or nullptr for the one that is fastest
  int threads = 1;                // at most; small problems stay on one
};

// One row of the list of kernels: dispatch, the listing in Python and the tests all read it.
struct Variant {
  const char* engine;
  Isa isa;
  Op op;
  Type type;
};

// Pools. Returns the variant that did it, as a position in the list, or -1 where the settings ask for one that is not
// there or cannot do this problem (nothing is written then). Does not throw.
int run(const Problem& problem, const Settings& settings);

int variant_count();                  // those that this processor can execute
const Variant& variant(int position);
const char* isa_name(Isa isa);        // baseline, avx2, avx512, neon
// The instruction set that is used where the settings name none. Throws std::invalid_argument where POOLBENCH_ISA
// names one that does not exist or that this processor lacks.
Isa default_isa();

}  // namespace poolbench::pool
