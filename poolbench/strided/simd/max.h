// The maximum as an operation on vectors: how elements are loaded, combined and stored.
//
// An operation, this one or the average of avg.h, computes with `Value`, kCount of them at a time, on elements stored as
// `Stored`.
#pragma once

#include "simd/vec.h"

POOL_BEGIN

// Half types are compared as integers of the same order. Flipping the lower bits of negative numbers makes the order of
// their bits that of their values, with NaN at either end; subtracting kNegativeNans turns those of the lower end over
// to the upper one, so that every NaN is larger than infinity and minus infinity is the least of all.
template <class T>
struct HalfOrder;
template <>
struct HalfOrder<F16> {
  static constexpr std::uint16_t kNegativeNans = 0x03ff;
};
template <>
struct HalfOrder<Bf16> {
  static constexpr std::uint16_t kNegativeNans = 0x007f;
};

template <class S>
struct Max {
  using Stored = S;
  using Value = S;
  static constexpr int kCount = kLanes<Value>;
  static constexpr bool kIsMax = true;

  static constexpr Value least() {
    if constexpr (std::numeric_limits<S>::has_infinity) return -std::numeric_limits<S>::infinity();
    return std::numeric_limits<S>::lowest();
  }
  static POOL_INLINE Vec<Value> neutral() { return fill_vec<Value>(least()); }
  static POOL_INLINE Vec<Value> load(const char* at) { return load_vec<S>(at); }
  static POOL_INLINE Vec<Value> load_part(const char* at, int n) { return isa::load_part<S>(at, n, neutral()); }
#if POOL_AVX512
  static POOL_INLINE Vec<Value> load_masked(const char* at, std::uint64_t mask) {
    return (Vec<Value>)Masked<sizeof(S)>::load_lanes(at, mask, (__m512i)neutral());
  }
  // The same with whatever it may be in the other lanes.
  static POOL_INLINE Vec<Value> load_some(const char* at, std::uint64_t mask) {
    return (Vec<Value>)Masked<sizeof(S)>::load_lanes(at, mask);
  }
  static POOL_INLINE void store_masked(char* at, Vec<Value> value, Vec<Value>, std::uint64_t mask) {
    Masked<sizeof(S)>::store_lanes(at, mask, (__m512i)value);
  }
#endif
  static POOL_INLINE Vec<Value> combine(Vec<Value> known, Vec<Value> fresh) { return larger<S>(known, fresh); }
  static POOL_INLINE void store(char* at, Vec<Value> value, Vec<Value>) { store_vec<S>(at, value); }
  static POOL_INLINE void store_part(char* at, Vec<Value> value, Vec<Value>, int n) {
    isa::store_part<S>(at, value, n);
  }
  static POOL_INLINE Value one(Value known, Value fresh) { return known > fresh || known != known ? known : fresh; }
  static POOL_INLINE Value load_one(const char* at) {
    S value;
    __builtin_memcpy(&value, at, sizeof value);
    return value;
  }
  static POOL_INLINE void store_one(char* at, Value value, Value) { __builtin_memcpy(at, &value, sizeof value); }
};

template <class S>
struct HalfMax {
  using Stored = S;
  using Value = std::int16_t;
  using Bits = Vec<std::uint16_t>;
  static constexpr int kCount = kLanes<Value>;
  static constexpr bool kIsMax = true;

  static POOL_INLINE Vec<Value> to_order(Vec<Value> bits) {
    const Bits flipped = (Bits)bits ^ ((Bits)(bits >> 15) & std::uint16_t{0x7fff});
    return (Vec<Value>)(flipped - HalfOrder<S>::kNegativeNans);
  }
  static POOL_INLINE Vec<Value> from_order(Vec<Value> order) {
    const Vec<Value> flipped = (Vec<Value>)((Bits)order + HalfOrder<S>::kNegativeNans);
    return (Vec<Value>)((Bits)flipped ^ ((Bits)(flipped >> 15) & std::uint16_t{0x7fff}));
  }
  static constexpr Value least() { return -32768; }
  static POOL_INLINE Vec<Value> neutral() { return fill_vec<Value>(least()); }
  static POOL_INLINE Vec<Value> load(const char* at) { return to_order(load_vec<Value>(at)); }
  static POOL_INLINE Vec<Value> load_part(const char* at, int n) {
    return to_order(isa::load_part<Value>(at, n, from_order(neutral())));
  }
#if POOL_AVX512
  static POOL_INLINE Vec<Value> load_masked(const char* at, std::uint64_t mask) {
    return to_order((Vec<Value>)Masked<2>::load_lanes(at, mask, (__m512i)from_order(neutral())));
  }
  static POOL_INLINE Vec<Value> load_some(const char* at, std::uint64_t mask) {
    return to_order((Vec<Value>)Masked<2>::load_lanes(at, mask));
  }
  static POOL_INLINE void store_masked(char* at, Vec<Value> value, Vec<Value>, std::uint64_t mask) {
    Masked<2>::store_lanes(at, mask, (__m512i)from_order(value));
  }
#endif
  static POOL_INLINE Vec<Value> combine(Vec<Value> known, Vec<Value> fresh) { return known > fresh ? known : fresh; }
  static POOL_INLINE void store(char* at, Vec<Value> value, Vec<Value>) { store_vec<Value>(at, from_order(value)); }
  static POOL_INLINE void store_part(char* at, Vec<Value> value, Vec<Value>, int n) {
    isa::store_part<Value>(at, from_order(value), n);
  }
  static POOL_INLINE Value one(Value known, Value fresh) { return known > fresh ? known : fresh; }
  static POOL_INLINE Value load_one(const char* at) {
    std::uint16_t bits;
    __builtin_memcpy(&bits, at, sizeof bits);
    if (bits & 0x8000) bits ^= 0x7fff;
    return static_cast<Value>(static_cast<std::uint16_t>(bits - HalfOrder<S>::kNegativeNans));
  }
  static POOL_INLINE void store_one(char* at, Value value, Value) {
    std::uint16_t bits = static_cast<std::uint16_t>(static_cast<std::uint16_t>(value) + HalfOrder<S>::kNegativeNans);
    if (bits & 0x8000) bits ^= 0x7fff;
    __builtin_memcpy(at, &bits, sizeof bits);
  }
};
template <>
struct Max<F16> : HalfMax<F16> {};
template <>
struct Max<Bf16> : HalfMax<Bf16> {};

POOL_END
