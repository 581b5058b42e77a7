// The functions of include/poolbench/pooling.h: the same way from arguments to a kernel that Python's take.
#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <optional>

#include "c/given.h"
#include "problem/bind.h"
#include "run/indexed.h"

using namespace poolbench::pool;

namespace {

std::int32_t tell(poolbench_error* error, std::int32_t code, const char* sentence) noexcept {
  if (error != nullptr) {
    const std::size_t length = std::min(std::strlen(sentence), sizeof error->message - 1);
    std::memcpy(error->message, sentence, length);
    error->message[length] = '\0';
  }
  return code;
}

template <class Body>
std::int32_t answer(poolbench_error* error, Body body) noexcept {
  try {
    body();
    return POOLBENCH_OK;
  } catch (const WrongType& wrong) {
    return tell(error, POOLBENCH_WRONG_TYPE, wrong.what());
  } catch (const std::invalid_argument& wrong) {
    return tell(error, POOLBENCH_WRONG_VALUE, wrong.what());
  } catch (const std::bad_alloc&) {
    return tell(error, POOLBENCH_NO_MEMORY, "There is not enough memory.");
  } catch (const std::exception& wrong) {
    return tell(error, POOLBENCH_INTERNAL_ERROR, wrong.what());
  }
}

std::int32_t number_of(Type type) { return 1 + static_cast<std::int32_t>(type); }

// The type of ours that has so many bytes as an offset takes.
Type type_for_offsets(const Problem& problem) {
  const int size = offset_size_for(window_elements(problem));
  return size == 1 ? Type::kU8 : size == 2 ? Type::kI16 : size == 4 ? Type::kI32 : Type::kI64;
}

// An array of the output's shape that is written to.
Given written(const poolbench_array* given, const char* name, Type type, const char* words, const Resolved& resolved,
              const Given& input) {
  Given array(given, name);
  check_type(array, name, type, words);
  check_output_shape(array.array, name, resolved, input.array);
  array.check_memory();
  check_apart_from_itself(array);
  return array;
}

// What is kept for a gradient.
void check_kept(const Given& kept, Type type, const Resolved& resolved, const Array& input) {
  check_type(kept, kept.name, type, name_of(type), ", as poolbench_describe() says");
  check_output_shape(kept.array, kept.name, resolved, input);
  kept.check_memory();
}

void run_checked(const Problem& problem, const Settings& settings, const Indices* indices) {
  if (run_and_index(problem, settings, indices) < 0) {
    throw std::runtime_error("No kernel took this pooling: this is a mistake in poolbench.");
  }
}

void pool(const poolbench_pooling* pooling, const poolbench_array* input_given, const poolbench_array* output_given,
          const poolbench_array* indices_given, const poolbench_array* kept_given, std::int32_t threads) {
  const Request request = request_of(pooling);
  const Settings settings = settings_of(threads);
  const Given input(input_given, "input");
  check_input_type(input, request.op);
  input.check_memory();
  if (request.op == Op::kAvg && (indices_given != nullptr || kept_given != nullptr)) {
    fail(std::string(indices_given != nullptr ? "indices" : "kept") + " is given for an average, which has none: pass "
         "NULL.");
  }
  if (kept_given != nullptr) check_has_gradients(input.type);
  Resolved resolved = resolve(request, input.array, input.type);
  const Given output = written(output_given, "output", input.type, "the input's", resolved, input);
  check_apart(output, input);
  bind_output(resolved, output.array.data, output.array.steps);

  std::optional<Given> indices, kept;
  Indices places;
  if (indices_given != nullptr) {
    indices.emplace(written(indices_given, "indices", Type::kI64, "int64", resolved, input));
    check_apart(*indices, input);
    check_apart(*indices, output);
    places = indices_at(resolved, indices->array.data, indices->array.steps);
  }
  std::unique_ptr<char[]> scratch;
  if (kept_given != nullptr) {
    const Type type = type_for_offsets(resolved.problem);
    kept.emplace(kept_given, "kept");
    check_kept(*kept, type, resolved, input.array);
    check_apart_from_itself(*kept);
    check_apart(*kept, input);
    check_apart(*kept, output);
    if (indices) check_apart(*kept, *indices);
    bind_offsets(resolved, kept->array.data, static_cast<int>(size_of(type)), kept->array.steps);
  } else if (indices) {
    const std::int64_t size = size_of(type_for_offsets(resolved.problem));
    scratch.reset(new char[static_cast<std::size_t>(resolved.elements * size)]);  // not cleared
    std::int64_t steps[kMostAxes];
    choose_steps(resolved, input.array, size, steps);
    bind_offsets(resolved, scratch.get(), static_cast<int>(size), steps);
  }
  if (kept || indices) resolved.problem.pass = Pass::kKeep;
  if (resolved.elements > 0) run_checked(resolved.problem, settings, indices ? &places : nullptr);
}

void pull_back(const poolbench_pooling* pooling, const poolbench_array* grad_output_given,
               const poolbench_array* kept_given, const poolbench_array* grad_input_given, std::int32_t threads) {
  const Request request = request_of(pooling);
  const Settings settings = settings_of(threads);
  const Given grad_input(grad_input_given, "grad_input");
  check_input_type(grad_input, request.op);
  check_has_gradients(grad_input.type);
  Resolved resolved = resolve(request, grad_input.array, grad_input.type);
  grad_input.check_memory();
  check_apart_from_itself(grad_input);

  const Given grad_output(grad_output_given, "grad_output");
  check_type(grad_output, "grad_output", grad_input.type, "grad_input's");
  check_gradient_shape(grad_output.array, "grad_output", resolved.shape, "the output", resolved,
                       grad_input.array.shape);
  check_reach(grad_output);
  grad_output.check_memory();
  check_apart(grad_input, grad_output);

  if (request.op == Op::kMax) {
    const Given kept(kept_given, "kept");
    const Type type = type_for_offsets(resolved.problem);
    check_kept(kept, type, resolved, grad_input.array);
    check_reach(kept);
    check_apart(grad_input, kept);
    bind_offsets(resolved, kept.array.data, static_cast<int>(size_of(type)), kept.array.steps);
  } else if (kept_given != nullptr) {
    fail("kept is given for an average, which keeps nothing: pass NULL.");
  }
  if (resolved.elements > 0) run_checked(gradient_of(resolved, grad_output.array, grad_input.array), settings, nullptr);
}

}  // namespace

