// Windows of few elements with channels innermost: the vectors of a window are combined one by one where they lie, for
// all positions of a row whose windows are alike.
#pragma once

#include "simd/combine.h"
#if POOL_AVX512
#include "simd/in_order.h"
#endif

POOL_BEGIN

// What becomes of windows of few elements: the operation that combines them, and the way to the output.
template <class O>
struct FewElements {
  using Op = O;
  double divisor;
  VecFor<O> factor;

  explicit POOL_INLINE FewElements(double number) { divide_by(number); }
  POOL_INLINE void divide_by(double number) {
    divisor = number;
    factor = fill_vec<typename O::Value>(static_cast<typename O::Value>(1 / number));
  }
  POOL_INLINE ToOutput<O> to(char* out) const { return {out, factor}; }
};

#if POOL_AVX512
template <>
struct FewElements<FloatAvg> {
  using Op = FloatSums;
  double divisor;
  Divider<float> divider;

  explicit POOL_INLINE FewElements(double number) : divisor(number), divider(number) {}
  POOL_INLINE void divide_by(double number) {
    if (number == divisor) return;
    divisor = number;
    divider = Divider<float>(number);
  }
  POOL_INLINE ToAverages to(char* out) const { return {out, divider}; }
};
#endif

template <class O>
struct ChannelsOfFew {
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kTogether = 64;       // positions at once
  static constexpr std::int64_t kWritten = 16 << 10;  // bytes of output that are gathered before they are streamed
  // Inputs from so many bytes on are asked for ahead of time. On processors without AVX-512, whose caches are smaller, it
  // pays earlier where a position takes many lines.
  static std::int64_t asked_from(const Plan& p) {
    return kBytes == 32 && p.inner * kSize >= 512 ? kAskedBytes : kStreamedBytes;
  }

  // Whether outputs go around the caches: they are so many that they would only push the input out.
  static bool streams(const Plan& p) {
    return kStreams && has_few_elements(p) && p.inner <= kMostInner && p.w.out_step == p.inner * kSize &&
           plane_count(p) * p.h.windows * p.w.windows * p.w.out_step >= kStreamedBytes;
  }

  // Row `oh` of the outputs: n elements of each position.
  static void row(const Plan& p, const char* in, char* out, std::int64_t od, std::int64_t oh, std::int64_t n) {
    using Op = typename FewElements<O>::Op;
    using Numbers = typename OfNumbers<Op>::Op;
    if (row<Numbers>(p, in, out, od, oh, n)) return;
    if constexpr (!std::is_same_v<Op, Numbers>) row<Op>(p, in, out, od, oh, n);
  }

 private:
  // Whether outputs of a row lie behind each other, and so do the elements of their windows.
  static bool is_one_piece(const Plan& p) {
    return p.w.stride == 1 && p.w.in_step == p.inner * kSize && p.w.out_step == p.inner * kSize;
  }

  // Returns whether the outputs are right: not where `Op` takes no NaN, and one was there.
  template <class Op>
  static bool row(const Plan& p, const char* in, char* out, std::int64_t od, std::int64_t oh, std::int64_t n) {
    const WindowRows window(p, in, p.d.taps(od), p.h.taps(oh));
    double row_divisor = divisor_of(p);
    if (p.counts_d) row_divisor *= static_cast<double>(p.counted(p.d, od));
    if (p.counts_h) row_divisor *= static_cast<double>(p.counted(p.h, oh));
    FewElements<O> finish(row_divisor);
    DoubtOf<Op> doubt;
    Few few;
    window.list(few.rows);
    few.count = window.count();
    few.step = p.w.dilation * p.w.in_step;
    alignas(kBytes) char written[kWritten];
    char* const begin = streams(p) ? written : out;
    char* to = begin;
    // Windows within the row are alike: several at once, as one where they and their outputs lie behind each other.
    const bool shares = O::kIsMax && few.count == 3 && p.w.window == 3 && p.w.stride == 1;
    const bool is_one = n == p.inner && is_one_piece(p) && !shares;
    const bool asks = input_bytes(p, kSize) >= asked_from(p);
    Ahead ahead(asks);
    const std::int64_t apart = std::max(n * kSize, p.w.stride * std::abs(p.w.in_step));  // bytes from one to the next
    const std::int64_t together = asks || is_one || begin == written ? positions_together(apart) : kTogether;
    std::int64_t inside_begin, inside_end, done;
    p.w.inside(inside_begin, inside_end);
    for (std::int64_t ow = 0; ow < p.w.windows; ow += done, to += done * p.w.out_step) {
      const Axis::Taps w = p.w.taps(ow);
      const bool is_alike = few.count > 0 && ow >= inside_begin && ow < inside_end;
      done = is_alike ? std::min(together, inside_end - ow) : 1;
      if (begin == written && to - begin + done * n * kSize > kWritten) {
        stream_out(begin, out, to - begin);
        out += to - begin;
        to = begin;
      }
      if (p.counts_w) finish.divide_by(row_divisor * static_cast<double>(p.counted(p.w, ow)));
      few.first = w.first * p.w.in_step;
      few.taps = w.count;
      if (few.count > 0) ahead.come_to(few.rows[few.count - 1] + few.first);
      if (few.count == 0 || few.taps == 0) {
        const auto factor = static_cast<typename O::Value>(1 / finish.divisor);
        combine_nothing<O>(n, ToOutput<O>{to, fill_vec<typename O::Value>(factor)});
      } else if (is_one) {
        combine_few<Op>(few, 1, 0, 0, done * n, finish, to, doubt);
      } else {
        combine_few<Op>(few, done, p.w.stride * p.w.in_step, p.w.out_step, n, finish, to, doubt);
      }
    }
    if (begin == written) stream_out(begin, out, to - begin);
    return doubt.is_sure();
  }

