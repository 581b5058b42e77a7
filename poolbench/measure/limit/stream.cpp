#include "stream.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "run/thread_pool.h"

namespace poolbench::stream {
namespace {

constexpr std::uint64_t kMostLines = 65528;  // in one Run; a multiple of every unroll, so that steps stay whole
constexpr std::uint64_t kMostSkip = std::numeric_limits<std::uint16_t>::max();
constexpr std::uint64_t kLongRun = 128;      // lines, on average; asking ahead by distance then seldom leaves the run
constexpr std::uint64_t kLinesAhead = 32;

std::uint64_t sum_of_edge(const char* at, std::uint32_t bytes, std::uint32_t place) {
  char line[kLine] = {};
  std::memcpy(line + place, at, bytes);
  std::uint64_t words[kLine / 8];
  std::memcpy(words, line, kLine);
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words) sum += word;
  return sum;
}

}  // namespace

Plan::Plan(const char* input, std::uint64_t input_bytes, const std::int64_t* offsets, const std::int64_t* lengths,
           std::size_t range_count, std::uint64_t unit_count, std::uint64_t unit_stride, char* out,
           std::uint64_t out_bytes)
    : input_(input), input_bytes_(input_bytes), out_(out), out_bytes_(out_bytes) {
  if (reinterpret_cast<std::uintptr_t>(out) % kLine != 0) {
    throw std::invalid_argument("The output must begin on a multiple of 64 bytes.");
  }
  if (range_count == 0 || unit_count == 0) throw std::invalid_argument("Nothing is touched: give at least one range.");
  const std::uint64_t place = reinterpret_cast<std::uintptr_t>(input) % kLine;
  first_line_ = input - place;
  std::uint64_t last_end = 0;
  std::uint64_t first = 0, last = 0;  // lines [first, last) that are merged so far
  for (std::uint64_t unit = 0; unit < unit_count; ++unit) {
    for (std::size_t i = 0; i < range_count; ++i) {
      if (offsets[i] < 0 || lengths[i] <= 0) throw std::invalid_argument("A range is negative or empty.");
      const std::uint64_t begin = unit * unit_stride + static_cast<std::uint64_t>(offsets[i]);
      const std::uint64_t end = begin + static_cast<std::uint64_t>(lengths[i]);
      if (end > input_bytes) throw std::invalid_argument("A range ends behind the input.");
      if (begin < last_end) throw std::invalid_argument("The ranges must ascend and must not overlap.");
      last_end = end;
      const std::uint64_t begin_line = (place + begin) / kLine;
      const std::uint64_t end_line = (place + end + kLine - 1) / kLine;
      if (begin_line <= last) {  // overlaps or adjoins; also the very first range, if it begins in line 0
        last = std::max(last, end_line);
      } else {
        add_lines(first, last);
        first = begin_line;
        last = end_line;
      }
    }
  }
  add_lines(first, last);
  runs_.shrink_to_fit();
  choose(0, 1);
}

// Takes the lines [first, last), counted from first_line_, and sets the input's incomplete lines apart.
void Plan::add_lines(std::uint64_t first, std::uint64_t last) {
  if (first == last) return;
  const std::uint64_t place = static_cast<std::uint64_t>(input_ - first_line_);
  const std::uint64_t end = place + input_bytes_;
  touched_bytes_ += std::min(last * kLine, end) - std::max(first * kLine, place);
  if (first == 0 && (place > 0 || end < kLine)) {
    edges_.push_back({input_, static_cast<std::uint32_t>(std::min(kLine - place, input_bytes_)),
                      static_cast<std::uint32_t>(place)});
    ++first;
  }
  if (first < last && last * kLine > end) {
    --last;
    edges_.push_back({first_line_ + last * kLine, static_cast<std::uint32_t>(end - last * kLine), 0});
  }
  if (first < last) flush_run(first, last);
}

