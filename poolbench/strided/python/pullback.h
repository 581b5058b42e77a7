// The Python object that turns a gradient around: what a forward call kept, and the call. For one source file.
#pragma once

#include <Python.h>
#include <structmember.h>

#include <string>

#include "python/answer.h"
#include "python/kept.h"

namespace poolbench::pool {

// A type of CPython's own, since a class in Python cost more than a small pooling: its call makes no Python frame, and what
// is kept lies in the object itself. It has no reference to any other object, so that no cycle can pass through it.
struct Pullback {
  PyObject_HEAD
  vectorcallfunc call;
  alignas(Kept) unsigned char room[sizeof(Kept)];

  Kept& kept() { return *reinterpret_cast<Kept*>(room); }

  static Pullback* of(PyObject* object) { return reinterpret_cast<Pullback*>(object); }
  static PyTypeObject*& type() {
    static PyTypeObject* made = nullptr;  // when the module is loaded
    return made;
  }
  static bool is(PyObject* object) { return Py_TYPE(object) == type(); }

  static Pullback* make() {
    Pullback* const made = PyObject_New(Pullback, type());
    if (made == nullptr) throw PythonError{};
    made->call = called;
    new (made->room) Kept();
    return made;
  }

  // pullback(grad_output, *, out=None, threads=None)
  static PyObject* called(PyObject* self, PyObject* const* args, std::size_t flagged, PyObject* names) {
    return answer([=] {
      const Py_ssize_t positional = PyVectorcall_NARGS(flagged), named = names == nullptr ? 0 : PyTuple_Size(names);
      if (positional > 1) {
        throw WrongType("A pullback takes one argument by position, grad_output; it was given " +
                        std::to_string(positional) + ": out and threads are given by name.");
      }
      PyObject* grad_output = positional == 1 ? args[0] : nullptr;
      PyObject *out = Py_None, *threads = Py_None;
      for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject* const name = PyTuple_GetItem(names, i);
        PyObject* const value = args[positional + i];
        if (PyUnicode_CompareWithASCIIString(name, "threads") == 0) {
          threads = value;
        } else if (PyUnicode_CompareWithASCIIString(name, "out") == 0) {
          out = value;
        } else if (PyUnicode_CompareWithASCIIString(name, "grad_output") == 0 && grad_output == nullptr) {
          grad_output = value;
        } else {
          throw WrongType("A pullback takes grad_output, out and threads, each once; it was given '" + text_of(name) +
                          "'.");
        }
      }
      if (grad_output == nullptr) throw WrongType("A pullback takes the gradient of the output, grad_output.");
      return of(self)->kept().pull_back(grad_output, out, read_settings(threads, nullptr, nullptr), false);
    });
  }

 private:
  static void dealloc(PyObject* self) {
    PyTypeObject* const own = Py_TYPE(self);
    of(self)->kept().~Kept();
    PyObject_Free(self);
    Py_DECREF(own);  // a type that was made when the module was loaded is counted by its objects
  }

  static PyObject* saved_bytes(PyObject* self, void*) {
    return PyLong_FromSize_t(of(self)->kept().offsets.bytes());
  }
  static PyObject* input_shape(PyObject* self, void*) { return of(self)->kept().input_shape(); }

  static PyObject* repr(PyObject* self) {
    const Reference shape(of(self)->kept().input_shape());
    if (!shape) return nullptr;
    return PyUnicode_FromFormat("Pullback(input_shape=%R, saved_bytes=%zu)", shape.get(),
                                of(self)->kept().offsets.bytes());
  }

 public:
  // Makes the type and adds it to the module; false with Python's error set.
  static bool add_to(PyObject* module) {
    static PyMemberDef members[] = {
        {"__vectorcalloffset__", T_PYSSIZET, offsetof(Pullback, call), READONLY, nullptr},
        {nullptr, 0, 0, 0, nullptr}};
    static PyGetSetDef properties[] = {
        {"saved_bytes", saved_bytes, nullptr,
         "How many bytes are kept for the gradient: those of the places of maxima, 0 for averages.", nullptr},
        {"input_shape", input_shape, nullptr, "The shape of the input, and of its gradient.", nullptr},
        {nullptr, nullptr, nullptr, nullptr, nullptr}};
    static PyType_Slot slots[] = {
        {Py_tp_doc, const_cast<char*>(kDoc)},
        {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
        {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
        {Py_tp_repr, reinterpret_cast<void*>(repr)},
        {Py_tp_members, members},
        {Py_tp_getset, properties},
        {0, nullptr}};
    static PyType_Spec spec = {
        "poolbench.strided.training.Pullback", static_cast<int>(sizeof(Pullback)), 0,
        static_cast<unsigned>(Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION),
        slots};
    PyObject* const made = PyType_FromSpec(&spec);
    if (made == nullptr) return false;
    type() = reinterpret_cast<PyTypeObject*>(made);
    Py_INCREF(made);  // one for the module, one for type()
    if (PyModule_AddObject(module, "Pullback", made) == 0) return true;
    Py_DECREF(made);
    return false;
  }

 private:
  static constexpr const char* kDoc =
      "What turns the gradient of an output into the gradient of the input: pullback(grad_output, *, out=None, "
      "threads=None).\n\n"
      "The forward functions make it. It may be called any number of times, also from several threads at once.\n\n"
      "``grad_output`` has the output's shape and the input's dtype, and any strides: a slice of the channels, a\n"
      "transposed or an expanded array is read where it lies. ``out`` is a writable array of the input's shape and\n"
      "dtype, apart from ``grad_output``, which is written and returned; otherwise the result is a new NumPy array, "
      "in\n"
      "C order, or with the channels innermost where the input had them so. ``threads`` is the most threads to work\n"
      "on, by default as many as the process has processors.\n\n"
      "Raises ValueError for a shape that is not the output's or input's, for an ``out`` that is read-only, overlaps\n"
      "itself or shares memory with ``grad_output``, and TypeError for a dtype that is not the input's.";
};

}  // namespace poolbench::pool
