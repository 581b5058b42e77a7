// What the functions take as an array, as an array of NumPy's. For one source file.
#pragma once

#include <memory>

#include "arrays.h"
#include "output_arrays.h"

namespace poolbench::pool {

// Keeps the memory that a view shows.
struct Lender {
  Borrowed borrowed;
  Reference object;
  Lender(PyObject* lent, const char* name) : borrowed(lent, name, false), object(Py_NewRef(lent)) {}
};

constexpr const char* kLender = "poolbench.lender";

inline void release_lender(PyObject* capsule) {
  delete static_cast<Lender*>(PyCapsule_GetPointer(capsule, kLender));
}

// A read-only view of the same memory. What Borrowed refuses is refused here in the same words.
inline PyObject* view_array(PyObject* object, const char* name) {
  if (PyArray_Check(object)) {
    const Borrowed checked(object, name, false);
    return PyArray_View(reinterpret_cast<PyArrayObject*>(object), nullptr, &PyArray_Type);
  }
  auto lender = std::make_unique<Lender>(object, name);
  const Borrowed& borrowed = lender->borrowed;
  if (!borrowed.has_type) {
    throw WrongType(std::string(name) + " has elements of type " + borrowed.type_name + ", which no pooling takes.");
  }
  const Array& array = borrowed.array;
  Reference shown(PyArray_NewFromDescr(
      &PyArray_Type, find_descr(borrowed.type), array.dims,
      reinterpret_cast<npy_intp*>(const_cast<std::int64_t*>(array.shape)),
      reinterpret_cast<npy_intp*>(const_cast<std::int64_t*>(array.steps)), array.data, 0, nullptr));
  PyObject* const capsule = shown ? PyCapsule_New(lender.get(), kLender, release_lender) : nullptr;
  if (capsule == nullptr) throw PythonError{};
  lender.release();
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(shown.get()), capsule) != 0) throw PythonError{};
  return shown.release();
}

}  // namespace poolbench::pool
