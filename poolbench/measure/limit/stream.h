// The streaming probe: read what a workload touches once, write its output once, as fast as the machine allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace poolbench::stream {

constexpr std::size_t kLine = 64;  // bytes of a cache line
constexpr int kMaxStreams = 8;

// A run of whole cache lines, `skip` lines behind the end of the run before it. Four bytes each, so that the list
// costs little beside the 64 bytes or more that each entry makes the probe read.
struct Run {
  std::uint16_t skip;
  std::uint16_t lines;
};

// A position in the list of runs. `left` counts the lines of the current run from `at` on; it may be 0 between runs.
struct Cursor {
  const char* at;
  const Run* next;           // the run after the current one
  std::uint32_t left;
  const char* ahead_at;      // where the runs are that a prefetching kernel asks for in advance
  const Run* ahead_next;
};

// What one thread does: `streams` cursors read `lines_each` lines each, then the last one reads `lines_extra` more,
// while `out_lines` lines are written, `rate` of them (with 32 bits of fraction) per step where runs are long, per line
// where they are short; `between_writes` counts the same.
struct Slice {
  Cursor cursors[kMaxStreams];
  std::uint64_t lines_each;
  std::uint64_t lines_extra;
  char* out;
  std::uint64_t out_lines;
  std::uint64_t rate;
  std::uint64_t between_writes;
  const Run* runs_end;
  bool single_lines;  // every run is one line long
};

// Reads and writes one slice; returns the wrapping sum of the 64-bit words that it read.
using Kernel = std::uint64_t (*)(const Slice&, std::uint64_t pattern);

struct Variant {
  const char* name;
  const char* isa;
  Kernel long_runs;
  Kernel short_runs;
  int streams;                     // how many parts of the input are read side by side
  int unroll;                      // lines that each stream reads per step
  std::uint64_t lines_per_write;   // lines read between two turns of writing
};

// The variants that this processor can execute, widest vectors first. The list is the only way to reach a kernel.
const std::vector<Variant>& variants();

// One input, the byte ranges of it that are touched, and one output, ready to be passed over again and again.
class Plan {
 public:
  // Touched are, for each of `unit_count` units that lie `unit_stride` bytes apart, the ranges
  // [offsets[i], offsets[i] + lengths[i]), rounded out to cache lines and clipped to the input. Ranges must ascend.
  // Throws std::invalid_argument where a range leaves the input, or the output is not on a line's boundary.
  Plan(const char* input, std::uint64_t input_bytes, const std::int64_t* offsets, const std::int64_t* lengths,
       std::size_t range_count, std::uint64_t unit_count, std::uint64_t unit_stride, char* out,
       std::uint64_t out_bytes);

  // Decides how `run` works. Throws std::out_of_range for an unknown variant, std::invalid_argument for threads < 1.
  void choose(std::size_t variant, int threads);

  // Reads all that is touched and writes all of the output with `pattern`; returns the wrapping sum of the 64-bit
  // words of the touched lines, where bytes outside the input count as zero.
  std::uint64_t run();

  std::uint64_t pattern = 0x0123456789abcdefULL;
  std::uint64_t touched_bytes() const { return touched_bytes_; }
  std::uint64_t out_bytes() const { return out_bytes_; }
  std::size_t run_count() const { return runs_.size(); }

 private:
  // The first or last line of an input that does not begin or end on a line's boundary: read byte by byte.
  struct Edge {
    const char* at;
    std::uint32_t bytes;
    std::uint32_t place;  // within the line
  };

  void add_lines(std::uint64_t first, std::uint64_t last);
  void flush_run(std::uint64_t first, std::uint64_t last);
  Cursor cursor_at(std::uint64_t line) const;
  static std::uint64_t run_slice(void* plan, int index);

  const char* input_;
  std::uint64_t input_bytes_;
  char* out_;
  std::uint64_t out_bytes_;
  const char* first_line_;          // the input's address rounded down to a line
  std::vector<Run> runs_;
  std::vector<Edge> edges_;
  std::uint64_t lines_ = 0;         // in runs_
  std::uint64_t touched_bytes_ = 0;
  std::uint64_t end_of_runs_ = 0;   // while building: the line behind the last run
  Kernel kernel_ = nullptr;
  std::vector<Slice> slices_;
};

}  // namespace poolbench::stream
