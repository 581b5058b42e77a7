// Combining rows element by element: the part that all engines share.
#pragma once

#include "simd/avg.h"
#include "simd/numbers.h"
#include "simd/row_sink.h"

POOL_BEGIN

constexpr int kMostRows = 64;  // rows of the input that are combined at once
constexpr std::int64_t kMostInner = 1024;  // elements of one position that are, where the channels lie innermost

template <class O>
using VecFor = Vec<typename O::Value>;

// Combines `count` rows of n stored elements and hands each vector to `sink(position, vector, lanes)`.
template <class O, int kRows, class Sink>
POOL_INLINE void combine_fixed(const char* const* rows, std::int64_t n, Sink& sink) {
  constexpr std::int64_t kSize = sizeof(typename O::Stored);
  std::int64_t x = 0;
  for (; x + O::kCount <= n; x += O::kCount) {
    VecFor<O> acc = O::load(rows[0] + x * kSize);
#pragma GCC unroll 16
    for (int i = 1; i < kRows; ++i) acc = O::combine(acc, O::load(rows[i] + x * kSize));
    sink.whole(x, acc);
  }
  if (x < n) {
    const int rest = static_cast<int>(n - x);
    VecFor<O> acc = O::load_part(rows[0] + x * kSize, rest);
#pragma GCC unroll 16
    for (int i = 1; i < kRows; ++i) acc = O::combine(acc, O::load_part(rows[i] + x * kSize, rest));
    sink.part(x, acc, rest);
  }
}

// Floats to be added up in double: eight rows at a time are added up in float, a chain no longer than that of few elements,
// so that an eighth as much is widened.
template <class Sink>
POOL_INLINE std::int64_t combine_floats(const char* const* rows, std::int64_t count, std::int64_t n, Sink& sink) {
  constexpr std::int64_t kLanesOfFloats = kLanes<float>, kAtOnce = 8;
  std::int64_t x = 0;
  for (; x + kLanesOfFloats <= n; x += kLanesOfFloats) {
    Vec<double> low{}, high{};
    for (std::int64_t first = 0; first < count; first += kAtOnce) {
      const char* const* some = rows + first;
      const std::int64_t now = std::min(count - first, kAtOnce);
      Vec<float> a = load_vec<float>(some[0] + x * 4), b = {};
      std::int64_t i = 1;
      if (now > 1) b = load_vec<float>(some[i++] + x * 4);
      for (; i + 2 <= now; i += 2) {
        a += load_vec<float>(some[i] + x * 4);
        b += load_vec<float>(some[i + 1] + x * 4);
      }
      if (i < now) a += load_vec<float>(some[i] + x * 4);
      add_widened(a + b, low, high);
    }
    sink.whole(x, low);
    sink.whole(x + kLanes<double>, high);
  }
  return x;
}

template <class O, class Sink>
POOL_INLINE void combine_any(const char* const* rows, std::int64_t count, std::int64_t n, Sink& sink) {
  constexpr std::int64_t kSize = sizeof(typename O::Stored);
  std::int64_t x = 0;
  if constexpr (std::is_same_v<O, Avg<float>>) x = combine_floats(rows, count, n, sink);
  // Two vectors side by side, so that one need not wait for the other's sum.
  for (; x + 2 * O::kCount <= n; x += 2 * O::kCount) {
    VecFor<O> a = O::load(rows[0] + x * kSize), b = O::load(rows[0] + (x + O::kCount) * kSize);
    for (std::int64_t i = 1; i < count; ++i) {
      a = O::combine(a, O::load(rows[i] + x * kSize));
      b = O::combine(b, O::load(rows[i] + (x + O::kCount) * kSize));
    }
    sink.whole(x, a);
    sink.whole(x + O::kCount, b);
  }
  for (; x < n; x += O::kCount) {
    const int rest = static_cast<int>(std::min<std::int64_t>(n - x, O::kCount));
    VecFor<O> acc = O::load_part(rows[0] + x * kSize, rest);
    for (std::int64_t i = 1; i < count; ++i) acc = O::combine(acc, O::load_part(rows[i] + x * kSize, rest));
    sink.part(x, acc, rest);
  }
}

