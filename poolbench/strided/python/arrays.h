// Arrays of Python's, read and written where they lie: NumPy's, whatever speaks DLPack, and buffers. For one source file.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <string>

#include "python/dlpack.h"
#include "python/exchange.h"
#include "python/objects.h"

namespace poolbench::pool {

// An array that belongs to the caller. While this lives, its memory stays where it is.
class Borrowed : public Described {
 public:
  // Takes the array in. `known_as` is what the caller knows it by; `writable` asks for one to write to.
  Borrowed(PyObject* object, const char* known_as, bool writable) : Described(known_as) {
    if (PyArray_Check(object)) {
      if (!PyArray_CheckExact(object)) check_subclass(object, writable);
      take_numpy(reinterpret_cast<PyArrayObject*>(object), writable);
    } else if (take_lent(object, writable, *this, loan_)) {
    } else if (PyObject_HasAttrString(object, "__dlpack__")) {
      take_dlpack(object, writable, *this, capsule_);
    } else if (PyObject_CheckBuffer(object)) {
      take_buffer(object, writable);
    } else {
      throw WrongType(std::string(name) + " is of type " + class_of(object) +
                      ", which speaks neither DLPack nor the buffer protocol: give a NumPy array, a PyTorch or "
                      "TensorFlow tensor or the like; numpy.asarray makes an array of most things.");
    }
    check_memory(object);
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

 private:
  // A subclass of NumPy's is pooled as the array that it is (memmap, matrix, recarray), unless its elements mean more
  // than their memory does: by a mask, or because NumPy's functions are done its own way, as classes with units do.
  void check_subclass(PyObject* object, bool writable) const {
    const Reference masks(outlive_interpreter([] { return PyImport_ImportModule("numpy.ma"); }));
    const Reference masked(masks ? PyObject_GetAttrString(masks.get(), "MaskedArray") : nullptr);
    if (!masked) throw PythonError{};
    if (PyObject_IsInstance(object, masked.get()) == 1) fail_masked(object, name, writable, "filled(value)", "data");
    for (const char* method : {"__array_ufunc__", "__array_function__"}) {
      const Reference own(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), method));
      const Reference plain(PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyArray_Type), method));
      if (!own || !plain) throw PythonError{};
      if (own.get() == plain.get()) continue;
      throw WrongType(std::string(name) + " is a " + class_of(object) + ", a subclass of numpy.ndarray with a " +
                      method + " of its own, whose meaning pooling would lose: give numpy.asarray(" + name +
                      ") for its bare numbers.");
    }
  }

  void take_numpy(PyArrayObject* source, bool writable) {
    set_dims(PyArray_NDIM(source));
    array.data = static_cast<char*>(PyArray_DATA(source));
    for (int i = 0; i < array.dims; ++i) {
      array.shape[i] = PyArray_DIM(source, i);
      array.steps[i] = PyArray_STRIDE(source, i);
    }
    switch (PyArray_TYPE(source)) {
      case NPY_DOUBLE: set_type(Type::kF64); break;
      case NPY_FLOAT: set_type(Type::kF32); break;
      case NPY_HALF: set_type(Type::kF16); break;
      case NPY_BYTE: set_type(Type::kI8); break;
      case NPY_UBYTE: set_type(Type::kU8); break;
      case NPY_SHORT: set_type(Type::kI16); break;
      case NPY_INT: set_type(Type::kI32); break;
      case NPY_LONG: set_type(sizeof(long) == 8 ? Type::kI64 : Type::kI32); break;
      case NPY_LONGLONG: set_type(Type::kI64); break;
      default: break;
    }
    PyObject* descr = reinterpret_cast<PyObject*>(PyArray_DESCR(source));
    if (!has_type) {
      type_name = text_of(descr);
      if (type_name == "bfloat16") set_type(Type::kBf16);  // ml_dtypes', which NumPy knows by its name alone
    }
    if (PyArray_ISBYTESWAPPED(source)) {
      has_type = false;
      type_name = text_of(descr) + ", whose bytes are in the other order";
    }
    if (writable && !PyArray_ISWRITEABLE(source)) fail_read_only("a read-only array");
  }

  void take_buffer(PyObject* object, bool writable) {
    Py_buffer& view = view_.buffer;
    if (PyObject_GetBuffer(object, &view, writable ? PyBUF_RECORDS : PyBUF_RECORDS_RO) != 0) {
      const std::string reason = take_error();
      if (writable) fail_read_only("a " + class_of(object) + " that cannot be written (" + reason + ")");
      throw WrongType(std::string(name) + " is a " + class_of(object) + " that does not give out its memory: " +
                      reason);
    }
    view_.is_held = true;
    set_dims(view.ndim);
    array.data = static_cast<char*>(view.buf);
    for (int i = 0; i < array.dims; ++i) {
      array.shape[i] = view.shape[i];
      array.steps[i] = view.strides[i];
    }
    const char* format = view.format == nullptr ? "B" : view.format;
    const char* code = format + (*format == '@' || *format == '=' || *format == '<');  // this processor's byte order
    type_name = std::string("format '") + format + "'";
    if (code[0] == '\0' || code[1] != '\0') return;
    const bool is_signed = std::string("bhilqn").find(*code) != std::string::npos;
    if (*code == 'd' && view.itemsize == 8) set_type(Type::kF64);
    if (*code == 'f' && view.itemsize == 4) set_type(Type::kF32);
    if (*code == 'e' && view.itemsize == 2) set_type(Type::kF16);
    if (*code == 'B') set_type(Type::kU8);
    if (is_signed && view.itemsize == 1) set_type(Type::kI8);
    if (is_signed && view.itemsize == 2) set_type(Type::kI16);
    if (is_signed && view.itemsize == 4) set_type(Type::kI32);
    if (is_signed && view.itemsize == 8) set_type(Type::kI64);
  }

  // A buffer that is given back, also where taking it in comes to nothing.
  struct View {
    Py_buffer buffer;
    bool is_held = false;
    ~View() {
      if (is_held) PyBuffer_Release(&buffer);
    }
  };

  Loan loan_;
  Reference capsule_;  // its destructor gives the DLPack tensor back
  View view_;
};

}  // namespace poolbench::pool
