// Elements of several planes brought side by side, as channels are, and back: blocks turned on the way from memory to
// memory. For AVX-512 and AVX2.
#pragma once

#include "simd/turn.h"
#include "simd/values.h"

POOL_BEGIN

// kSide elements of kSide rows, of kSize bytes each: `from(i)` is where row i is read, `to(j)` where column j is written.
// `whole` turns all of them, `some` the first `width` elements of the first `rows` rows.
template <int kSize>
struct Block;

#if POOL_AVX2
// Of a vector as many rows as it has lanes. Halves of rows are put together as they are read: that leaves the shuffles
// within halves.
template <class T>
struct WideBlock {
  static constexpr int kSide = kLanes<T>, kHalf = kSide / 2;
  template <class From, class To>
  static POOL_INLINE void whole(From from, To to) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      Vec<T> a[kHalf];
#pragma GCC unroll 4
      for (int i = 0; i < kHalf; ++i) a[i] = together(from(i) + 16 * half, from(i + kHalf) + 16 * half);
      Turn<T>::quarters(a);
#pragma GCC unroll 4
      for (int i = 0; i < kHalf; ++i) store_vec<T>(to(kHalf * half + i), a[i]);
    }
  }
  template <class From, class To>
  static __attribute__((noinline)) void some(From from, To to, int rows, int width) {
    Vec<T> block[kSide];
    for (int i = 0; i < kSide; ++i) block[i] = i < rows ? isa::load_part<T>(from(i), width, Vec<T>{}) : Vec<T>{};
    Turn<T>::run(block);
    for (int i = 0; i < width; ++i) isa::store_part<T>(to(i), block[i], rows);
  }

 private:
  static POOL_INLINE Vec<T> together(const char* low, const char* high) {
    const __m256i all = _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(low)));
    return (Vec<T>)_mm256_inserti128_si256(all, _mm_loadu_si128(reinterpret_cast<const __m128i*>(high)), 1);
  }
};
template <>
struct Block<4> : WideBlock<float> {};
template <>
struct Block<8> : WideBlock<double> {};

// Of a half of a vector: halves and offsets.
template <class T>
struct NarrowBlock {
  static constexpr int kSide = 16 / static_cast<int>(sizeof(T));
  typedef T Row __attribute__((vector_size(16)));
  template <class From, class To>
  static POOL_INLINE void whole(From from, To to) {
    Row a[kSide];
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) __builtin_memcpy(&a[i], from(i), sizeof a[i]);
    turn(a, typename MakeIndices<kSide>::type{});
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) __builtin_memcpy(to(i), &a[i], sizeof a[i]);
  }
  template <class From, class To>
  static __attribute__((noinline)) void some(From from, To to, int rows, int width) {
    char block[kSide][16] = {}, turned[kSide][16];
    for (int i = 0; i < rows; ++i) std::memcpy(block[i], from(i), static_cast<std::size_t>(width) * sizeof(T));
    whole([&](int i) { return block[i]; }, [&](int i) { return turned[i]; });
    for (int i = 0; i < width; ++i) std::memcpy(to(i), turned[i], static_cast<std::size_t>(rows) * sizeof(T));
  }

 private:
  // Rows that lie half the block apart go together, lane by lane, until each has all columns of one.
  template <int... kI>
  static POOL_INLINE void turn(Row* a, Indices<kI...>) {
    Row b[kSide];
#pragma GCC unroll 4
    for (int done = 1; done < kSide; done *= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < kSide / 2; ++i) {
        b[2 * i] = __builtin_shufflevector(a[i], a[i + kSide / 2], (kI / 2 + kI % 2 * kSide)...);
        b[2 * i + 1] = __builtin_shufflevector(a[i], a[i + kSide / 2], (kSide / 2 + kI / 2 + kI % 2 * kSide)...);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kSide; ++i) a[i] = b[i];
    }
  }
};
template <>
struct Block<2> : NarrowBlock<std::uint16_t> {};
template <>
struct Block<1> : NarrowBlock<std::uint8_t> {};
#else
template <>
struct Block<4> {
  static constexpr int kSide = 16;