// Not inlined: the engines call it from many places, each time for a row at least.
template <class O, class Sink>
__attribute__((noinline)) void combine_rows(const char* const* rows, std::int64_t count, std::int64_t n, Sink sink) {
  switch (count) {
    case 1: combine_fixed<O, 1>(rows, n, sink); break;
    case 2: combine_fixed<O, 2>(rows, n, sink); break;
    case 3: combine_fixed<O, 3>(rows, n, sink); break;
    default: combine_any<O>(rows, count, n, sink);
  }
}

// Hands on what a window gives that reads nothing, such as an average of padding alone. Not inlined: it is rare, and
// the loops around it need their registers.
template <class O, class Sink>
__attribute__((noinline)) void combine_nothing(std::int64_t n, Sink sink) {
  for (std::int64_t x = 0; x < n; x += O::kCount) {
    sink.part(x, O::neutral(), static_cast<int>(std::min<std::int64_t>(n - x, O::kCount)));
  }
}

// The input rows that a window reads: those along h, for each one along d.
struct WindowRows {
  const char* first;
  std::int64_t deep, high;              // how many along d and along h
  std::int64_t deep_step, high_step;    // bytes from one to the next

  POOL_INLINE WindowRows(const Plan& p, const char* in, Axis::Taps d, Axis::Taps h)
      : first(in + d.first * p.d.in_step + h.first * p.h.in_step), deep(d.count), high(h.count),
        deep_step(p.d.dilation * p.d.in_step), high_step(p.h.dilation * p.h.in_step) {}

  POOL_INLINE std::int64_t count() const { return deep * high; }
  POOL_INLINE const char* at(std::int64_t i) const { return first + i / high * deep_step + i % high * high_step; }

  POOL_INLINE void list(const char** rows) const {
    const char* at = first;
    for (std::int64_t i = 0; i < deep; ++i, at += deep_step) {
      for (std::int64_t j = 0; j < high; ++j) *rows++ = at + j * high_step;
    }
  }
  // The rows [from, from + some).
  POOL_INLINE void list(const char** rows, std::int64_t from, std::int64_t some) const {
    for (std::int64_t i = 0; i < some; ++i) rows[i] = at(from + i);
  }
};

// Windows whose elements are combined one by one, in their order.
constexpr std::int64_t kFewElements = 9;

static inline bool has_few_elements(const Plan& p) {
  return !p.d.adaptive() && !p.h.adaptive() && !p.w.adaptive() &&
         p.d.window * p.h.window * p.w.window <= kFewElements;
}

// Whether an average's chain of additions, along w and then over the rows, is no longer than that of few elements: then
// floats are added up as floats.
static inline bool has_short_sums(const Plan& p) {
  return p.w.most_taps() + p.d.most_taps() * p.h.most_taps() <= kFewElements + 1;
}

// Which sums a kernel takes in float.
template <template <class> class K>
struct ShortSums {
  static bool has(const Plan& p) { return has_short_sums(p); }
};

// What the windows of a plan divide by, but for the axes whose outputs count differently.
static inline double divisor_of(const Plan& p) { return std::nearbyint(1 / p.scale); }

// Keeps values, in memory that has room for whole vectors.
template <class O>
struct ToValues {
  typename O::Value* at;
  POOL_INLINE void whole(std::int64_t x, VecFor<O> value) { store_vec<typename O::Value>(at + x, value); }
  POOL_INLINE void part(std::int64_t x, VecFor<O> value, int rest) {
    isa::store_part<typename O::Value>(at + x, value, rest);
  }
};

