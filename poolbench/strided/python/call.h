// A call of one of the functions: what was asked for, and the doing of it. For one source file.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "problem/bind.h"
#include "problem/resolve.h"
#include "python/arguments.h"
#include "python/arrays.h"
#include "python/explain.h"
#include "python/kept.h"
#include "python/output_arrays.h"
#include "python/running.h"
#include "run/checks.h"
#include "run/indexed.h"

namespace poolbench::pool {

struct Call {
  Request request;
  PyObject* input;
  PyObject* out;
  PyObject* threads;
  bool return_indices = false;
  Kept* kept = nullptr;  // where to keep what the gradient will need, if it will be asked for
  // For the tests: which kernel must do it. The answer then tells which one did.
  bool names_kernel = false;
  PyObject* isa = nullptr;
  PyObject* kernel = nullptr;
  bool explains = false;  // the answer tells what would be done, and nothing is
  PyObject* gradient = Py_None;  // what the explained pullback would be given; None for one that lies as a fresh one does
};

// Returns what the Python function returns.
inline PyObject* pool(const Call& call) {
  static const Isa checked = default_isa();  // throws, as often as it is asked, where POOLBENCH_ISA is wrong
  (void)checked;
  const Settings settings = read_settings(call.threads, call.isa, call.kernel);
  const Borrowed input(call.input, "input", false);
  check_input_type(input, call.request.op);
  if (call.kept != nullptr) check_has_gradients(input.type);
  Resolved resolved = resolve(call.request, input.array, input.type);
  Offsets found;  // where maxima are, unless that is kept for longer
  if (call.request.op == Op::kMax && (call.kept != nullptr || call.return_indices)) {
    (call.kept != nullptr ? call.kept->offsets : found).bind(resolved, input.array);
  }
  if (call.kept != nullptr) call.kept->take(resolved, input);

  std::optional<Borrowed> given_out, given_indices;
  Reference out, indices;
  std::int64_t steps[kMostAxes];
  char* data = nullptr;
  PyObject* out_given = call.out;
  PyObject* indices_given = Py_None;
  if (call.return_indices && PyTuple_Check(call.out)) {
    if (PyTuple_Size(call.out) != 2) {
      throw std::invalid_argument("out has " + std::to_string(PyTuple_Size(call.out)) +
                                  " entries: with return_indices it is an array, or a pair (output, indices).");
    }
    out_given = PyTuple_GetItem(call.out, 0);
    indices_given = PyTuple_GetItem(call.out, 1);
  }
  if (out_given != Py_None) {
    given_out.emplace(out_given, "out", true);
    check_given(*given_out, "out", resolved, input.type, "the input's", input);
    bind_output(resolved, given_out->array.data, given_out->array.steps);
    Py_INCREF(out_given);
    out.reset(out_given);
  } else {
    choose_steps(resolved, input.array, size_of(input.type), steps);
    if (!call.explains) out.reset(make_array(resolved, input.type, steps, &data));
    bind_output(resolved, data, steps);
  }
  if (call.explains) return explain_call(resolved, settings, call.kept, call.gradient);
  Indices places;
  if (indices_given != Py_None) {
    given_indices.emplace(indices_given, "out[1]", true);
    check_given(*given_indices, "out[1]", resolved, Type::kI64, "int64", input);
    if (given_out) {
      check_apart(given_indices->array, 8, "out[1]", given_out->array, size_of(input.type), "out[0]");
    }
    places = indices_at(resolved, given_indices->array.data, given_indices->array.steps);
    Py_INCREF(indices_given);
    indices.reset(indices_given);
  } else if (call.return_indices) {
    choose_steps(resolved, input.array, 8, steps);
    indices.reset(make_array(resolved, Type::kI64, steps, &data));
    places = indices_at(resolved, data, steps);
  }

  int done_by = -1;
  if (resolved.elements > 0) {
    const std::int64_t size = size_of(input.type);
    const std::int64_t bytes = (resolved.input_elements + resolved.elements) * size +
                               (call.return_indices ? resolved.elements * 8 : 0);
    done_by = run_unlocked(resolved.problem, settings, bytes, call.return_indices ? &places : nullptr);
    if (done_by < 0) {
      if (call.names_kernel) Py_RETURN_NONE;
      throw std::runtime_error("No kernel took this pooling: this is a mistake in poolbench.");
    }
  }
  PyObject* result = call.return_indices ? PyTuple_Pack(2, out.get(), indices.get()) : out.release();
  if (result == nullptr) throw PythonError{};
  if (!call.names_kernel) return result;
  const std::string name = done_by < 0 ? "" : name_of(kernel_at(done_by));
  return Py_BuildValue("(Ns)", result, name.c_str());
}

// What each function takes, in order; behind that all take out, threads and layout, for the tests isa and kernel, and to
// explain instead of doing, a last one.
enum class Function { kMax, kAvg, kAdaptiveMax, kAdaptiveAvg };

template <Function kFunction>
constexpr int kOwnArguments = kFunction == Function::kMax ? 8 : kFunction == Function::kAvg ? 9
                              : kFunction == Function::kAdaptiveMax ? 4 : 3;

template <Function kFunction>
Call read_call(PyObject* const* args, Py_ssize_t count) {
  constexpr int kOwn = kOwnArguments<kFunction>;
  if (count != kOwn + 3 && count != kOwn + 5 && count != kOwn + 6) {
    throw WrongType("The compiled function takes " + std::to_string(kOwn + 3) + ", " + std::to_string(kOwn + 5) +
                    " or " + std::to_string(kOwn + 6) + " arguments; it was given " + std::to_string(count) + ".");
  }
  Call call;
  Request& request = call.request;
  request.op = kFunction == Function::kMax || kFunction == Function::kAdaptiveMax ? Op::kMax : Op::kAvg;
  request.adaptive = kFunction == Function::kAdaptiveMax || kFunction == Function::kAdaptiveAvg;
  request.rank = static_cast<int>(read_int(args[0], "rank", "1, 2 or 3"));
  if (request.rank < 1 || request.rank > 3) throw std::invalid_argument("The rank must be 1, 2 or 3.");
  call.input = args[1];
  if constexpr (kFunction == Function::kMax || kFunction == Function::kAvg) {
    read_ints(args[2], "kernel_size", request.rank, request.window);
    // PyTorch takes an empty stride for none as well.
    if (args[3] == Py_None || is_empty_sequence(args[3])) {
      std::copy(request.window, request.window + 3, request.stride);
    } else {
      read_ints(args[3], "stride", request.rank, request.stride);
    }
    read_padding(args[4], request);
    read_ints(args[5], "dilation", request.rank, request.dilation);
    request.ceil_mode = read_flag(args[6], "ceil_mode");
  } else {
    constexpr const char* kWanted = "an integer, or a sequence of one integer or None per axis";
    const auto read = [&request](PyObject* entry, int i) {
      request.output[i] = entry == Py_None ? kInputsSize : read_int(entry, "output_size", kWanted);
      if (entry != Py_None && request.output[i] == kInputsSize) request.output[i] = -1;
    };
    if (args[2] == Py_None) {
      std::fill(request.output, request.output + 3, kInputsSize);
    } else {
      read_entries(args[2], "output_size", kWanted, request.rank, read);
    }
  }
  if constexpr (kFunction == Function::kMax) call.return_indices = read_flag(args[7], "return_indices");
  if constexpr (kFunction == Function::kAdaptiveMax) call.return_indices = read_flag(args[3], "return_indices");
  if constexpr (kFunction == Function::kAvg) {
    request.include_padding = read_flag(args[7], "count_include_pad");
    request.has_divisor = args[8] != Py_None;
    if (request.has_divisor) request.divisor = read_int(args[8], "divisor_override", "an integer or None");
  }
  call.out = args[kOwn];
  call.threads = args[kOwn + 1];
  request.channels_last = read_channels_last(args[kOwn + 2], request.rank);
  call.names_kernel = count >= kOwn + 5;
  if (call.names_kernel) {
    call.isa = args[kOwn + 3];
    call.kernel = args[kOwn + 4];
  }
  call.explains = count == kOwn + 6;
  if (call.explains) call.gradient = args[kOwn + 5];
  return call;
}

}  // namespace poolbench::pool
