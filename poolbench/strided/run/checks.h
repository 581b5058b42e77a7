// What must hold of the arrays of a call, whoever makes it: Python's functions or those of C.
#pragma once

#include <stdexcept>
#include <string>

#include "problem/resolve.h"

namespace poolbench::pool {

// What std::invalid_argument is for values: a TypeError in Python.
struct WrongType : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What an array's elements are.
struct Elements {
  Type type{};
  bool has_type = false;  // whether `type` is one of ours; `type_name` says what it is otherwise
  std::string type_name;
};

constexpr bool has_gradients(Type type) {
  return type == Type::kF64 || type == Type::kF32 || type == Type::kF16 || type == Type::kBf16;
}

// Each throws std::invalid_argument or WrongType with a sentence that names the array.

void check_dims(const char* name, std::int64_t dims);

// Elements of which there are maxima, or averages.
void check_input_type(const Elements& input, Op op);
void check_has_gradients(Type input);

// `words`, and what follows them, say which type is wanted.
void check_type(const Elements& given, const char* name, Type wanted, const char* words, const char* more = "");

// The shape of an array that a result goes to.
void check_output_shape(const Array& given, const char* name, const Resolved& resolved, const Array& input);

// The shape of a gradient: that of `like`, which is "the output" or "the input".
void check_gradient_shape(const Array& given, const char* name, const std::int64_t* shape, const char* like,
                          const Resolved& resolved, const std::int64_t* input_shape);

// That the array may be written to: no two of its elements share a byte.
void check_apart_from_itself(const Array& array, const char* name, std::int64_t size);

// That the bytes of an array which is read can be counted.
void check_reach(const Array& array, const char* name, std::int64_t size);

}  // namespace poolbench::pool