// Combines `times` groups of rows, each `in_step` bytes behind the one before it, into rows of values. `first` and
// `last` have come to the first and the last of a group.
template <class O, int kRows>
static void combine_times(const char* const* rows, std::int64_t count, std::int64_t n, std::int64_t times,
                          std::int64_t in_step, typename O::Value* to, std::int64_t to_step, Ahead& first,
                          Ahead& last) {
  constexpr int kMost = kRows > 0 ? kRows : 16;
  const char* at[kMost];
  for (int i = 0; i < count; ++i) at[i] = rows[i];
  for (; times > 0; --times, to += to_step) {
    ToValues<O> sink{to};
    first.come_to(at[0]);
    last.come_to(at[count - 1]);
    if constexpr (kRows > 0) {
      combine_fixed<O, kRows>(at, n, sink);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) at[i] += in_step;
    } else {
      combine_any<O>(at, count, n, sink);
      for (int i = 0; i < count; ++i) at[i] += in_step;
    }
  }
}

// Adds to values that are there already.
template <class O>
struct IntoValues {
  typename O::Value* at;
  POOL_INLINE void whole(std::int64_t x, VecFor<O> value) {
    store_vec<typename O::Value>(at + x, O::combine(load_vec<typename O::Value>(at + x), value));
  }
  POOL_INLINE void part(std::int64_t x, VecFor<O> value, int rest) {
    const VecFor<O> known = isa::load_part<typename O::Value>(at + x, rest, O::neutral());
    isa::store_part<typename O::Value>(at + x, O::combine(known, value), rest);
  }
};

// Writes the output.
template <class O>
struct ToOutput {
  char* at;
  VecFor<O> factor;
  POOL_INLINE void whole(std::int64_t x, VecFor<O> value) {
    O::store(at + x * static_cast<std::int64_t>(sizeof(typename O::Stored)), value, factor);
  }
  POOL_INLINE void part(std::int64_t x, VecFor<O> value, int rest) {
    O::store_part(at + x * static_cast<std::int64_t>(sizeof(typename O::Stored)), value, factor, rest);
  }
};

#if POOL_AVX512
// Combines the lanes of `mask`; the others stay.
template <class Op>
POOL_INLINE VecFor<Op> combine_lanes(VecFor<Op> known, std::uint64_t mask, VecFor<Op> fresh) {
  using Value = typename Op::Value;
  if constexpr (std::is_same_v<Op, MaxOfNumbers<float>>) {
    return (VecFor<Op>)_mm512_mask_max_ps((__m512)known, static_cast<__mmask16>(mask), (__m512)fresh, (__m512)known);
  } else if constexpr (std::is_same_v<Op, MaxOfNumbers<double>>) {
    return (VecFor<Op>)_mm512_mask_max_pd((__m512d)known, static_cast<__mmask8>(mask), (__m512d)fresh, (__m512d)known);
  } else if constexpr (!Op::kIsMax && std::is_same_v<Value, float>) {
    return (VecFor<Op>)_mm512_mask_add_ps((__m512)known, static_cast<__mmask16>(mask), (__m512)known, (__m512)fresh);
  } else if constexpr (!Op::kIsMax) {
    return (VecFor<Op>)_mm512_mask_add_pd((__m512d)known, static_cast<__mmask8>(mask), (__m512d)known, (__m512d)fresh);
  } else {
    return Op::combine(known, (VecFor<Op>)Masked<sizeof(Value)>::blend(mask, (__m512i)Op::neutral(), (__m512i)fresh));
  }
}
#endif

// The same operation on values instead of stored elements.
template <class O>
struct OnValues {
  using Stored = typename O::Value;
  using Value = typename O::Value;
  static constexpr int kCount = O::kCount;
  static constexpr bool kIsMax = O::kIsMax;
  static POOL_INLINE Vec<Value> neutral() { return O::neutral(); }
  static POOL_INLINE Vec<Value> load(const char* at) { return load_vec<Value>(at); }
  static POOL_INLINE Vec<Value> load_part(const char* at, int n) {
    return isa::load_part<Value>(at, n, O::neutral());
  }
  static POOL_INLINE Vec<Value> combine(Vec<Value> known, Vec<Value> fresh) { return O::combine(known, fresh); }
};

POOL_END
