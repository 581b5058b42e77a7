// The pooling kernel's Python face: reads the arguments, finds the memory, and runs. Small calls must cost little, so
// nothing here makes a Python object that the caller does not get.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <structmember.h>

#include <algorithm>
#include <climits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "arguments.h"
#include "array_view.h"
#include "arrays.h"
#include "backward.h"
#include "interpreter.h"
#include "output_arrays.h"
#include "outputs.h"
#include "processors.h"
#include "resolve.h"

namespace nb = nanobind;
using namespace poolbench::pool;

namespace {

// Work on fewer bytes is over before another thread could take the interpreter's lock.
constexpr std::int64_t kKeepLockBelow = 256 << 10;

int read_threads(PyObject* value) {
  if (value == Py_None) {
    static const int all = poolbench::count_processors();
    return all;
  }
  const std::int64_t threads = read_int(value, "threads", "a number of threads, or None for all processors");
  if (threads < 1) throw std::invalid_argument("threads is " + std::to_string(threads) + "; it must be at least 1.");
  return static_cast<int>(std::min<std::int64_t>(threads, INT_MAX));
}

// --- The call -------------------------------------------------------------------------------------------------------

class Kept;

struct Call {
  Request request;
  PyObject* input;
  PyObject* out;
  PyObject* threads;
  bool return_indices = false;
  Kept* kept = nullptr;  // where to keep what the gradient will need, if it will be asked for
  // For the tests: which kernel must do it. The answer then tells which one did.
  bool names_variant = false;
  PyObject* isa = nullptr;
  PyObject* engine = nullptr;
};

std::string name_of(const Variant& variant) {
  return std::string(isa_name(variant.isa)) + "/" + variant.engine + "/" + (variant.op == Op::kMax ? "max" : "avg") +
         "/" + kTypeNames[static_cast<int>(variant.type)];
}

void check_type(const Borrowed& input, Op op) {
  const bool is_float = input.type == Type::kF64 || input.type == Type::kF32 || input.type == Type::kF16 ||
                        input.type == Type::kBf16;
  if (input.has_type && (op == Op::kMax || is_float)) return;
  const std::string got = input.has_type ? kTypeNames[static_cast<int>(input.type)] : input.type_name;
  throw WrongType("The input has elements of type " + got + (op == Op::kMax ? ": a maximum" : ": an average") +
                  " is taken of float64, float32, float16" +
                  (op == Op::kMax ? ", bfloat16, int8, uint8, int16, int32 and int64." : " and bfloat16."));
}

// `wanted` and `engine_wanted` name what must do it, or are None, or nullptr where the caller cannot say.
Settings read_settings(PyObject* threads, PyObject* wanted, PyObject* engine_wanted) {
  Settings settings;
  settings.threads = read_threads(threads);
  if (wanted != nullptr && wanted != Py_None) {
    for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kNeon}) {
      if (text_of(wanted) == isa_name(isa)) settings.isa = static_cast<int>(isa);
    }
    if (settings.isa < 0) throw std::invalid_argument("There is no instruction set " + text_of(wanted) + ".");
  }
  if (engine_wanted != nullptr && engine_wanted != Py_None) {
    settings.engine = PyUnicode_AsUTF8AndSize(engine_wanted, nullptr);
    if (settings.engine == nullptr) throw PythonError{};
  }
  return settings;
}

int run_unlocked(const Problem& problem, const Settings& settings, std::int64_t bytes) {
  if (bytes < kKeepLockBelow) return run(problem, settings);
  return poolbench::without_lock([&] { return run(problem, settings); });
}

#include "backward_module.h"

