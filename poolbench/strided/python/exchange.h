// Arrays whose type lends them in C: DLPack's exchange, without a call in Python. For one source file.
#pragma once

#include "python/dlpack.h"
#include "python/interpreter.h"
#include "python/objects.h"
#include "python/torch_tensors.h"

namespace poolbench::pool {
namespace dlpack {

// The table of functions that a type's __dlpack_c_exchange_api__ holds (dlpack.h, version 1.3). One of another major
// version has another layout behind `older`.
struct Exchange {
  std::uint32_t major;
  std::uint32_t minor;
  const Exchange* older;
  void* allocate;
  int (*lend)(void* object, VersionedTensor** tensor);
  void* take;
  void* describe;
  void* stream;
};

}  // namespace dlpack

// What is lent is given back with its scope.
struct Loan {
  dlpack::VersionedTensor* tensor = nullptr;

  Loan() = default;
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  ~Loan() {
    if (tensor != nullptr && tensor->deleter != nullptr) tensor->deleter(tensor);
  }
};

struct Lending {
  const dlpack::Exchange* exchange = nullptr;
  bool has_gradients = false;
};

// What a type says of itself alone: one derived from it may give out its memory by methods of its own.
inline Lending ask_lending(PyTypeObject* type) {
  Lending lending;
  const Reference attributes(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "__dict__"));
  const Reference capsule(
      attributes ? PyMapping_GetItemString(attributes.get(), "__dlpack_c_exchange_api__") : nullptr);
  if (capsule && PyCapsule_IsValid(capsule.get(), "dlpack_exchange_api")) {
    const auto* table =
        static_cast<const dlpack::Exchange*>(PyCapsule_GetPointer(capsule.get(), "dlpack_exchange_api"));
    while (table != nullptr && table->major != 1) table = table->older;
    if (table != nullptr && table->lend != nullptr) lending.exchange = table;
  }
  PyErr_Clear();
  const auto has = [type](const char* name) {
    return PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), name) == 1;
  };
  lending.has_gradients = has("requires_grad");
  // PaddlePaddle's tensors have the exchange too, and say the opposite: what they refuse, they refuse themselves.
  if (has("stop_gradient")) lending.exchange = nullptr;
  return lending;
}

// Kept for the last type: most calls come with the same, and it stays what it is, as DLPack has it.
inline const Lending& lending_of(PyTypeObject* type) {
  static PyTypeObject* known = nullptr;  // never given back, so that no other type can come to lie there
  static Lending lending;
  if (type != known) {
    lending = ask_lending(type);
    Py_INCREF(reinterpret_cast<PyObject*>(type));
    known = type;
  }
  return lending;
}

// Takes the array in where its type lends it in C and nothing is out of the ordinary; the memory stays where it is while
// `loan` lives. All else is left to __dlpack__, false says: it knows of more, and its errors say what is wrong.
inline bool take_lent(PyObject* object, bool writable, Described& to, Loan& loan) {
  const Lending& lending = lending_of(Py_TYPE(object));
  const dlpack::Exchange* const exchange = lending.exchange;
  if (exchange == nullptr) return false;
  if (lending.has_gradients) {  // the exchange lends what __dlpack__ refuses
    static PyObject* const requires_grad = PyUnicode_InternFromString("requires_grad");
    const Reference wanted(PyObject_GetAttr(object, requires_grad));
    if (!wanted) PyErr_Clear();
    if (wanted.get() != Py_False) return false;
  }
  if (outlive_interpreter([&] { return exchange->lend(object, &loan.tensor); }) != 0) {
    loan.tensor = nullptr;
    PyErr_Clear();
    return false;
  }
  const dlpack::VersionedTensor& lent = *loan.tensor;
  if (lent.major != 1 || !dlpack::is_in_memory(lent.tensor.device_type)) return false;
  if (writable && (lent.flags & dlpack::kReadOnly) != 0) return false;
  read_dlpack(lent.tensor, to);
  if (!to.has_type || to.array.data == nullptr) return false;
  if (tensor_kind(object) != Tensor::kForeign) check_torch(object, writable, lent.tensor.bits / 8, to);
  return true;
}

}  // namespace poolbench::pool