  // Halves of rows are put together as they are read: that leaves three of four steps of shuffles.
  template <class From, class To>
  static POOL_INLINE void whole(From from, To to) {
    using T = Turn<float>;
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      Vec<float> a[8], b[8];
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) a[i] = together(from(i) + 32 * half, from(i + 8) + 32 * half);
#pragma GCC unroll 4
      for (int i = 0; i < 8; i += 2) {
        b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
        b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
      }
#pragma GCC unroll 2
      for (int i = 0; i < 8; i += 4) {
        a[i] = T::low_pairs(b[i], b[i + 2]);
        a[i + 1] = T::high_pairs(b[i], b[i + 2]);
        a[i + 2] = T::low_pairs(b[i + 1], b[i + 3]);
        a[i + 3] = T::high_pairs(b[i + 1], b[i + 3]);
      }
#pragma GCC unroll 4
      for (int e = 0; e < 4; ++e) {
        store_vec<float>(to(8 * half + e), low_quarters(a[e], a[e + 4]));
        store_vec<float>(to(8 * half + e + 4), high_quarters(a[e], a[e + 4]));
      }
    }
  }
  template <class From, class To>
  static __attribute__((noinline)) void some(From from, To to, int rows, int width) {
    Vec<float> block[kSide];
    for (int i = 0; i < kSide; ++i) {
      block[i] = i < rows ? isa::load_part<float>(from(i), width, Vec<float>{}) : Vec<float>{};
    }
    Turn<float>::run(block);
    for (int i = 0; i < width; ++i) isa::store_part<float>(to(i), block[i], rows);
  }

 private:
  static POOL_INLINE Vec<float> together(const char* low, const char* high) {
    Floats a, b;
    __builtin_memcpy(&a, low, sizeof a);
    __builtin_memcpy(&b, high, sizeof b);
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  }
  // The first quarters of both halves of a and b, by turns; and the second ones.
  static POOL_INLINE Vec<float> low_quarters(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27);
  }
  static POOL_INLINE Vec<float> high_quarters(Vec<float> a, Vec<float> b) {
    return __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
};

template <>
struct Block<8> {
  static constexpr int kSide = 8;
  template <class From, class To>
  static POOL_INLINE void whole(From from, To to) {
    Vec<double> block[kSide];
#pragma GCC unroll 8
    for (int i = 0; i < kSide; ++i) block[i] = load_vec<double>(from(i));
    Turn<double>::run(block);
#pragma GCC unroll 8
    for (int i = 0; i < kSide; ++i) store_vec<double>(to(i), block[i]);
  }
  template <class From, class To>
  static __attribute__((noinline)) void some(From from, To to, int rows, int width) {
    Vec<double> block[kSide];
    for (int i = 0; i < kSide; ++i) {
      block[i] = i < rows ? isa::load_part<double>(from(i), width, Vec<double>{}) : Vec<double>{};
    }
    Turn<double>::run(block);
    for (int i = 0; i < width; ++i) isa::store_part<double>(to(i), block[i], rows);
  }
};

// Halves are turned as words, in which they have room.
template <>
struct Block<2> {
  static constexpr int kSide = 16;
  template <class From, class To>
  static POOL_INLINE void whole(From from, To to) {
    turn(from, to, kSide, kSide);
  }
  template <class From, class To>
  static __attribute__((noinline)) void some(From from, To to, int rows, int width) {
    turn(from, to, rows, width);
  }

 private:
  template <class From, class To>
  static POOL_INLINE void turn(From from, To to, int rows, int width) {
    const auto read = static_cast<__mmask16>((1u << width) - 1), written = static_cast<__mmask16>((1u << rows) - 1);
    Vec<float> block[kSide];
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) {
      block[i] = i < rows ? (Vec<float>)_mm512_maskz_cvtepu16_epi32(0xffff, _mm256_maskz_loadu_epi16(read, from(i)))
                          : Vec<float>{};
    }
    Turn<float>::run(block);
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) {
      if (i < width) {
        _mm256_mask_storeu_epi16(to(i), written, _mm512_maskz_cvtepi32_epi16(0xffff, (__m512i)block[i]));
      }
    }
  }
};

