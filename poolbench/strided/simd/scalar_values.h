// How the kernels that take one element at a time read and write it: the half types as floats, the others as they are.
#pragma once

#include <cstring>

#include "simd/convert.h"

namespace poolbench::pool {

template <class T>
inline T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
struct Values {  // what elements are compared and summed as
  using type = T;
  static T get(const char* at) { return load<T>(at); }
  static void put(char* at, T value) { std::memcpy(at, &value, sizeof value); }
};

template <class T>
struct HalfValues {
  using type = float;
  static float get(const char* at) { return to_float(load<T>(at)); }
  static void put(char* at, float value) {
    T narrow;
    from_float(value, narrow);
    std::memcpy(at, &narrow, sizeof narrow);
  }
};

template <> struct Values<F16> : HalfValues<F16> {};
template <> struct Values<Bf16> : HalfValues<Bf16> {};

}  // namespace poolbench::pool
