// The passes for one instruction set. Included once per instruction set inside a namespace of its own, which defines
// `Vec`: type, kPerLine, zero, fill, load, add, store, store_around_cache, sum. No include guard, on purpose.
//
// A pass reads several parts of the input side by side (the hardware prefetcher follows each of them within its
// page, so more of them keep more of the memory busy) and lets reading and writing take turns in small portions.

enum class Store { kPlain, kAhead, kAroundCache };  // kAhead: ask for the ownership of a line before it is written

constexpr int kSums = 8;             // independent accumulators: more than the latency of an addition can fill
constexpr int kWriteAhead = 16;      // lines
constexpr std::uint64_t kTurn = 32;  // single lines read between two turns of writing
constexpr int kMostAsked = 64;       // lines of a run that are asked for in advance: more would not stay in the cache

struct Sums {
  Vec::type value[kSums];

  Vec::type all() const {
    Vec::type sum = value[0];
    for (int i = 1; i < kSums; ++i) sum = Vec::add(sum, value[i]);
    return sum;
  }
};

// Moves a cursor that has used up its run to the next one.
static inline __attribute__((always_inline)) void next_run(Cursor& cursor) {
  cursor.at += cursor.next->skip * kLine;
  cursor.left = cursor.next->lines;
  ++cursor.next;
}

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

// Reads `lines` lines from one cursor, across the ends of runs.
static inline __attribute__((always_inline)) void read_across(Cursor& cursor, std::uint64_t lines, Sums& sums) {
  while (lines > 0) {
    if (cursor.left == 0) next_run(cursor);
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

// For long runs. kAhead: the distance, in lines, at which lines are asked for in advance; 0 for never.
template <int kStreams, int kUnroll, int kAhead, Store kStore>
static std::uint64_t pass_long(const Slice& slice, std::uint64_t pattern) {
  Cursor cursors[kStreams];
  Sums sums;
  for (int i = 0; i < kStreams; ++i) cursors[i] = slice.cursors[i];
  for (int i = 0; i < kSums; ++i) sums.value[i] = Vec::zero();
  const Vec::type value = Vec::fill(pattern);
  char* out = slice.out;
  const std::uint64_t steps = slice.lines_each / kUnroll;
  std::uint64_t done = 0;
  std::uint64_t next_write = slice.between_writes < steps ? slice.between_writes : steps;

  while (done < steps) {
    std::uint64_t free = next_write - done;  // steps in which no cursor reaches the end of its run
#pragma GCC unroll 8
    for (int i = 0; i < kStreams; ++i) {
      if (cursors[i].left == 0) next_run(cursors[i]);
      const std::uint64_t own = cursors[i].left / kUnroll;
      free = own < free ? own : free;
    }
    if (free == 0) {
      for (int i = 0; i < kStreams; ++i) read_across(cursors[i], kUnroll, sums);
      ++done;
    } else {
      read_steps<kStreams, kUnroll, kAhead>(cursors, free, sums);
      done += free;
    }
    if (done == next_write) {
      out = write_lines<kStore>(out, slice.out + (done * slice.rate >> 32) * kLine, value);
      next_write += slice.between_writes < steps - done ? slice.between_writes : steps - done;
    }
  }

  for (int i = 0; i < kStreams; ++i) read_across(cursors[i], slice.lines_each % kUnroll, sums);
  read_across(cursors[kStreams - 1], slice.lines_extra, sums);
  write_lines<kStore>(out, slice.out + slice.out_lines * kLine, value);
  if constexpr (kStore == Store::kAroundCache) Vec::fence();
  return Vec::sum(sums.all());
}

// Reads the rest of a cursor's run, or `most` lines if that is less; returns how many.
template <bool kAsk>
static inline __attribute__((always_inline)) std::uint64_t read_run(Cursor& cursor, std::uint64_t most,
                                                                    const Run* end, Sums& sums) {
  if (cursor.left == 0) {
    next_run(cursor);
    if (kAsk && cursor.ahead_next != end) {
      cursor.ahead_at += cursor.ahead_next->skip * kLine;
      const int lines = cursor.ahead_next->lines;
      for (int line = 0; line < (lines < kMostAsked ? lines : kMostAsked); ++line) {
        __builtin_prefetch(cursor.ahead_at + line * kLine, 0, 3);
      }
      cursor.ahead_at += lines * kLine;
      ++cursor.ahead_next;
    }
  }
  const std::uint64_t now = most < cursor.left ? most : cursor.left;
  const char* at = cursor.at;
  std::uint64_t lines = now;
  for (; lines >= 4; lines -= 4, at += 4 * kLine) {
#pragma GCC unroll 4
    for (int line = 0; line < 4; ++line) read_line(at + line * kLine, line, sums);
  }
  for (; lines > 0; --lines, at += kLine) read_line(at, 4, sums);
  cursor.at = at;
  cursor.left -= static_cast<std::uint32_t>(now);
  return now;
}

// Reads `count` runs of a single line each, where a loop per run would cost more than the line.
static inline __attribute__((always_inline)) void read_single_lines(Cursor& cursor, std::uint64_t count, Sums& sums) {
  const char* at = cursor.at;
  const Run* next = cursor.next;
  for (; count >= 8; count -= 8, next += 8) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      at += next[i].skip * kLine;
      read_line(at, i, sums);
      at += kLine;
    }
  }
  cursor.at = at;
  cursor.next = next;
  read_across(cursor, count, sums);
}