void Plan::flush_run(std::uint64_t first, std::uint64_t last) {
  std::uint64_t skip = first - end_of_runs_;
  lines_ += last - first;
  end_of_runs_ = last;
  for (; skip > kMostSkip; skip -= kMostSkip) runs_.push_back({static_cast<std::uint16_t>(kMostSkip), 0});
  for (; first < last; skip = 0) {
    const std::uint64_t lines = std::min(last - first, kMostLines);
    runs_.push_back({static_cast<std::uint16_t>(skip), static_cast<std::uint16_t>(lines)});
    first += lines;
  }
}

Cursor Plan::cursor_at(std::uint64_t line) const {
  Cursor cursor{first_line_, runs_.data(), 0, nullptr, nullptr};
  const Run* const end = runs_.data() + runs_.size();
  for (; cursor.next != end; ++cursor.next) {
    cursor.at += cursor.next->skip * kLine;
    if (line < cursor.next->lines) {
      cursor.left = static_cast<std::uint32_t>(cursor.next->lines - line);
      cursor.at += line * kLine;
      ++cursor.next;
      break;
    }
    line -= cursor.next->lines;
    cursor.at += cursor.next->lines * kLine;
  }
  // Start asking for runs at least kLinesAhead lines from here.
  cursor.ahead_next = cursor.next;
  cursor.ahead_at = cursor.at + cursor.left * kLine;
  for (std::uint64_t seen = cursor.left; seen < kLinesAhead && cursor.ahead_next != end; ++cursor.ahead_next) {
    seen += cursor.ahead_next->lines;
    cursor.ahead_at += (cursor.ahead_next->skip + cursor.ahead_next->lines) * kLine;
  }
  return cursor;
}

void Plan::choose(std::size_t variant, int threads) {
  const Variant& chosen = variants().at(variant);
  if (threads < 1) throw std::invalid_argument("At least one thread is needed.");
  const auto parts = static_cast<std::uint64_t>(threads);
  const auto streams = static_cast<std::uint64_t>(chosen.streams);
  const std::uint64_t out_lines = out_bytes_ / kLine;
  const bool long_runs = lines_ >= kLongRun * runs_.size();
  const bool single_lines = std::all_of(runs_.begin(), runs_.end(), [](Run run) { return run.lines == 1; });
  kernel_ = long_runs ? chosen.long_runs : chosen.short_runs;
  slices_.assign(parts, Slice{});
  for (std::uint64_t part = 0; part < parts; ++part) {
    Slice& slice = slices_[part];
    const std::uint64_t begin = lines_ * part / parts;
    const std::uint64_t count = lines_ * (part + 1) / parts - begin;
    const std::uint64_t out_begin = out_lines * part / parts;
    slice.lines_each = count / streams;
    slice.lines_extra = count % streams;
    for (std::uint64_t i = 0; i < streams; ++i) slice.cursors[i] = cursor_at(begin + i * slice.lines_each);
    slice.out = out_ + out_begin * kLine;
    slice.out_lines = out_lines * (part + 1) / parts - out_begin;
    const std::uint64_t lines_per_turn = long_runs ? streams * static_cast<std::uint64_t>(chosen.unroll) : 1;
    const std::uint64_t turns = long_runs ? slice.lines_each / static_cast<std::uint64_t>(chosen.unroll) : count;
    slice.rate = turns == 0 ? 0 : (slice.out_lines << 32) / turns;
    slice.between_writes = std::max<std::uint64_t>(1, chosen.lines_per_write / lines_per_turn);
    slice.runs_end = runs_.data() + runs_.size();
    slice.single_lines = single_lines;
  }
}

std::uint64_t Plan::run_slice(void* plan, int index) {
  const Plan& self = *static_cast<Plan*>(plan);
  return self.kernel_(self.slices_[static_cast<std::size_t>(index)], self.pattern);
}

std::uint64_t Plan::run() {
  std::uint64_t sum = run_in_parallel(&Plan::run_slice, this, static_cast<int>(slices_.size()));
  for (const Edge& edge : edges_) sum += sum_of_edge(edge.at, edge.bytes, edge.place);
  char* const tail = out_ + out_bytes_ / kLine * kLine;
  for (std::uint64_t i = 0; i < out_bytes_ % kLine; ++i) tail[i] = reinterpret_cast<const char*>(&pattern)[i % 8];
  return sum;
}

}  // namespace poolbench::stream
