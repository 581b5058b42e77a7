// The passes for one instruction set. Included once per instruction set inside a namespace of its own, which defines
// `Vec`: type, kPerLine, zero, fill, load, add, store, store_around_cache, sum. No include guard, on purpose.
//
// One pass reads several parts of the input side by side (the hardware prefetcher follows each of them within its
// page, so more of them keep more of the memory busy) and lets reading and writing take turns in small portions.

enum class Store { kPlain, kAhead, kAroundCache };  // kAhead: ask for the ownership of a line before it is written

constexpr int kSums = 8;             // independent accumulators: more than the latency of an addition can fill
constexpr int kWriteAhead = 16;      // lines
constexpr int kLongest = 64;         // lines of a run that are worth asking for in advance

struct Sums {
  Vec::type value[kSums];
};

static inline __attribute__((always_inline)) void read_line(const char* at, int position, Sums& sums) {
#pragma GCC unroll 8
  for (int part = 0; part < Vec::kPerLine; ++part) {
    auto& sum = sums.value[(position * Vec::kPerLine + part) % kSums];
    sum = Vec::add(sum, Vec::load(at + part * (kLine / Vec::kPerLine)));
  }
}

template <Store kStore>
static inline __attribute__((always_inline)) char* write_lines(char* out, const char* end, Vec::type pattern) {
  for (; out < end; out += kLine) {
    if constexpr (kStore == Store::kAhead) __builtin_prefetch(out + kWriteAhead * kLine, 1, 3);
#pragma GCC unroll 8
    for (int part = 0; part < Vec::kPerLine; ++part) {
      char* at = out + part * (kLine / Vec::kPerLine);
      if constexpr (kStore == Store::kAroundCache) {
        Vec::store_around_cache(at, pattern);
      } else {
        Vec::store(at, pattern);
      }
    }
  }
  return out;
}

// Moves a cursor that has used up its run to the next one, and asks for a run further on.
template <bool kAsk>
static inline __attribute__((always_inline)) void next_run(Cursor& cursor, const Slice& slice) {
  cursor.at += cursor.next->skip * kLine;
  cursor.left = cursor.next->lines;
  ++cursor.next;
  if constexpr (kAsk) {
    if (slice.long_runs || cursor.ahead_next == slice.runs_end) return;
    cursor.ahead_at += cursor.ahead_next->skip * kLine;
    const int lines = cursor.ahead_next->lines;
    for (int line = 0; line < (lines < kLongest ? lines : kLongest); ++line) {
      __builtin_prefetch(cursor.ahead_at + line * kLine, 0, 3);
    }
    cursor.ahead_at += lines * kLine;
    ++cursor.ahead_next;
  }
}

// Reads `lines` lines from one cursor, across the ends of runs.
template <bool kAsk>
static inline __attribute__((always_inline)) void read_across(Cursor& cursor, std::uint64_t lines, const Slice& slice, Sums& sums) {
  while (lines > 0) {
    if (cursor.left == 0) next_run<kAsk>(cursor, slice);
    std::uint64_t now = lines < cursor.left ? lines : cursor.left;
    lines -= now;
    cursor.left -= static_cast<std::uint32_t>(now);
    for (; now > 0; --now, cursor.at += kLine) read_line(cursor.at, 0, sums);
  }
}

// Reads `steps` times `kUnroll` lines from each cursor; none of them reaches the end of its run. With kAhead it asks
// for lines that far ahead.
template <int kStreams, int kUnroll, int kAhead>
static inline __attribute__((always_inline)) void read_steps(Cursor* cursors, std::uint64_t steps, Sums& sums) {
  const char* at[kStreams];  // in registers, where the cursors themselves are not
#pragma GCC unroll 8
  for (int i = 0; i < kStreams; ++i) at[i] = cursors[i].at;
  for (std::uint64_t step = 0; step < steps; ++step) {
#pragma GCC unroll 8
    for (int i = 0; i < kStreams; ++i) {
#pragma GCC unroll 16
      for (int line = 0; line < kUnroll; ++line) {
        if constexpr (kAhead > 0) __builtin_prefetch(at[i] + (line + kAhead) * kLine, 0, 3);
        read_line(at[i] + line * kLine, i * kUnroll + line, sums);
      }
      at[i] += kUnroll * kLine;
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kStreams; ++i) {
    cursors[i].at = at[i];
    cursors[i].left -= static_cast<std::uint32_t>(steps * kUnroll);
  }
}

// kAhead: the distance, in lines, at which long runs are asked for in advance; 0 for never.
template <int kStreams, int kUnroll, int kAhead, Store kStore>
static std::uint64_t pass(const Slice& slice, std::uint64_t pattern) {
  Cursor cursors[kStreams];
  Sums sums;
  for (int i = 0; i < kStreams; ++i) cursors[i] = slice.cursors[i];
  for (int i = 0; i < kSums; ++i) sums.value[i] = Vec::zero();
  const Vec::type value = Vec::fill(pattern);
  char* out = slice.out;
  const std::uint64_t steps = slice.lines_each / kUnroll;
  std::uint64_t done = 0;
  std::uint64_t next_write = slice.steps_between_writes < steps ? slice.steps_between_writes : steps;

  while (done < steps) {
    std::uint64_t free = next_write - done;  // steps in which no cursor reaches the end of its run
#pragma GCC unroll 8
    for (int i = 0; i < kStreams; ++i) {
      if (cursors[i].left == 0) next_run<(kAhead > 0)>(cursors[i], slice);
      const std::uint64_t own = cursors[i].left / kUnroll;
      free = own < free ? own : free;
    }
    if (free == 0) {
      for (int i = 0; i < kStreams; ++i) read_across<(kAhead > 0)>(cursors[i], kUnroll, slice, sums);
      ++done;
    } else {
      if (kAhead > 0 && slice.long_runs) {
        read_steps<kStreams, kUnroll, kAhead>(cursors, free, sums);
      } else {
        read_steps<kStreams, kUnroll, 0>(cursors, free, sums);
      }
      done += free;
    }
    if (done == next_write) {
      out = write_lines<kStore>(out, slice.out + (done * slice.rate >> 32) * kLine, value);
      next_write += slice.steps_between_writes;
      next_write = next_write < steps ? next_write : steps;
    }
  }

  const std::uint64_t rest = slice.lines_each % kUnroll;
  for (int i = 0; i < kStreams; ++i) read_across<(kAhead > 0)>(cursors[i], rest, slice, sums);
  read_across<(kAhead > 0)>(cursors[kStreams - 1], slice.lines_extra, slice, sums);
  write_lines<kStore>(out, slice.out + slice.out_lines * kLine, value);
  if constexpr (kStore == Store::kAroundCache) Vec::fence();
  for (int i = 1; i < kSums; ++i) sums.value[0] = Vec::add(sums.value[0], sums.value[i]);
  return Vec::sum(sums.value[0]);
}
