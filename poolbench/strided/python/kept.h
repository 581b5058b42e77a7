// What a forward call keeps: where its maxima were, for the gradient or for the indices. For one source file.
#pragma once

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>

#include "problem/bind.h"
#include "problem/resolve.h"
#include "python/arrays.h"
#include "python/output_arrays.h"
#include "python/outputs.h"
#include "python/running.h"
#include "run/checks.h"

namespace poolbench::pool {

// Memory for offsets. Nothing of it can be reached from outside, so they are always such as a kernel wrote.
class Offsets {
 public:
  Offsets() = default;
  ~Offsets() {
    if (data_ != nullptr) release_output(data_, bytes_);
  }
  Offsets(const Offsets&) = delete;
  Offsets& operator=(const Offsets&) = delete;

  // Makes `resolved`, a maximum, one that keeps, and takes the memory for that.
  void bind(Resolved& resolved, const Array& input) {
    const int size = offset_size_for(window_elements(resolved.problem));
    bytes_ = static_cast<std::size_t>(resolved.elements * size);
    data_ = allocate_output(bytes_);
    if (data_ == nullptr) throw std::bad_alloc();
    std::int64_t steps[kMostAxes];
    choose_steps(resolved, input, size, steps);
    bind_offsets(resolved, data_, size, steps);
    resolved.problem.pass = Pass::kKeep;
  }
  std::size_t bytes() const { return bytes_; }

 private:
  char* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// What is kept of a forward call until its gradient is asked for.
class Kept {
 public:
  Offsets offsets;

  void take(const Resolved& resolved, const Borrowed& input) {
    resolved_ = resolved;
    input_ = input.array;
    input_.data = nullptr;
    type_ = input.type;
  }

  PyObject* pull_back(PyObject* grad_output, PyObject* out_given, const Settings& settings, bool names_kernel) const {
    const Borrowed grad(grad_output, "grad_output", false);
    const std::int64_t size = size_of(type_);
    check_like(grad, "grad_output", resolved_.shape, "the output");
    check_reach(grad.array, "grad_output", size);
    std::optional<Borrowed> given;
    Reference out;
    Array to = input_;
    if (out_given != Py_None) {
      given.emplace(out_given, "out", true);
      check_like(*given, "out", input_.shape, "the input");
      check_apart_from_itself(given->array, "out", size);
      check_apart(given->array, size, "out", grad.array, size, "grad_output");
      to = given->array;
      Py_INCREF(out_given);
      out.reset(out_given);
    } else {
      const Resolved like = like_input();
      choose_steps(like, input_, size, to.steps);
      out.reset(make_array(like, type_, to.steps, &to.data));
    }
    int done_by = -1;
    if (resolved_.elements > 0) {
      const Problem problem = gradient_of(resolved_, grad.array, to);
      done_by = run_unlocked(problem, settings, (resolved_.input_elements + resolved_.elements) * size);
      if (done_by < 0) {
        if (names_kernel) Py_RETURN_NONE;
        throw std::runtime_error("No kernel took this gradient: this is a mistake in poolbench.");
      }
    }
    if (!names_kernel) return out.release();
    const std::string name = done_by < 0 ? "" : name_of(kernel_at(done_by));
    return Py_BuildValue("(Ns)", out.release(), name.c_str());
  }

  // The gradient pass for a gradient of the output, or None for one that lies as a fresh array does, which that of the
  // input does in any case.
  Problem planned(PyObject* grad_output) const {
    Array of_output = input_, of_input = input_;
    choose_steps(resolved_, input_, size_of(type_), of_output.steps);
    choose_steps(like_input(), input_, size_of(type_), of_input.steps);
    if (grad_output != Py_None) {
      const Borrowed grad(grad_output, "gradient", false);
      check_like(grad, "gradient", resolved_.shape, "the output");
      of_output = grad.array;
    }
    return gradient_of(resolved_, of_output, of_input);
  }

  PyObject* input_shape() const {
    PyObject* shape = PyTuple_New(input_.dims);
    for (int i = 0; shape != nullptr && i < input_.dims; ++i) {
      PyTuple_SetItem(shape, i, PyLong_FromLongLong(input_.shape[i]));
    }
    return shape;
  }

 private:
  Resolved like_input() const {
    Resolved like = resolved_;
    std::copy(input_.shape, input_.shape + input_.dims, like.shape);
    like.elements = resolved_.input_elements;
    return like;
  }

  void check_like(const Borrowed& given, const char* name, const std::int64_t* shape, const char* like) const {
    check_type(given, name, type_, "the input's, ", name_of(type_));
    check_gradient_shape(given.array, name, shape, like, resolved_, input_.shape);
  }

  Resolved resolved_;
  Array input_;
  Type type_{};
};

}  // namespace poolbench::pool