  // The windows of some positions: the rows of each, where the first position's taps begin in them, and how many there are.
  struct Few {
    const char* rows[kFewElements];
    std::int64_t count, taps, step, first;
  };

  // Not inlined, as combine_rows.
  template <class Op>
  static __attribute__((noinline)) void combine_few(const Few& few, std::int64_t positions, std::int64_t in_step,
                                                    std::int64_t out_step, std::int64_t n,
                                                    const FewElements<O>& finish, char* to, DoubtOf<Op>& doubt) {
    if (few.count == 3 && few.taps == 3) {
      if (O::kIsMax && positions > 1 && in_step == few.step) {
        combine_shared<Op>(few, positions, out_step, n, finish, to, doubt);
      } else {
        combine_few<Op, 3, 3>(few, positions, in_step, out_step, n, finish, to, doubt);
      }
      return;
    }
    switch (few.count * 8 + few.taps) {
      case 8 + 1: return combine_few<Op, 1, 1>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 8 + 2: return combine_few<Op, 1, 2>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 8 + 3: return combine_few<Op, 1, 3>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 8 + 4: return combine_few<Op, 1, 4>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 16 + 2: return combine_few<Op, 2, 2>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 16 + 3: return combine_few<Op, 2, 3>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 24 + 2: return combine_few<Op, 3, 2>(few, positions, in_step, out_step, n, finish, to, doubt);
      case 32 + 2: return combine_few<Op, 4, 2>(few, positions, in_step, out_step, n, finish, to, doubt);
      default: return combine_few<Op, 0, 0>(few, positions, in_step, out_step, n, finish, to, doubt);
    }
  }

  template <class Op, int kRows, int kTaps>
  static POOL_INLINE void combine_few(const Few& few, std::int64_t positions, std::int64_t in_step,
                                      std::int64_t out_step, std::int64_t n, const FewElements<O>& finish, char* to,
                                      DoubtOf<Op>& all_doubt) {
    DoubtOf<Op> doubt = all_doubt;
    std::int64_t at = few.first;
    for (; positions > 0; --positions, at += in_step, to += out_step) {
      auto sink = finish.to(to);
      const std::int64_t head = elements_to_vector(few.rows[0] + at, kSize, Op::kCount, n);
      std::int64_t x = 0;
      if (head > 0) {
        sink.whole(0, window<Op, kRows, kTaps>(few, at, doubt, WholeVectors{}));
        x = head;
      }
      // Where loops are not unrolled, two vectors side by side, so that one need not wait for the other.
      for (; kRows == 0 && x + 2 * Op::kCount <= n; x += 2 * Op::kCount) two<Op>(few, at + x * kSize, x, sink, doubt);
      for (; x + Op::kCount <= n; x += Op::kCount) {
        sink.whole(x, window<Op, kRows, kTaps>(few, at + x * kSize, doubt, WholeVectors{}));
      }
      if (x < n) {
        const auto rest = static_cast<int>(n - x);
        sink.part(x, window<Op, kRows, kTaps>(few, at + x * kSize, doubt, PartVectors{rest}), rest);
      }
    }
    all_doubt = doubt;
  }

