// Large windows with channels innermost, one position of the output at a time.
#pragma once

#include "simd/combine.h"

POOL_BEGIN

template <class O>
struct ChannelsOfMany {
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);

  // Combines n <= kMostInner elements of each position of the window; `asks` says whether for those behind ahead of time.
  static POOL_INLINE void window(const Plan& p, const WindowRows& rows, Axis::Taps w, std::int64_t n, bool asks,
                                 ToOutput<O>& sink) {
    if constexpr (std::is_same_v<O, Avg<float>>) {
      many_floats(Positions(p, rows, w), n, asks, sink);
    } else {
      many(p, rows, w, n, asks, sink);
    }
  }

 private:
  // Large windows: a few positions at a time, added up in buffers, pairwise: levels[i] holds what 2^i of these steps
  // gave, where bit i of `steps` is set. Chains of additions stay short, and so do rounding errors. Not inlined, for the
  // sake of the loop that small windows take.
  static __attribute__((noinline)) void many(const Plan& p, WindowRows window, Axis::Taps w, std::int64_t n, bool asks,
                                             ToOutput<O> sink) {
    for (std::int64_t x = 0; x < n; x += kPart, window.first += kPart * kSize) {
      ToOutput<O> part{sink.at + x * kSize, sink.factor};
      many_of_part(Positions(p, window, w), std::min(kPart, n - x), asks, part);
    }
  }

  static constexpr std::int64_t kPart = 256;  // values of one buffer
  static constexpr int kLevels = 40;

  // The positions of a window in row-major order, one after the other.
  struct Positions {
    const WindowRows window;
    const std::int64_t first, step, count;  // along w: the first one's distance, the others' from it, and how many
    std::int64_t left;                      // how many there still are
    std::int64_t row = 0, column = 0;
    const char* at;

    POOL_INLINE Positions(const Plan& p, const WindowRows& rows, Axis::Taps w)
        : window(rows), first(w.first * p.w.in_step), step(p.w.dilation * p.w.in_step), count(w.count),
          left(rows.count() * w.count), at(rows.at(0) + first) {}
    POOL_INLINE const char* next() {
      const char* const here = at;
      at += step;
      --left;
      if (++column == count && left > 0) {
        column = 0;
        at = window.at(++row) + first;
      }
      return here;
    }
  };

  // Averages of floats: kFloats positions at a time are added up in float, a chain no longer than that of few elements,
  // and what they give in double.
  static constexpr std::int64_t kFloats = kFewElements - 1;

  struct IntoDoubles {
    double* at;
    POOL_INLINE void whole(std::int64_t x, Vec<float> sum) {
      constexpr std::int64_t kHalf = kLanes<double>;
      Vec<double> low = load_vec<double>(at + x), high = load_vec<double>(at + x + kHalf);
      add_widened(sum, low, high);
      store_vec<double>(at + x, low);
      store_vec<double>(at + x + kHalf, high);
    }
    POOL_INLINE void part(std::int64_t x, Vec<float> sum, int) { whole(x, sum); }  // there is room, and nothing is read there
  };

  static __attribute__((noinline)) void many_floats(Positions positions, std::int64_t n, bool asks, ToOutput<O>& sink) {
    alignas(64) double sums[kMostInner + kLanes<float>];
    const char* at[kFloats];
    const char* behind[kFloats];  // what comes after: asked for while the others are added up
    std::fill_n(sums, n + kLanes<float>, 0.0);
    std::int64_t listed = 0;
    while (listed < kFloats && positions.left > 0) behind[listed++] = positions.next();
    while (listed > 0) {
      const std::int64_t count = listed;
      std::memcpy(at, behind, sizeof at);
      for (listed = 0; listed < kFloats && positions.left > 0; ++listed) {
        behind[listed] = positions.next();
        for (std::int64_t x = 0; asks && x < n * kSize; x += 64) __builtin_prefetch(behind[listed] + x);
      }
      combine_rows<FloatAvg>(at, count, n, IntoDoubles{sums});
    }
    const char* all = reinterpret_cast<const char*>(sums);
    combine_rows<OnValues<O>>(&all, 1, n, sink);
  }

  static void many_of_part(Positions positions, std::int64_t n, bool asks, ToOutput<O>& sink) {
    constexpr std::int64_t kAtOnce = 16;
    alignas(64) typename O::Value levels[O::kIsMax ? 2 : kLevels][kPart];
    const char* at[kAtOnce];
    const char* behind[kAtOnce];  // what comes after: asked for while the others are added up
    std::int64_t listed = 0, steps = 0;
    while (listed < kAtOnce && positions.left > 0) behind[listed++] = positions.next();
    for (; listed > 0; ++steps) {
      const std::int64_t count = listed;
      std::memcpy(at, behind, sizeof at);
      for (listed = 0; listed < kAtOnce && positions.left > 0; ++listed) {
        behind[listed] = positions.next();
        for (std::int64_t x = 0; asks && x < n * kSize; x += 64) __builtin_prefetch(behind[listed] + x);
      }
      // A maximum may as well be taken in one chain.
      int level = 0;
      if (!O::kIsMax) {
        while ((steps >> level) & 1) ++level;
      } else if (steps > 0) {
        level = 1;
      }
      if (level == 0) {
        ToValues<O> fresh{levels[0]};
        combine_rows<O>(at, count, n, fresh);
        continue;
      }
      IntoValues<O> more{levels[0]};
      combine_rows<O>(at, count, n, more);
      if (O::kIsMax) continue;
      for (int i = 1; i < level; ++i) add(levels[i], levels[i - 1], n);
      std::memcpy(levels[level], levels[level - 1], sizeof levels[0]);
    }
    const char* sums[kLevels];
    int count = 0;
    for (int level = 0; level < (O::kIsMax ? 1 : kLevels); ++level) {
      if (O::kIsMax || ((steps >> level) & 1)) sums[count++] = reinterpret_cast<const char*>(levels[level]);
    }
    combine_rows<OnValues<O>>(sums, count, n, sink);
  }

  static void add(typename O::Value* to, const typename O::Value* more, std::int64_t n) {
    IntoValues<O> sink{to};
    const char* rows = reinterpret_cast<const char*>(more);
    combine_rows<OnValues<O>>(&rows, 1, n, sink);
  }
};

POOL_END
