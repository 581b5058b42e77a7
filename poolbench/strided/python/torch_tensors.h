// What PyTorch's tensors have that a DLPack capsule cannot tell. For one source file.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "python/interpreter.h"
#include "python/objects.h"

namespace poolbench::pool {

enum class Tensor : std::uint8_t { kForeign, kPlain, kMasked };  // kForeign: none of PyTorch's

// Asked of the type, and kept for the last one: most calls come with the same.
inline Tensor tensor_kind(PyObject* object) {
  static PyTypeObject* known = nullptr;  // never given back, so that no other type can come to lie there
  static Tensor kind = Tensor::kForeign;
  PyTypeObject* const type = Py_TYPE(object);
  if (type == known) return kind;
  const auto has = [type](const char* name) {
    return PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), name) == 1;
  };
  kind = !has("is_neg") || !has("untyped_storage") ? Tensor::kForeign
         : has("get_mask") && has("to_tensor")     ? Tensor::kMasked
                                                   : Tensor::kPlain;
  Py_INCREF(reinterpret_cast<PyObject*>(type));
  known = type;
  return kind;
}

// The method's result, which may be Python code of a subclass.
inline PyObject* call_method(PyObject* object, PyObject* method) {
  return outlive_interpreter([=] { return PyObject_CallMethodObjArgs(object, method, nullptr); });
}

// A tensor's method that returns a number, or -1 where it failed.
inline std::int64_t ask_number(PyObject* object, PyObject* method) {
  const Reference number(call_method(object, method));
  return number ? PyLong_AsLongLong(number.get()) : -1;
}

// Refuses tensors whose memory is not what their elements are. `to` is what the capsule said, `size` an element's bytes.
inline void check_torch(PyObject* object, bool writable, std::int64_t size, const Described& to) {
  static PyObject* const is_neg = PyUnicode_InternFromString("is_neg");
  static PyObject* const untyped_storage = PyUnicode_InternFromString("untyped_storage");
  static PyObject* const data_ptr = PyUnicode_InternFromString("data_ptr");
  static PyObject* const nbytes = PyUnicode_InternFromString("nbytes");
  const std::string name(to.name);
  const Reference negative(call_method(object, is_neg));
  if (negative && PyObject_IsTrue(negative.get()) == 1) {
    throw std::invalid_argument(name +
                                " has its negative bit set, as z.conj().imag has: its memory holds the other sign. " +
                                (writable ? "Give a tensor without it." : "Pass " + name + ".resolve_neg()."));
  }
  const Reference storage(call_method(object, untyped_storage));
  const std::int64_t bytes = storage ? ask_number(storage.get(), nbytes) : -1;
  const std::int64_t begin = bytes >= 0 ? ask_number(storage.get(), data_ptr) : -1;
  if (PyErr_Occurred()) {
    throw WrongType(name + " is a " + class_of(object) + " that does not say what memory it has: " + take_error());
  }
  // A tensor may reach beyond a storage that was made smaller; a view of one that was freed begins at its offset from zero.
  std::int64_t first, length;
  if (!extent(to.array, size, &first, &length) || length == 0)
    return;  // what overflows is refused as any array's would be
  const std::int64_t at = reinterpret_cast<std::intptr_t>(to.array.data) - begin + first;
  if (at >= 0 && length <= bytes - at) return;
  to.fail_without_memory(object, "its storage of " + std::to_string(bytes) + " bytes ends before its elements do");
}

}  // namespace poolbench::pool