  // Windows of three by three whose stride along w is 1: each column is combined once.
  static constexpr int kShared = 4;  // vectors at once
  template <class Op>
  static POOL_INLINE void combine_shared(const Few& few, std::int64_t positions, std::int64_t out_step, std::int64_t n,
                                         const FewElements<O>& finish, char* to, DoubtOf<Op>& all_doubt) {
    DoubtOf<Op> doubt = all_doubt;
    std::int64_t x = 0;
    for (; x + kShared * Op::kCount <= n; x += kShared * Op::kCount) {
      shared<Op, kShared>(few, positions, out_step, x, finish, to, doubt, WholeVectors{});
    }
    for (; x + Op::kCount <= n; x += Op::kCount) {
      shared<Op, 1>(few, positions, out_step, x, finish, to, doubt, WholeVectors{});
    }
    if (x < n) {
      shared<Op, 1>(few, positions, out_step, x, finish, to, doubt, PartVectors{static_cast<int>(n - x)});
    }
    all_doubt = doubt;
  }
  template <class Op, int kVectors, class Loads>
  static POOL_INLINE void shared(const Few& few, std::int64_t positions, std::int64_t out_step, std::int64_t x,
                                 const FewElements<O>& finish, char* to, DoubtOf<Op>& doubt, Loads loads) {
    using Values = Vec<typename Op::Value>;
    std::int64_t at = few.first + x * kSize;
    const auto column = [&](Values* all) __attribute__((always_inline)) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        Values fresh[3];
#pragma GCC unroll 3
        for (int i = 0; i < 3; ++i) {
          fresh[i] = loads.template load<Op>(few.rows[i] + at + v * Op::kCount * kSize);
          all[v] = i == 0 ? fresh[0] : Op::combine(all[v], fresh[i]);
        }
        doubt.template see<3>(fresh);
      }
      at += few.step;
    };
    Values columns[3][kVectors];
    column(columns[0]);
    column(columns[1]);
    for (; positions > 0; --positions, to += out_step) {
      auto sink = finish.to(to);
      column(columns[2]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        const Values all = Op::combine(Op::combine(columns[0][v], columns[1][v]), columns[2][v]);
        loads.template store<Op>(sink, x + v * Op::kCount, all);
        columns[0][v] = columns[1][v];
        columns[1][v] = columns[2][v];
      }
    }
  }

  struct WholeVectors {
    template <class Op>
    POOL_INLINE Vec<typename Op::Value> load(const char* at) const {
      return Op::load(at);
    }
    template <class Op, class Sink>
    POOL_INLINE void store(Sink& sink, std::int64_t x, Vec<typename Op::Value> value) const {
      sink.whole(x, value);
    }
  };
  struct PartVectors {
    int lanes;
    template <class Op>
    POOL_INLINE Vec<typename Op::Value> load(const char* at) const {
      return Op::load_part(at, lanes);
    }
    template <class Op, class Sink>
    POOL_INLINE void store(Sink& sink, std::int64_t x, Vec<typename Op::Value> value) const {
      sink.part(x, value, lanes);
    }
  };

  template <class Op, class Sink>
  static POOL_INLINE void two(const Few& few, std::int64_t at, std::int64_t x, Sink& sink, DoubtOf<Op>& doubt) {
    constexpr std::int64_t kVector = Op::kCount * kSize;
    using Values = Vec<typename Op::Value>;
    Values all[2] = {Op::load(few.rows[0] + at), Op::load(few.rows[0] + at + kVector)};
    doubt.template see<2>(all);
    for (std::int64_t i = 0; i < few.count; ++i) {
      for (std::int64_t k = i == 0 ? 1 : 0; k < few.taps; ++k) {
        const char* const own = few.rows[i] + at + k * few.step;
        const Values fresh[2] = {Op::load(own), Op::load(own + kVector)};
        all[0] = Op::combine(all[0], fresh[0]);
        all[1] = Op::combine(all[1], fresh[1]);
        doubt.template see<2>(fresh);
      }
    }
    sink.whole(x, all[0]);
    sink.whole(x + Op::kCount, all[1]);
  }

  // A vector of the elements of each window, one after the other.
  template <class Op, int kRows, int kTaps, class Loads>
  static POOL_INLINE Vec<typename Op::Value> window(const Few& few, std::int64_t at, DoubtOf<Op>& doubt, Loads loads) {
    const std::int64_t rows = kRows > 0 ? kRows : few.count, taps = kTaps > 0 ? kTaps : few.taps;
    Vec<typename Op::Value> all = loads.template load<Op>(few.rows[0] + at);
    if constexpr (kRows > 0 && kTaps > 0) {
      Vec<typename Op::Value> fresh[kRows * kTaps];
      fresh[0] = all;
#pragma GCC unroll 9
      for (int i = 1; i < kRows * kTaps; ++i) {
        fresh[i] = loads.template load<Op>(few.rows[i / kTaps] + at + i % kTaps * few.step);
        all = Op::combine(all, fresh[i]);
      }
      doubt.template see<kRows * kTaps>(fresh);
    } else {
      doubt.see(all);
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t k = i == 0 ? 1 : 0; k < taps; ++k) {
          const Vec<typename Op::Value> fresh = loads.template load<Op>(few.rows[i] + at + k * few.step);
          all = Op::combine(all, fresh);
          doubt.see(fresh);
        }
      }
    }
    return all;
  }
};

POOL_END
