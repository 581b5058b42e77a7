// Arrays of Python's, read and written where they lie: NumPy's, whatever speaks DLPack, and buffers. For one source file.
#pragma once

#define NPY_NO_DEPRECATED_API NPY_2_0_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <stdexcept>
#include <string>

#include "resolve.h"

namespace poolbench::pool {

// Becomes a TypeError, as std::invalid_argument becomes a ValueError.
struct WrongType : std::runtime_error {
  using std::runtime_error::runtime_error;
};

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

namespace dlpack {

// The parts of DLPack's application binary interface that are read here (dlpack.h, version 1.0).
enum Device : std::int32_t { kCpu = 1, kCudaHost = 3, kRocmHost = 11 };
enum Code : std::uint8_t { kInt = 0, kUint = 1, kFloat = 2, kBfloat = 4 };

struct Tensor {
  void* data;
  std::int32_t device_type;
  std::int32_t device_id;
  std::int32_t dims;
  std::uint8_t code;
  std::uint8_t bits;
  std::uint16_t lanes;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; nullptr for C order
  std::uint64_t byte_offset;
};

struct VersionedTensor {
  std::uint32_t major;
  std::uint32_t minor;
  void* manager;
  void (*deleter)(VersionedTensor*);
  std::uint64_t flags;
  Tensor tensor;
};

constexpr std::uint64_t kReadOnly = 1;

}  // namespace dlpack

// An array that belongs to the caller. While this lives, its memory stays where it is.
class Borrowed {
 public:
  // Takes the array in. `name` is what the caller knows it by; `writable` asks for one to write to.
  Borrowed(PyObject* object, const char* name, bool writable) : name_(name) {
    if (PyArray_Check(object)) {
      take_numpy(reinterpret_cast<PyArrayObject*>(object), writable);
    } else if (PyObject_HasAttrString(object, "__dlpack__")) {
      take_dlpack(object, writable);
    } else if (PyObject_CheckBuffer(object)) {
      take_buffer(object, writable);
    } else {
      throw WrongType(std::string(name) + " is of type " + class_of(object) +
                      ", which speaks neither DLPack nor the buffer protocol: give a NumPy array, a PyTorch or "
                      "TensorFlow tensor or the like; numpy.asarray makes an array of most things.");
    }
  }
  ~Borrowed() {
    if (has_view_) PyBuffer_Release(&view_);
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

  Array array;
  Type type{};
  bool has_type = false;  // whether `type` is one of ours; `type_name` says what it is otherwise
  std::string type_name;

 private:
  void set_type(Type known) {
    type = known;
    has_type = true;
  }

  void set_dims(std::int64_t dims) {
    if (dims > kMostAxes) {
      throw std::invalid_argument(std::string(name_) + " has " + std::to_string(dims) +
                                  " axes: pooling takes at most " + std::to_string(kMostAxes) +
                                  ", (N, C, D, H, W).");
    }
    array.dims = static_cast<int>(dims);
  }

  [[noreturn]] void fail_read_only(const std::string& what) {
    throw std::invalid_argument(std::string(name_) + " is " + what + ": give an array that may be written.");
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

  void take_dlpack(PyObject* object, bool writable) {
    check_device(object);
    capsule_.reset(export_dlpack(object));
    const dlpack::Tensor* tensor = nullptr;
    bool may_write = false;
    if (PyCapsule_IsValid(capsule_.get(), "dltensor_versioned")) {
      const auto* versioned =
          static_cast<dlpack::VersionedTensor*>(PyCapsule_GetPointer(capsule_.get(), "dltensor_versioned"));
      if (versioned->major != 1) {
        throw WrongType(std::string(name_) + " speaks version " + std::to_string(versioned->major) +
                        " of DLPack; version 1 is understood here.");
      }
      tensor = &versioned->tensor;
      may_write = (versioned->flags & dlpack::kReadOnly) == 0;
    } else if (PyCapsule_IsValid(capsule_.get(), "dltensor")) {
      tensor = static_cast<dlpack::Tensor*>(PyCapsule_GetPointer(capsule_.get(), "dltensor"));
      // The first version cannot say that memory is read-only; of those that speak it, PyTorch's never is.
      const Reference module(
          PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__module__"));
      if (!module) PyErr_Clear();
      may_write = module && text_of(module.get()).rfind("torch", 0) == 0;
    } else {
      throw WrongType(std::string(name_) + " is of type " + class_of(object) +
                      ", whose __dlpack__ gave no DLPack capsule.");
    }
    if (writable && !may_write) fail_read_only("a " + class_of(object) + ", which does not let others write to it");
    read_dlpack(*tensor);
  }

  void check_device(PyObject* object) {
    const Reference device(PyObject_CallMethod(object, "__dlpack_device__", nullptr));
    const Reference kind(device ? PySequence_GetItem(device.get(), 0) : nullptr);
    const long code = kind ? PyLong_AsLong(kind.get()) : -1;
    if (PyErr_Occurred()) throw WrongType(std::string(name_) + " does not say where it is: " + take_error());
    if (code == dlpack::kCpu || code == dlpack::kCudaHost || code == dlpack::kRocmHost) return;
    throw std::invalid_argument(std::string(name_) + " is a " + class_of(object) + " on DLPack device type " +
                                std::to_string(code) + ": only arrays in the CPU's memory are pooled; copy it there.");
  }

  PyObject* export_dlpack(PyObject* object) {
    const Reference method(PyObject_GetAttrString(object, "__dlpack__"));
    const Reference none(PyTuple_New(0));
    const Reference options(Py_BuildValue("{s:(ii)}", "max_version", 1, 0));
    PyObject* capsule = method && none && options ? PyObject_Call(method.get(), none.get(), options.get()) : nullptr;
    if (capsule == nullptr && method && PyErr_ExceptionMatches(PyExc_TypeError)) {
      PyErr_Clear();  // it was made before that parameter
      capsule = PyObject_Call(method.get(), none.get(), nullptr);
    }
    if (capsule != nullptr) return capsule;
    const std::string reason = take_error();
    const Reference needs_gradient(PyObject_GetAttrString(object, "requires_grad"));
    PyErr_Clear();
    if (needs_gradient && needs_gradient.get() == Py_True) {
      throw WrongType(std::string(name_) +
                      " is a tensor that requires a gradient, and this kernel computes none: pass " + name_ +
                      ".detach().");
    }
    throw WrongType(std::string(name_) + " is a " + class_of(object) + " that does not give out its memory: " + reason);
  }

  void read_dlpack(const dlpack::Tensor& tensor) {
    const bool is_whole = tensor.lanes == 1;
    if (is_whole && tensor.code == dlpack::kFloat && tensor.bits == 64) set_type(Type::kF64);
    if (is_whole && tensor.code == dlpack::kFloat && tensor.bits == 32) set_type(Type::kF32);
    if (is_whole && tensor.code == dlpack::kFloat && tensor.bits == 16) set_type(Type::kF16);
    if (is_whole && tensor.code == dlpack::kBfloat && tensor.bits == 16) set_type(Type::kBf16);
    if (is_whole && tensor.code == dlpack::kUint && tensor.bits == 8) set_type(Type::kU8);
    if (is_whole && tensor.code == dlpack::kInt) {
      if (tensor.bits == 8) set_type(Type::kI8);
      if (tensor.bits == 16) set_type(Type::kI16);
      if (tensor.bits == 32) set_type(Type::kI32);
      if (tensor.bits == 64) set_type(Type::kI64);
    }
    if (!has_type) {
      constexpr const char* kNames[] = {"int", "uint", "float", "opaque", "bfloat", "complex", "bool"};
      type_name = (tensor.code < 7 ? kNames[tensor.code] : "unknown") +
                  (tensor.code == 6 ? std::string() : std::to_string(tensor.bits));
    }
    set_dims(tensor.dims);
    array.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
    const std::int64_t size = tensor.bits / 8;
    std::int64_t packed = size;
    for (int i = array.dims - 1; i >= 0; --i) {
      array.shape[i] = tensor.shape[i];
      const bool is_packed = tensor.strides == nullptr;
      if (is_packed) array.steps[i] = packed;
      if ((is_packed && __builtin_mul_overflow(packed, tensor.shape[i], &packed)) ||
          (!is_packed && __builtin_mul_overflow(tensor.strides[i], size, &array.steps[i]))) {
        throw std::invalid_argument(std::string(name_) + " has sizes or strides that overflow.");
      }
    }
  }

  void take_buffer(PyObject* object, bool writable) {
    if (PyObject_GetBuffer(object, &view_, writable ? PyBUF_RECORDS : PyBUF_RECORDS_RO) != 0) {
      const std::string reason = take_error();
      if (writable) fail_read_only("a " + class_of(object) + " that cannot be written (" + reason + ")");
      throw WrongType(std::string(name_) + " is a " + class_of(object) + " that does not give out its memory: " +
                      reason);
    }
    has_view_ = true;
    set_dims(view_.ndim);
    array.data = static_cast<char*>(view_.buf);
    for (int i = 0; i < array.dims; ++i) {
      array.shape[i] = view_.shape[i];
      array.steps[i] = view_.strides[i];
    }
    const char* format = view_.format == nullptr ? "B" : view_.format;
    const char* code = format + (*format == '@' || *format == '=' || *format == '<');  // this processor's byte order
    type_name = std::string("format '") + format + "'";
    if (code[0] == '\0' || code[1] != '\0') return;
    const bool is_signed = std::string("bhilqn").find(*code) != std::string::npos;
    if (*code == 'd' && view_.itemsize == 8) set_type(Type::kF64);
    if (*code == 'f' && view_.itemsize == 4) set_type(Type::kF32);
    if (*code == 'e' && view_.itemsize == 2) set_type(Type::kF16);
    if (*code == 'B') set_type(Type::kU8);
    if (is_signed && view_.itemsize == 1) set_type(Type::kI8);
    if (is_signed && view_.itemsize == 2) set_type(Type::kI16);
    if (is_signed && view_.itemsize == 4) set_type(Type::kI32);
    if (is_signed && view_.itemsize == 8) set_type(Type::kI64);
  }

  const char* name_;
  Reference capsule_;  // its destructor gives the DLPack tensor back
  Py_buffer view_;
  bool has_view_ = false;
};

}  // namespace poolbench::pool
