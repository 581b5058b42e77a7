// Python's objects and errors, as C++ handles them, and what is known of one that is an array. For one source file.
#pragma once

#include <Python.h>

#include <stdexcept>
#include <string>

#include "problem/resolve.h"
#include "run/checks.h"

namespace poolbench::pool {

// Python's error is set already.
struct PythonError {};

// A reference that ends with its scope.
class Reference {
 public:
  explicit Reference(PyObject* object = nullptr) : object_(object) {}
  ~Reference() { Py_XDECREF(object_); }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  PyObject* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  void reset(PyObject* object) {
    Py_XDECREF(object_);
    object_ = object;
  }
  PyObject* release() {
    PyObject* object = object_;
    object_ = nullptr;
    return object;
  }

 private:
  PyObject* object_;
};

inline std::string text_of(PyObject* object) {
  const Reference text(PyObject_Str(object));
  Py_ssize_t length = 0;
  const char* utf8 = text ? PyUnicode_AsUTF8AndSize(text.get(), &length) : nullptr;
  if (utf8 == nullptr) {
    PyErr_Clear();
    return "something that has no text";
  }
  return std::string(utf8, static_cast<std::size_t>(length));
}

inline std::string class_of(PyObject* object) {
  const Reference name(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__name__"));
  if (!name) PyErr_Clear();
  return name ? text_of(name.get()) : "nameless thing";
}

// The message of the error that is set, which this clears.
inline std::string take_error() {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const Reference held_type(type), held_value(value), held_trace(trace);
  return value == nullptr ? "no reason given" : text_of(value);
}

// `filled` and `bare` are how its class gives an array out: with something in the place of what is masked, and as it is.
[[noreturn]] inline void fail_masked(PyObject* object, const char* name, bool writable, const char* filled,
                                     const char* bare) {
  const std::string known(name);
  throw WrongType(known + " is a " + class_of(object) + ", and pooling has no rule for masks: " +
                  (writable ? "give an array without one."
                            : "pass " + known + "." + filled +
                                  " with what masked elements are to count as, such as -inf "
                                  "for a maximum, or " +
                                  known + "." + bare + " to pool them as if nothing were masked."));
}

// An array as its owner describes it.
struct Described : Elements {
  const char* name;  // what the caller knows it by
  Array array;

  explicit Described(const char* known_as) : name(known_as) {}

  void set_type(Type known) {
    type = known;
    has_type = true;
  }

  void set_dims(std::int64_t dims) {
    check_dims(name, dims);
    array.dims = static_cast<int>(dims);
  }

  [[noreturn]] void fail_without_memory(PyObject* object, const std::string& why) const {
    throw std::invalid_argument(std::string(name) + " is a " + class_of(object) + " of shape " +
                                text_of(array.shape, array.dims) + " without memory for its elements: " + why +
                                ". Give an array whose elements are there, not one that was freed or that stands for "
                                "another.");
  }

  void check_memory(PyObject* object) const {
    if (array.data != nullptr) return;
    for (int i = 0; i < array.dims; ++i) {
      if (array.shape[i] == 0) return;
    }
    fail_without_memory(object, "its address is null");
  }

  [[noreturn]] void fail_read_only(const std::string& what) const {
    throw std::invalid_argument(std::string(name) + " is " + what + ": give an array that may be written.");
  }
};

}  // namespace poolbench::pool
