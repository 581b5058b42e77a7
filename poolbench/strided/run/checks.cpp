#include "run/checks.h"

#include <algorithm>

#include "run/dispatch.h"

namespace poolbench::pool {
namespace {

std::string words_for(const Elements& elements) {
  return elements.has_type ? name_of(elements.type) : elements.type_name;
}

bool has_shape(const Array& given, const std::int64_t* shape, int dims) {
  return given.dims == dims && std::equal(given.shape, given.shape + dims, shape);
}

}  // namespace

void check_dims(const char* name, std::int64_t dims) {
  if (dims <= kMostAxes) return;
  throw std::invalid_argument(std::string(name) + " has " + std::to_string(dims) + " axes: pooling takes at most " +
                              std::to_string(kMostAxes) + ", (N, C, D, H, W).");
}

void check_input_type(const Elements& input, Op op) {
  if (input.has_type && (op == Op::kMax || has_gradients(input.type))) return;
  throw WrongType("The input has elements of type " + words_for(input) +
                  (op == Op::kMax ? ": a maximum" : ": an average") + " is taken of float64, float32, float16" +
                  (op == Op::kMax ? ", bfloat16, int8, uint8, int16, int32 and int64." : " and bfloat16."));
}

void check_has_gradients(Type input) {
  if (has_gradients(input)) return;
  throw WrongType(std::string("The input has elements of type ") + name_of(input) +
                  ": there are gradients for float64, float32, float16 and bfloat16.");
}

void check_type(const Elements& given, const char* name, Type wanted, const char* words, const char* more) {
  if (given.has_type && given.type == wanted) return;
  throw WrongType(std::string(name) + " has elements of type " + words_for(given) + "; it must have " + words + more +
                  ".");
}

void check_output_shape(const Array& given, const char* name, const Resolved& resolved, const Array& input) {
  if (has_shape(given, resolved.shape, resolved.dims)) return;
  throw std::invalid_argument(std::string(name) + " has shape " + text_of(given.shape, given.dims) +
                              "; the output for an input of shape " + text_of(input.shape, input.dims) + " has " +
                              text_of(resolved.shape, resolved.dims) + ".");
}

void check_gradient_shape(const Array& given, const char* name, const std::int64_t* shape, const char* like,
                          const Resolved& resolved, const std::int64_t* input_shape) {
  if (has_shape(given, shape, resolved.dims)) return;
  throw std::invalid_argument(std::string(name) + " has shape " + text_of(given.shape, given.dims) +
                              "; it must have that of " + like + ", " + text_of(shape, resolved.dims) +
                              ": an input of shape " + text_of(input_shape, resolved.dims) +
                              " was pooled to an output of shape " + text_of(resolved.shape, resolved.dims) + ".");
}

void check_apart_from_itself(const Array& array, const char* name, std::int64_t size) {
  std::int64_t first, length;
  if (extent(array, size, &first, &length) && is_free_of_overlap(array, size)) return;
  throw std::invalid_argument(std::string(name) + " of shape " + text_of(array.shape, array.dims) + " has strides " +
                              text_of(array.steps, array.dims) +
                              ", by which its elements overlap: give one whose elements lie apart.");
}

void check_reach(const Array& array, const char* name, std::int64_t size) {
  std::int64_t first, length;
  if (extent(array, size, &first, &length)) return;
  throw std::invalid_argument(std::string(name) + "'s sizes times its strides overflow; its shape is " +
                              text_of(array.shape, array.dims) + ".");
}

}  // namespace poolbench::pool
