// What the windows along a row read, sorted by the remainder of its place over the stride. Then what neighbouring windows
// read first lies side by side, and so does what they read second.
#pragma once

#include "simd/lines.h"

POOL_BEGIN

template <class S>
struct Remainders {
  using E = Elements<S>;
  using V = typename E::Value;
  static constexpr int kN = E::kCount;

  // Puts what the windows read into `line`: for each remainder of the stride the elements that have it, side by side.
  static std::int64_t pack(const Axis& w, const char* in, std::int64_t ow0, std::int64_t n, V* line) {
    const std::int64_t s = w.stride, span = (w.window - 1) * w.dilation;
    const std::int64_t length = n + span / s, pitch = (length + kN - 1) / kN * kN + kN;
    const std::int64_t start = ow0 * s - w.lo;  // where line[0] lies
    const Vec<V> least = fill_vec<V>(least_value<V>());
    if (s == 2 && w.in_step == E::kSize) {
      pack_pairs(w, in, start, length, pitch, line);
      return pitch;
    }
    if (s == 4 && w.in_step == E::kSize && start >= 0) {
      pack_fours(w, in, start, length, pitch, line);
      return pitch;
    }
    for (std::int64_t f = 0; f < s; ++f) {
      V* to = line + f * pitch;
      // Elements start + f + i * s for i in [begin, end) lie in the input.
      const std::int64_t at = start + f;
      std::int64_t begin = at >= 0 ? 0 : (-at + s - 1) / s;
      std::int64_t end = w.positions > at ? (w.positions - at + s - 1) / s : 0;
      end = std::min(end, length);
      begin = std::min(begin, end);
      for (std::int64_t i = 0; i < begin; ++i) to[i] = least_value<V>();
      if (s == 1) {
        read_row<S>(in + (at + begin) * w.in_step, w.in_step, end - begin, to + begin);
      } else {
        for (std::int64_t i = begin; i < end; ++i) to[i] = E::get(in + (at + i * s) * w.in_step);
      }
      fill_row<V>(to, end, pitch, least);
    }
    return pitch;
  }

 private:
  // The same for stride 2 and contiguous rows: even elements and odd ones, from `start` on.
  static POOL_INLINE void pack_pairs(const Axis& w, const char* in, std::int64_t start, std::int64_t length,
                                     std::int64_t pitch, V* line) {
    V* const even = line;
    V* const odd = line + pitch;
    const std::int64_t begin = start >= 0 ? 0 : (-start + 1) / 2;  // from here on both of a pair are there
    for (std::int64_t i = 0; i < begin; ++i) even[i] = odd[i] = least_value<V>();
    if (start < 0 && start % 2 != 0) odd[begin - 1] = E::get(in);
    const std::int64_t from = start + 2 * begin;
    const std::int64_t elements = std::min(w.positions - from, 2 * (length - begin));
    std::int64_t i = begin, left = elements;
    const char* at = in + from * E::kSize;
    for (; left >= 2 * kN; i += kN, left -= 2 * kN, at += 2 * kN * E::kSize) {
      const Vec<V> a = E::load(at), b = E::load(at + kN * E::kSize);
      store_vec<V>(even + i, even_lanes<V>(a, b));
      store_vec<V>(odd + i, odd_lanes<V>(a, b));
    }
    if (left > 0) {
      const Vec<V> a = E::load_part(at, static_cast<int>(std::min<std::int64_t>(left, kN)));
      const Vec<V> b = left > kN ? E::load_part(at + kN * E::kSize, static_cast<int>(left - kN)) : Vec<V>{};
      store_vec<V>(even + i, even_lanes<V>(a, b));
      store_vec<V>(odd + i, odd_lanes<V>(a, b));
    }
    const std::int64_t pairs = std::max<std::int64_t>(elements, 0);
    fill_row<V>(even, begin + (pairs + 1) / 2, pitch, fill_vec<V>(least_value<V>()));
    fill_row<V>(odd, begin + pairs / 2, pitch, fill_vec<V>(least_value<V>()));
  }

  // The same for stride 4, where no row begins in the padding: pairs of pairs.
  static POOL_INLINE void pack_fours(const Axis& w, const char* in, std::int64_t start, std::int64_t length,
                                     std::int64_t pitch, V* line) {
    const std::int64_t elements = std::max<std::int64_t>(std::min(w.positions - start, 4 * length), 0);
    const char* at = in + start * E::kSize;
    std::int64_t i = 0;
    for (; 4 * (i + kN) <= elements; i += kN, at += 4 * kN * E::kSize) {
      const Vec<V> a = E::load(at), b = E::load(at + kN * E::kSize);
      const Vec<V> c = E::load(at + 2 * kN * E::kSize), d = E::load(at + 3 * kN * E::kSize);
      const Vec<V> even = even_lanes<V>(a, b), even_2 = even_lanes<V>(c, d);
      const Vec<V> odd = odd_lanes<V>(a, b), odd_2 = odd_lanes<V>(c, d);
      store_vec<V>(line + i, even_lanes<V>(even, even_2));
      store_vec<V>(line + pitch + i, even_lanes<V>(odd, odd_2));
      store_vec<V>(line + 2 * pitch + i, odd_lanes<V>(even, even_2));
      store_vec<V>(line + 3 * pitch + i, odd_lanes<V>(odd, odd_2));
    }
    for (std::int64_t f = 0; f < 4; ++f) {
      V* const to = line + f * pitch;
      std::int64_t x = i;
      for (; 4 * x + f < elements; ++x) to[x] = E::get(in + (start + 4 * x + f) * E::kSize);
      fill_row<V>(to, x, pitch, fill_vec<V>(least_value<V>()));
    }
  }
};

POOL_END
