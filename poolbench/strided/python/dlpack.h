// Arrays that are given out by DLPack, by which libraries lend each other memory. For one source file.
#pragma once

#include <cstdint>

#include "python/interpreter.h"
#include "python/objects.h"
#include "python/torch_tensors.h"

namespace poolbench::pool {
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

constexpr bool is_in_memory(long device) { return device == kCpu || device == kCudaHost || device == kRocmHost; }

}  // namespace dlpack

inline void check_device(PyObject* object, const char* name) {
  const Reference device(
      outlive_interpreter([=] { return PyObject_CallMethod(object, "__dlpack_device__", nullptr); }));
  const Reference kind(device ? PySequence_GetItem(device.get(), 0) : nullptr);
  const long code = kind ? PyLong_AsLong(kind.get()) : -1;
  if (PyErr_Occurred()) throw WrongType(std::string(name) + " does not say where it is: " + take_error());
  if (dlpack::is_in_memory(code)) return;
  throw std::invalid_argument(std::string(name) + " is a " + class_of(object) + " on DLPack device type " +
                              std::to_string(code) + ": only arrays in the CPU's memory are pooled; copy it there.");
}

inline PyObject* export_dlpack(PyObject* object, const char* name) {
  const Reference method(PyObject_GetAttrString(object, "__dlpack__"));
  const Reference none(PyTuple_New(0));
  const Reference options(Py_BuildValue("{s:(ii)}", "max_version", 1, 0));
  const auto call = [&](PyObject* with) {
    return outlive_interpreter([&] { return PyObject_Call(method.get(), none.get(), with); });
  };
  PyObject* capsule = method && none && options ? call(options.get()) : nullptr;
  if (capsule == nullptr && method && PyErr_ExceptionMatches(PyExc_TypeError)) {
    PyErr_Clear();  // it was made before that parameter
    capsule = call(nullptr);
  }
  if (capsule != nullptr) return capsule;
  const std::string reason = take_error();
  const Reference needs_gradient(PyObject_GetAttrString(object, "requires_grad"));
  PyErr_Clear();
  if (needs_gradient && needs_gradient.get() == Py_True) {
    throw WrongType(std::string(name) +
                    " is a tensor that requires a gradient, and this kernel computes none: pass " + name +
                    ".detach().");
  }
  throw WrongType(std::string(name) + " is a " + class_of(object) + " that does not give out its memory: " + reason);
}

inline void read_dlpack(const dlpack::Tensor& tensor, Described& to) {
  const bool is_whole = tensor.lanes == 1;
  if (is_whole && tensor.code == dlpack::kFloat && tensor.bits == 64) to.set_type(Type::kF64);
  if (is_whole && tensor.code == dlpack::kFloat && tensor.bits == 32) to.set_type(Type::kF32);
  if (is_whole && tensor.code == dlpack::kFloat && tensor.bits == 16) to.set_type(Type::kF16);
  if (is_whole && tensor.code == dlpack::kBfloat && tensor.bits == 16) to.set_type(Type::kBf16);
  if (is_whole && tensor.code == dlpack::kUint && tensor.bits == 8) to.set_type(Type::kU8);
  if (is_whole && tensor.code == dlpack::kInt) {
    if (tensor.bits == 8) to.set_type(Type::kI8);
    if (tensor.bits == 16) to.set_type(Type::kI16);
    if (tensor.bits == 32) to.set_type(Type::kI32);
    if (tensor.bits == 64) to.set_type(Type::kI64);
  }
  if (!to.has_type) {
    constexpr const char* kNames[] = {"int", "uint", "float", "opaque", "bfloat", "complex", "bool"};
    to.type_name = (tensor.code < 7 ? kNames[tensor.code] : "unknown") +
                   (tensor.code == 6 ? std::string() : std::to_string(tensor.bits));
  }
  to.set_dims(tensor.dims);
  if (tensor.data != nullptr) to.array.data = static_cast<char*>(tensor.data) + tensor.byte_offset;
  const std::int64_t size = tensor.bits / 8;
  std::int64_t packed = size;
  for (int i = to.array.dims - 1; i >= 0; --i) {
    to.array.shape[i] = tensor.shape[i];
    const bool is_packed = tensor.strides == nullptr;
    if (is_packed) to.array.steps[i] = packed;
    if ((is_packed && __builtin_mul_overflow(packed, tensor.shape[i], &packed)) ||
        (!is_packed && __builtin_mul_overflow(tensor.strides[i], size, &to.array.steps[i]))) {
      throw std::invalid_argument(std::string(to.name) + " has sizes or strides that overflow.");
    }
  }
}

// Takes the array in; the memory stays where it is while `capsule` lives.
inline void take_dlpack(PyObject* object, bool writable, Described& to, Reference& capsule) {
  const Tensor kind = tensor_kind(object);
  if (kind == Tensor::kMasked) fail_masked(object, to.name, writable, "to_tensor(value)", "get_data()");
  check_device(object, to.name);
  capsule.reset(export_dlpack(object, to.name));
  const dlpack::Tensor* tensor = nullptr;
  bool may_write = false;
  if (PyCapsule_IsValid(capsule.get(), "dltensor_versioned")) {
    const auto* versioned =
        static_cast<dlpack::VersionedTensor*>(PyCapsule_GetPointer(capsule.get(), "dltensor_versioned"));
    if (versioned->major != 1) {
      throw WrongType(std::string(to.name) + " speaks version " + std::to_string(versioned->major) +
                      " of DLPack; version 1 is understood here.");
    }
    tensor = &versioned->tensor;
    may_write = (versioned->flags & dlpack::kReadOnly) == 0;
  } else if (PyCapsule_IsValid(capsule.get(), "dltensor")) {
    tensor = static_cast<dlpack::Tensor*>(PyCapsule_GetPointer(capsule.get(), "dltensor"));
    // The first version cannot say that memory is read-only; of those that speak it, PyTorch's never is.
    const Reference module(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__module__"));
    if (!module) PyErr_Clear();
    may_write = module && text_of(module.get()).rfind("torch", 0) == 0;
  } else {
    throw WrongType(std::string(to.name) + " is of type " + class_of(object) +
                    ", whose __dlpack__ gave no DLPack capsule.");
  }
  if (writable && !may_write) to.fail_read_only("a " + class_of(object) + ", which does not let others write to it");
  read_dlpack(*tensor, to);
  to.check_memory(object);
  if (kind == Tensor::kPlain) check_torch(object, writable, tensor->bits / 8, to);
}

}  // namespace poolbench::pool
