// The pooling kernel's Python face: reads the arguments, finds the memory, and runs. Small calls must cost little, so
// nothing here makes a Python object that the caller does not get.
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "python/answer.h"
#include "python/array_view.h"
#include "python/call.h"
#include "python/explain.h"
#include "python/outputs.h"
#include "python/pullback.h"
#include "run/processors.h"

namespace nb = nanobind;
using namespace poolbench::pool;

namespace {

template <Function kFunction>
PyObject* call_function(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=] { return pool(read_call<kFunction>(args, count)); });
}

// The same, and what its gradient needs: (result, pullback).
template <Function kFunction>
PyObject* train_function(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=]() -> PyObject* {
    Call call = read_call<kFunction>(args, count);
    Pullback* const pullback = Pullback::make();
    const Reference held(reinterpret_cast<PyObject*>(pullback));
    call.kept = &pullback->kept();
    Reference result(pool(call));
    if (result.get() == Py_None || call.explains) return result.release();
    return PyTuple_Pack(2, result.get(), held.get());
  });
}

PyObject* pull_back(PyObject*, PyObject* const* args, Py_ssize_t count) {
  return answer([=] {
    if (count != 6 || !Pullback::is(args[0])) {
      throw WrongType("pull_back takes a pullback, grad_output, out, threads, isa and kernel.");
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
                           "out, threads, layout[, isa, kernel[, gradient]])"),
    method<Function::kAvg>("avg_pool",
                           "avg_pool(rank, input, kernel_size, stride, padding, dilation, ceil_mode, "
                           "count_include_pad, divisor_override, out, threads, layout[, isa, kernel[, gradient]])"),
    method<Function::kAdaptiveMax>("adaptive_max_pool",
                                   "adaptive_max_pool(rank, input, output_size, return_indices, out, threads, "
                                   "layout[, isa, kernel[, gradient]])"),
    method<Function::kAdaptiveAvg>(
        "adaptive_avg_pool",
        "adaptive_avg_pool(rank, input, output_size, out, threads, layout[, isa, kernel[, gradient]])"),
    method(train_function<Function::kMax>, "train_max_pool", "max_pool, and what its gradient needs."),
    method(train_function<Function::kAvg>, "train_avg_pool", "avg_pool, and what its gradient needs."),
    method(train_function<Function::kAdaptiveMax>, "train_adaptive_max_pool",
           "adaptive_max_pool, and what its gradient needs."),
    method(train_function<Function::kAdaptiveAvg>, "train_adaptive_avg_pool",
           "adaptive_avg_pool, and what its gradient needs."),
    method(view, "view",
           "view(array, name): as a NumPy array over the same memory, or the error that pooling it would be."),
    method(pull_back, "pull_back", "pull_back(pullback, grad_output, out, threads, isa, kernel): by that kernel."),
    {nullptr, nullptr, 0, nullptr}};

bool load_numpy() { return _import_array() >= 0; }

}  // namespace

NB_MODULE(_pool, module) {
  module.doc() = "The pooling kernel. Where isa and kernel are given, functions return (result, name of the kernel), "
                 "or None where no such kernel can do it. With a gradient, or None, behind them they "
                 "do nothing and tell who would.";
  if (!load_numpy() || PyModule_AddFunctions(module.ptr(), methods) != 0 || !Pullback::add_to(module.ptr())) {
    throw nb::python_error();
  }
  module.def(
      "kernels",
      [] {
        nb::list rows;
        for (int i = 0; i < kernel_count(); ++i) rows.append(row_of(kernel_at(i)));
        return rows;
      },
      "Return the rows of the list of kernels that this processor can execute, in the order of preference.");
  module.def(
      "isa", [] { return std::string(name_of(default_isa())); },
      "Return the instruction set that is used: the widest here, or what POOLBENCH_ISA names.");
  module.def("processors", &poolbench::count_processors,
             "Return on how many threads a call works by default: what affinity and CPU quota leave to this process.");
  module.def("cpu_quota", &poolbench::cpu_quota, nb::arg("root") = "",
             "Return the CPU quota in processors that the control groups below a root folder say, 0 for none.");
  module.def("clear_outputs", &clear_outputs, "Give the memory of freed outputs that is kept back to the system.");
  module.def("kept_output_bytes", &kept_output_bytes, "Return how many bytes of freed outputs are kept.");
}
