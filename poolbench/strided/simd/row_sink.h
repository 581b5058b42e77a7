// How rows are read and written where an array is larger than the caches.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

constexpr std::int64_t kAskedBytes = std::int64_t{2} << 20;     // arrays from here on are asked for ahead of time
constexpr std::int64_t kStreamedBytes = std::int64_t{8} << 20;  // arrays from here on may be written around the caches
constexpr std::int64_t kMemoryBytes = std::int64_t{32} << 20;   // from here on no cache holds an array

// How many positions of `bytes` bytes are worth doing at once where their windows are alike: what is done between two
// questions whether to ask for memory, since many requests at once are more than the caches take.
static inline std::int64_t positions_together(std::int64_t bytes) { return std::max<std::int64_t>(2048 / bytes, 1); }

// How many elements of `size` bytes lie between `at` and where the next whole vector of `lanes` of them would begin, or 0
// where no element begins there, or where n are too few for it to matter. A vector that crosses the end of a cache line
// takes two accesses: so what is read several times is read from here on, after one vector at the beginning, which
// overlaps with those behind it.
static POOL_INLINE std::int64_t elements_to_vector(const char* at, std::int64_t size, std::int64_t lanes,
                                                   std::int64_t n) {
  const std::uintptr_t vector = static_cast<std::uintptr_t>(lanes * size);
  const std::int64_t bytes = static_cast<std::int64_t>(-reinterpret_cast<std::uintptr_t>(at) & (vector - 1));
  return n * size >= 512 && bytes % size == 0 ? bytes / size : 0;
}

// Where vectors of kLanes elements begin: kVectors of them behind each other, or two anywhere.
template <int kVectors, int kLanes>
struct Consecutive {
  static constexpr int kCount = kVectors;
  std::int64_t first;
  POOL_INLINE std::int64_t at(int v) const { return first + v * kLanes; }
};
struct Pair {
  static constexpr int kCount = 2;
  std::int64_t first, second;
  POOL_INLINE std::int64_t at(int v) const { return v == 0 ? first : second; }
};

// What is left of n elements where vectors of kLanes have done those in [head, end), and less than four are missing
// behind: the first and the last of the vectors that do the rest overlap with others if need be.
template <int kLanes>
struct Edges {
  int count = 0;
  std::int64_t at[5];

  POOL_INLINE Edges(std::int64_t n, std::int64_t head, std::int64_t end) {
    if (head > 0) at[count++] = 0;
    for (; end + kLanes <= n; end += kLanes) at[count++] = end;
    if (end < n) at[count++] = n - kLanes;
  }
};

// Asks for memory some way ahead of where it is read or written: processors foresee streams of whole pages, but few of
// those that a pooling works on by turns.
class Ahead {
 public:
  explicit Ahead(bool asks) : asks_(asks) {}
  // `at` is where the work has come to. Asks for what lies as far ahead of it as some hundred nanoseconds take.
  POOL_INLINE void come_to(const char* at) {
    if (!asks_) return;
    const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(at) + kAhead;
    if (end - asked_ + kAhead > kAhead + kMost) asked_ = end;  // the work is somewhere else
    for (; asked_ < end; asked_ += 64) __builtin_prefetch(reinterpret_cast<const void*>(asked_));
  }

 private:
  static constexpr std::uintptr_t kAhead = 4096;
  static constexpr std::uintptr_t kMost = 4096;  // asked for at once
  const bool asks_;
  std::uintptr_t asked_ = 0;
};

// Where contiguous rows are written, one behind the other for the most part. What a large array has there is asked for
// ahead of time. Or rows are gathered in scratch memory and go from there to memory as whole cache lines, which then
// need not be read first: that pays where little is computed for each, since the processor waits for such stores.
class RowSink {
 public:
  // `bytes` are those of the whole array, 0 where its rows are not contiguous.
  RowSink(std::int64_t bytes, bool may_stream)
      : streams_(kStreams && may_stream && bytes >= kStreamedBytes), ahead_(!streams_ && bytes >= kAskedBytes) {}
  RowSink(const RowSink&) = delete;
  RowSink& operator=(const RowSink&) = delete;
  ~RowSink() {
    if (!streams_) return;
    finish();
    finish_streams();
  }

  // Where to write the `bytes` bytes that belong at `to`, all of them, before more is asked for.
  POOL_INLINE char* at(char* to, std::int64_t bytes) {
    ahead_.come_to(to + bytes);
    return streams_ ? gathered(to, bytes) : to;
  }

 private:
  static constexpr std::int64_t kLine = 64;
  static constexpr std::int64_t kRoom = (32 << 10) + 2 * kLine;
  // What was written last is not read yet: it might not have arrived.
  static constexpr std::int64_t kBehind = 1024;
  static constexpr std::int64_t kAtOnce = 512;

  char* gathered(char* to, std::int64_t bytes) {
    if (to != begin_ + held_ || bytes > room()) {
      finish();
      begin(to);
      if (bytes > room()) {
        begin_ = nullptr;
        return to;
      }
    } else if (held_ - sent_ >= kBehind + kAtOnce) {
      send(((skipped_ + held_ - kBehind) & -kLine) - skipped_);
    }
    char* const here = scratch() + held_;
    held_ += bytes;
    return here;
  }

  // What begins in the middle of a line does so in scratch memory too, so that vectors are read as they are written.
  void begin(char* to) {
    begin_ = to;
    skipped_ = reinterpret_cast<std::intptr_t>(to) & (kLine - 1);
    held_ = sent_ = 0;
  }
  char* scratch() { return scratch_ + skipped_; }
  std::int64_t room() const { return kRoom - skipped_ - held_; }

  void send(std::int64_t end) {
    stream_out(scratch() + sent_, begin_ + sent_, end - sent_);
    sent_ = end;
  }
  void finish() {
    if (held_ > sent_) send(held_);
  }

  const bool streams_;
  Ahead ahead_;
  char* begin_ = nullptr;     // where what is held belongs
  std::int64_t held_ = 0;     // bytes
  std::int64_t sent_ = 0;     // of them, gone to memory already
  std::int64_t skipped_ = 0;  // of the first line
  alignas(kLine) char scratch_[kRoom];
};

POOL_END