// For short runs: each stream reads a whole run at a time. With kAsk, runs further on are asked for in advance.
template <int kStreams, bool kAsk, Store kStore>
static std::uint64_t pass_short(const Slice& slice, std::uint64_t pattern) {
  Cursor cursors[kStreams];
  std::uint64_t left[kStreams];
  Sums sums;
  for (int i = 0; i < kStreams; ++i) {
    cursors[i] = slice.cursors[i];
    left[i] = slice.lines_each;
  }
  left[kStreams - 1] += slice.lines_extra;
  for (int i = 0; i < kSums; ++i) sums.value[i] = Vec::zero();
  const Vec::type value = Vec::fill(pattern);
  char* out = slice.out;
  std::uint64_t done = 0;
  std::uint64_t next_write = slice.between_writes;

  if (kStreams == 1 && slice.single_lines && left[0] > 0) {
    for (left[0] -= 1, read_across(cursors[0], 1, sums), done = 1; left[0] > 0;) {
      const std::uint64_t now = left[0] < kTurn ? left[0] : kTurn;
      read_single_lines(cursors[0], now, sums);
      left[0] -= now;
      done += now;
      out = write_lines<kStore>(out, slice.out + (done * slice.rate >> 32) * kLine, value);
    }
  }
  for (bool all = slice.lines_each > 0 && left[0] > 0; all;) {
#pragma GCC unroll 8
    for (int i = 0; i < kStreams; ++i) {
      const std::uint64_t now = read_run<kAsk>(cursors[i], left[i], slice.runs_end, sums);
      left[i] -= now;
      done += now;
      all = all && left[i] > 0;
    }
    if (done >= next_write) {
      out = write_lines<kStore>(out, slice.out + (done * slice.rate >> 32) * kLine, value);
      next_write = done + slice.between_writes;
    }
  }
  for (int i = 0; i < kStreams; ++i) read_across(cursors[i], left[i], sums);
  write_lines<kStore>(out, slice.out + slice.out_lines * kLine, value);
  if constexpr (kStore == Store::kAroundCache) Vec::fence();
  return Vec::sum(sums.all());
}

// Both passes of one variant: which of them runs depends on what is read.
template <int kStreams, int kUnroll, int kAhead, Store kStore>
static Variant variant(const char* name, const char* isa, std::uint64_t lines_per_write) {
  return {name, isa, pass_long<kStreams, kUnroll, kAhead, kStore>, pass_short<kStreams, (kAhead > 0), kStore>,
          kStreams, kUnroll, lines_per_write};
}