extern "C" {

int32_t poolbench_abi(void) { return POOLBENCH_ABI; }

int32_t poolbench_processors(void) {
  std::int32_t processors = 1;  // where there is no memory to find it out
  answer(nullptr, [&] { processors = poolbench::count_processors(); });
  return processors;
}

int32_t poolbench_describe(const poolbench_pooling* pooling, const poolbench_array* input_given,
                           poolbench_output* output, poolbench_error* error) {
  return answer(error, [=] {
    const Request request = request_of(pooling);
    const Given input(input_given, "input");
    check_input_type(input, request.op);
    if (output == nullptr) fail("output is NULL.");
    const Resolved resolved = resolve(request, input.array, input.type);
    poolbench_output told{};
    told.dims = resolved.dims;
    const bool keeps = request.op == Op::kMax && has_gradients(input.type);
    told.kept_type = keeps ? number_of(type_for_offsets(resolved.problem)) : 0;
    std::copy(resolved.shape, resolved.shape + resolved.dims, told.shape);
    choose_steps(resolved, input.array, size_of(input.type), told.strides);
    *output = told;
  });
}

int32_t poolbench_pool(const poolbench_pooling* pooling, const poolbench_array* input, const poolbench_array* output,
                       const poolbench_array* indices, const poolbench_array* kept, int32_t threads,
                       poolbench_error* error) {
  return answer(error, [=] { pool(pooling, input, output, indices, kept, threads); });
}

int32_t poolbench_gradient(const poolbench_pooling* pooling, const poolbench_array* grad_output,
                           const poolbench_array* kept, const poolbench_array* grad_input, int32_t threads,
                           poolbench_error* error) {
  return answer(error, [=] { pull_back(pooling, grad_output, kept, grad_input, threads); });
}

}  // extern "C"
