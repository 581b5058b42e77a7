// The arrays that are written to: new ones, and those that a caller gives. For one source file.
#pragma once

#include <stdexcept>
#include <string>

#include "problem/resolve.h"
#include "python/arrays.h"
#include "python/outputs.h"
#include "run/checks.h"

namespace poolbench::pool {

constexpr const char* kCapsule = "poolbench.output";

inline void release_capsule(PyObject* capsule) {
  char* data = static_cast<char*>(PyCapsule_GetPointer(capsule, kCapsule));
  release_output(data, reinterpret_cast<std::size_t>(PyCapsule_GetContext(capsule)));
}

inline PyArray_Descr* find_descr(Type type) {
  constexpr int kNumbers[kTypes] = {NPY_FLOAT64, NPY_FLOAT32, NPY_FLOAT16, NPY_VOID, NPY_INT8,
                                    NPY_UINT8,   NPY_INT16,   NPY_INT32,   NPY_INT64};
  if (type != Type::kBf16) return PyArray_DescrFromType(kNumbers[static_cast<int>(type)]);
  static PyArray_Descr* bfloat16 = nullptr;  // kept for ever
  if (bfloat16 == nullptr) {
    const Reference module(outlive_interpreter([] { return PyImport_ImportModule("ml_dtypes"); }));
    const Reference scalar(module ? PyObject_GetAttrString(module.get(), "bfloat16") : nullptr);
    if (!scalar || PyArray_DescrConverter(scalar.get(), &bfloat16) == 0) throw PythonError{};
  }
  Py_INCREF(reinterpret_cast<PyObject*>(bfloat16));
  return bfloat16;
}

static_assert(sizeof(npy_intp) == sizeof(std::int64_t), "NumPy's shapes are passed on as they are");

// NumPy keeps small blocks ready, which makes an array of its own quicker than one around memory of ours.
constexpr std::size_t kOursFrom = 1 << 10;

// A new array. `steps` are those of an array without gaps.
inline PyObject* make_array(const Resolved& resolved, Type type, const std::int64_t* steps, char** data) {
  const std::size_t bytes = static_cast<std::size_t>(resolved.elements * size_of(type));
  PyArray_Descr* descr = find_descr(type);
  npy_intp* shape = reinterpret_cast<npy_intp*>(const_cast<std::int64_t*>(resolved.shape));
  npy_intp* strides = reinterpret_cast<npy_intp*>(const_cast<std::int64_t*>(steps));
  if (bytes < kOursFrom) {
    PyObject* array = PyArray_NewFromDescr(&PyArray_Type, descr, resolved.dims, shape, strides, nullptr, 0, nullptr);
    if (array == nullptr) throw PythonError{};
    *data = static_cast<char*>(PyArray_DATA(reinterpret_cast<PyArrayObject*>(array)));
    return array;
  }
  *data = allocate_output(bytes);
  if (*data == nullptr) {
    Py_DECREF(descr);
    PyErr_Format(PyExc_MemoryError, "The output of shape %s needs %zu bytes, which could not be allocated.",
                 text_of(resolved.shape, resolved.dims).c_str(), bytes);
    throw PythonError{};
  }
  PyObject* capsule = PyCapsule_New(*data, kCapsule, release_capsule);
  if (capsule == nullptr) {
    Py_DECREF(descr);
    release_output(*data, bytes);
    throw PythonError{};
  }
  PyCapsule_SetContext(capsule, reinterpret_cast<void*>(bytes));
  PyObject* array = PyArray_NewFromDescr(&PyArray_Type, descr, resolved.dims, shape, strides, *data,
                                         NPY_ARRAY_WRITEABLE, nullptr);
  if (array == nullptr) {
    Py_DECREF(capsule);
    throw PythonError{};
  }
  if (PyArray_SetBaseObject(reinterpret_cast<PyArrayObject*>(array), capsule) != 0) {  // it has taken the capsule
    Py_DECREF(array);
    throw PythonError{};
  }
  return array;
}

// NumPy's view of foreign memory, for as long as it is compared with another.
inline PyObject* view_bytes(const Array& array, std::int64_t size) {
  const int number = size == 1 ? NPY_UINT8 : size == 2 ? NPY_UINT16 : size == 4 ? NPY_UINT32 : NPY_UINT64;
  return PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(number), array.dims,
                              reinterpret_cast<npy_intp*>(const_cast<std::int64_t*>(array.shape)),
                              reinterpret_cast<npy_intp*>(const_cast<std::int64_t*>(array.steps)), array.data, 0,
                              nullptr);
}

inline void check_apart(const Array& a, std::int64_t a_size, const char* a_name, const Array& b, std::int64_t b_size,
                        const char* b_name) {
  std::int64_t a_first = 0, a_length = 0, b_first = 0, b_length = 0;
  extent(a, a_size, &a_first, &a_length);
  extent(b, b_size, &b_first, &b_length);
  const char *a_begin = a.data + a_first, *b_begin = b.data + b_first;
  if (a_begin + a_length <= b_begin || b_begin + b_length <= a_begin) return;
  // Slices of one buffer may lie between each other without touching; NumPy finds out, unless that takes too long.
  constexpr int kMostWork = 10000;
  const Reference numpy(outlive_interpreter([] { return PyImport_ImportModule("numpy"); })),
      a_view(view_bytes(a, a_size)), b_view(view_bytes(b, b_size));
  if (!numpy || !a_view || !b_view) throw PythonError{};
  const Reference share(outlive_interpreter([&] {
    return PyObject_CallMethod(numpy.get(), "shares_memory", "OOi", a_view.get(), b_view.get(), kMostWork);
  }));
  if (share.get() == Py_False) return;
  if (!share) PyErr_Clear();
  throw std::invalid_argument(std::string(a_name) + " of shape " + text_of(a.shape, a.dims) +
                              (share ? " shares memory with " : " may share memory with ") + b_name + " of shape " +
                              text_of(b.shape, b.dims) + ": give one that lies elsewhere.");
}

// An output that the caller has given.
inline void check_given(const Borrowed& given, const char* name, const Resolved& resolved, Type type,
                        const char* type_name, const Borrowed& input) {
  const Array& array = given.array;
  check_type(given, name, type, type_name);
  check_output_shape(array, name, resolved, input.array);
  check_apart_from_itself(array, name, size_of(type));
  check_apart(array, size_of(type), name, input.array, size_of(input.type), "the input");
}

}  // namespace poolbench::pool