// Offsets.
template <>
struct Block<1> {
  static constexpr int kSide = 16;
  using Bytes = Vec<std::uint8_t>;
  template <class From, class To>
  static POOL_INLINE void whole(From from, To to) {
    Bytes a[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) a[k] = together(from(k), from(k + 4), from(k + 8), from(k + 12));
    // In quarter j, which has rows k + 4j: the bytes of four rows side by side, for four columns each.
    const __m512i low01 = low_bytes(a[0], a[1]), high01 = high_bytes(a[0], a[1]);
    const __m512i low23 = low_bytes(a[2], a[3]), high23 = high_bytes(a[2], a[3]);
    const __m512i columns[4] = {low_words(low01, low23), high_words(low01, low23), low_words(high01, high23),
                                high_words(high01, high23)};
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) {
      const __m512i four = _mm512_maskz_permutexvar_epi32(0xffff, order, columns[q]);
      store(to(4 * q), _mm512_maskz_extracti32x4_epi32(0xf, four, 0));
      store(to(4 * q + 1), _mm512_maskz_extracti32x4_epi32(0xf, four, 1));
      store(to(4 * q + 2), _mm512_maskz_extracti32x4_epi32(0xf, four, 2));
      store(to(4 * q + 3), _mm512_maskz_extracti32x4_epi32(0xf, four, 3));
    }
  }
  template <class From, class To>
  static __attribute__((noinline)) void some(From from, To to, int rows, int width) {
    alignas(16) char block[kSide][kSide] = {}, turned[kSide][kSide];
    for (int i = 0; i < rows; ++i) std::memcpy(block[i], from(i), static_cast<std::size_t>(width));
    whole([&](int i) { return block[i]; }, [&](int i) { return turned[i]; });
    for (int i = 0; i < width; ++i) std::memcpy(to(i), turned[i], static_cast<std::size_t>(rows));
  }

 private:
  static POOL_INLINE Bytes together(const char* a, const char* b, const char* c, const char* d) {
    __m512i all = _mm512_castsi128_si512(row(a));
    all = _mm512_inserti32x4(all, row(b), 1);
    all = _mm512_inserti32x4(all, row(c), 2);
    return (Bytes)_mm512_inserti32x4(all, row(d), 3);
  }
  static POOL_INLINE __m512i low_bytes(Bytes a, Bytes b) { return _mm512_unpacklo_epi8((__m512i)a, (__m512i)b); }
  static POOL_INLINE __m512i high_bytes(Bytes a, Bytes b) { return _mm512_unpackhi_epi8((__m512i)a, (__m512i)b); }
  static POOL_INLINE __m512i low_words(__m512i a, __m512i b) { return _mm512_unpacklo_epi16(a, b); }
  static POOL_INLINE __m512i high_words(__m512i a, __m512i b) { return _mm512_unpackhi_epi16(a, b); }
  static POOL_INLINE __m128i row(const char* at) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at)); }
  static POOL_INLINE void store(char* at, __m128i value) { _mm_storeu_si128(reinterpret_cast<__m128i*>(at), value); }
};

#endif

// `count` places of as many planes as a block has rows, from `offset` bytes behind each of `planes` on, to lanes that lie
// side by side at `to`; places lie `step` bytes apart there.
template <int kSize>
void turn_in(const char* const* planes, std::int64_t offset, std::int64_t count, char* to, std::int64_t step) {
  using B = Block<kSize>;
  constexpr std::int64_t kSide = B::kSide;
  if (count < kSide) {
    B::some([&](int i) { return planes[i] + offset; }, [&](int i) { return to + i * step; }, B::kSide,
            static_cast<int>(count));
    return;
  }
  for (std::int64_t x = 0;;) {
    const std::int64_t bytes = offset + x * kSize;
    char* const at = to + x * step;
    B::whole([&](int i) { return planes[i] + bytes; }, [&](int i) { return at + i * step; });
    if (x + kSide >= count) return;
    x = std::min(x + kSide, count - kSide);  // some places are turned twice
  }
}

// The way back, to the first of the planes.
template <int kSize>
void turn_out(const char* from, std::int64_t step, std::int64_t count, char* const* planes, std::int64_t offset,
              int planes_count) {
  using B = Block<kSize>;
  constexpr std::int64_t kSide = B::kSide;
  const bool all = planes_count == B::kSide && count >= kSide;
  for (std::int64_t x = 0; x < count;) {
    const char* const at = from + x * step;
    const std::int64_t bytes = offset + x * kSize;
    const auto row = [&](int i) { return at + i * step; };
    const auto plane = [&](int i) { return planes[i] + bytes; };
    if (all) {
      B::whole(row, plane);
    } else {
      B::some(row, plane, static_cast<int>(std::min(count - x, kSide)), planes_count);
    }
    x += kSide;
    if (all && x < count) x = std::min(x, count - kSide);
  }
}

POOL_END