// Returns what the Python function returns.
PyObject* pool(const Call& call) {
  static const Isa checked = default_isa();  // throws, as often as it is asked, where POOLBENCH_ISA is wrong
  (void)checked;
  const Settings settings = read_settings(call.threads, call.isa, call.engine);
  const Borrowed input(call.input, "input", false);
  check_type(input, call.request.op);
  Resolved resolved = resolve(call.request, input.array, input.type);
  if (call.kept != nullptr) call.kept->take(resolved, input);
  const bool keeps = call.kept != nullptr && call.request.op == Op::kMax;

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
    out.reset(make_array(resolved, input.type, steps, &data));
    bind_output(resolved, data, steps);
  }
  if (indices_given != Py_None) {
    given_indices.emplace(indices_given, "out[1]", true);
    check_given(*given_indices, "out[1]", resolved, Type::kI64, "int64", input);
    if (given_out) {
      check_apart(given_indices->array, 8, "out[1]", given_out->array, size_of(input.type), "out[0]");
    }
    bind_indices(resolved, given_indices->array.data, given_indices->array.steps);
    Py_INCREF(indices_given);
    indices.reset(indices_given);
  } else if (call.return_indices) {
    choose_steps(resolved, input.array, 8, steps);
    indices.reset(make_array(resolved, Type::kI64, steps, &data));
    bind_indices(resolved, data, steps);
  }

  int variant_run = -1;
  if (resolved.elements > 0) {
    const std::int64_t size = size_of(input.type);
    const std::int64_t bytes = (resolved.input_elements + resolved.elements) * size +
                               (call.return_indices ? resolved.elements * 8 : 0);
    variant_run = keeps ? call.kept->pool(resolved.problem, settings, bytes)
                        : run_unlocked(resolved.problem, settings, bytes);
    if (variant_run < 0) {
      if (call.names_variant) Py_RETURN_NONE;
      throw std::runtime_error("No kernel took this pooling: this is a mistake in poolbench.");
    }
  }
  PyObject* result = call.return_indices ? PyTuple_Pack(2, out.get(), indices.get()) : out.release();
  if (result == nullptr) throw PythonError{};
  if (!call.names_variant) return result;
  const std::string name = variant_run < 0 ? "" : name_of(keeps ? training_variant(variant_run) : variant(variant_run));
  return Py_BuildValue("(Ns)", result, name.c_str());
}

// --- The functions --------------------------------------------------------------------------------------------------

// What each function takes, in order; behind that all take out, threads, layout and, for the tests, isa and engine.
enum class Function { kMax, kAvg, kAdaptiveMax, kAdaptiveAvg };

template <Function kFunction>
constexpr int kOwnArguments = kFunction == Function::kMax ? 8 : kFunction == Function::kAvg ? 9
                              : kFunction == Function::kAdaptiveMax ? 4 : 3;

template <Function kFunction>
Call read_call(PyObject* const* args, Py_ssize_t count) {
  constexpr int kOwn = kOwnArguments<kFunction>;
  if (count != kOwn + 3 && count != kOwn + 5) {
    throw WrongType("The compiled function takes " + std::to_string(kOwn + 3) + " or " + std::to_string(kOwn + 5) +
                    " arguments; it was given " + std::to_string(count) + ".");
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
  call.names_variant = count == kOwn + 5;
  if (call.names_variant) {
    call.isa = args[kOwn + 3];
    call.engine = args[kOwn + 4];
  }
  return call;
}

// What a body returns, or nullptr with Python's error set.
template <class Body>
PyObject* answer(Body body) {
  try {
    return body();
  } catch (const PythonError&) {
  } catch (const WrongType& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

template <Function kFunction>
PyObject* call_function(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=] { return pool(read_call<kFunction>(args, count)); });
}

#include "pullback.h"

// The same, and what its gradient needs: (result, pullback).
template <Function kFunction>
PyObject* train_function(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=]() -> PyObject* {
    Call call = read_call<kFunction>(args, count);
    Pullback* const pullback = Pullback::make();
    const Reference held(reinterpret_cast<PyObject*>(pullback));
    call.kept = &pullback->kept();
    Reference result(pool(call));
    if (result.get() == Py_None) return result.release();
    return PyTuple_Pack(2, result.get(), held.get());
  });
}

PyObject* pull_back(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=] {
    if (count != 6 || !Pullback::is(args[0])) {
      throw WrongType("pull_back takes a pullback, grad_output, out, threads, isa and engine.");
    }
    const Settings settings = read_settings(args[3], args[4], args[5]);
    return Pullback::of(args[0])->kept().pull_back(args[1], args[2], settings, true);
  });
}

// The array as NumPy's, over the same memory.
PyObject* view(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=] {
    const char* name = count == 2 && PyUnicode_Check(args[1]) ? PyUnicode_AsUTF8AndSize(args[1], nullptr) : nullptr;
    if (name == nullptr) throw WrongType("view takes an array, and as text what it is called in errors.");
    return view_array(args[0], name);
  });
}

using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

PyMethodDef method(FastFunction function, const char* name, const char* doc) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)), METH_FASTCALL, doc};
}

template <Function kFunction>
PyMethodDef method(const char* name, const char* doc) {
  return method(call_function<kFunction>, name, doc);
}

// Plain functions of CPython's: they take many arguments, by position, in a tenth of a microsecond.
PyMethodDef methods[] = {
    method<Function::kMax>("max_pool",
                           "max_pool(rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, "
                           "out, threads, layout[, isa, engine])"),
    method<Function::kAvg>("avg_pool",
                           "avg_pool(rank, input, kernel_size, stride, padding, dilation, ceil_mode, "
                           "count_include_pad, divisor_override, out, threads, layout[, isa, engine])"),
    method<Function::kAdaptiveMax>("adaptive_max_pool",
                                   "adaptive_max_pool(rank, input, output_size, return_indices, out, threads, "
                                   "layout[, isa, engine])"),
    method<Function::kAdaptiveAvg>("adaptive_avg_pool",
                                   "adaptive_avg_pool(rank, input, output_size, out, threads, layout[, isa, engine])"),
    method(train_function<Function::kMax>, "train_max_pool", "max_pool, and what its gradient needs."),
    method(train_function<Function::kAvg>, "train_avg_pool", "avg_pool, and what its gradient needs."),
    method(train_function<Function::kAdaptiveMax>, "train_adaptive_max_pool",
           "adaptive_max_pool, and what its gradient needs."),
    method(train_function<Function::kAdaptiveAvg>, "train_adaptive_avg_pool",
           "adaptive_avg_pool, and what its gradient needs."),
    method(view, "view", "view(array, name): as a NumPy array over the same memory, or the error that pooling it would be."),
    method(pull_back, "pull_back", "pull_back(pullback, grad_output, out, threads, isa, engine): by that kernel."),
    {nullptr, nullptr, 0, nullptr}};

bool load_numpy() { return _import_array() >= 0; }

}  // namespace

NB_MODULE(_pool, module) {
  module.doc() = "The pooling kernel. Where isa and engine are given, functions return (result, name of the variant), "
                 "or None where no such variant can do it.";
  if (!load_numpy() || PyModule_AddFunctions(module.ptr(), methods) != 0 || !Pullback::add_to(module.ptr())) {
    throw nb::python_error();
  }
  module.def(
      "variants",
      [] {
        std::vector<std::string> names;
        for (int i = 0; i < variant_count(); ++i) names.push_back(name_of(variant(i)));
        return names;
      },
      "Return the names of the kernels that this processor can execute, in the order of preference.");
  module.def(
      "training_variants",
      [] {
        std::vector<std::string> names;
        for (int i = 0; i < training_variant_count(); ++i) names.push_back(name_of(training_variant(i)));
        return names;
      },
      "Return the same of the kernels for training.");
  module.def(
      "isa", [] { return std::string(isa_name(default_isa())); },
      "Return the instruction set that is used: the widest here, or what POOLBENCH_ISA names.");
  module.def("processors", &poolbench::count_processors,
             "Return on how many threads a call works by default: what affinity and CPU quota leave to this process.");
  module.def("cpu_quota", &poolbench::cpu_quota, nb::arg("root") = "",
             "Return the CPU quota in processors that the control groups below a root folder say, 0 for none.");
  module.def("clear_outputs", &clear_outputs, "Give the memory of freed outputs that is kept back to the system.");
  module.def("kept_output_bytes", &kept_output_bytes, "Return how many bytes of freed outputs are kept.");
}
