// What the functions are given beside arrays: numbers, flags and names. For one source file.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>

#include "arrays.h"

namespace poolbench::pool {

[[noreturn]] inline void fail_type(const char* name, const char* wanted, PyObject* got) {
  throw WrongType(std::string(name) + " must be " + wanted + "; it is " + text_of(got) + ", of type " + class_of(got) +
                  ".");
}

inline std::int64_t read_int(PyObject* value, const char* name, const char* wanted) {
  if (!PyLong_CheckExact(value)) {
    const Reference number(PyNumber_Index(value));
    if (number && PyLong_CheckExact(number.get())) return read_int(number.get(), name, wanted);
    PyErr_Clear();
    fail_type(name, wanted, value);
  }
  int overflow = 0;
  const long long result = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0) {
    throw std::invalid_argument(std::string(name) + " holds a number that 64 bits cannot hold.");
  }
  return result;
}

inline bool is_number(PyObject* value) {
  if (PyLong_CheckExact(value)) return true;
  if (!PyIndex_Check(value)) return false;
  const Reference number(PyNumber_Index(value));  // arrays say that they are numbers, which few are
  if (!number) PyErr_Clear();
  return static_cast<bool>(number);
}

inline bool is_empty_sequence(PyObject* value) {
  if (PyLong_CheckExact(value) || PyUnicode_Check(value) || PyBytes_Check(value) || !PySequence_Check(value)) return false;
  const Py_ssize_t length = PySequence_Size(value);
  if (length < 0) PyErr_Clear();  // an array that is a number has no length
  return length == 0;
}

// Calls read(entry, axis) for each pooled axis: an argument is one entry for all, or a sequence of one or of `rank`.
template <class Read>
void read_entries(PyObject* value, const char* name, const char* wanted, int rank, Read read) {
  if (is_number(value)) {
    for (int i = 0; i < rank; ++i) read(value, i);
    return;
  }
  if (PyUnicode_Check(value) || PyBytes_Check(value) || !PySequence_Check(value)) fail_type(name, wanted, value);
  const Reference entries(PySequence_Tuple(value));
  if (!entries) {
    PyErr_Clear();
    fail_type(name, wanted, value);
  }
  const Py_ssize_t count = PyTuple_Size(entries.get());
  if (count != 1 && count != rank) {
    const bool is_pair = count == 2 && rank == 1 && std::string(name) == "padding";
    throw std::invalid_argument(std::string(name) + " " + text_of(value) + " has " + std::to_string(count) +
                                " entries: pooling over " + std::to_string(rank) +
                                (rank == 1 ? " axis takes one" : " axes takes one, or " + std::to_string(rank)) +
                                (is_pair ? "; a (lo, hi) pair is written ((lo, hi),)." : "."));
  }
  for (int i = 0; i < rank; ++i) read(PyTuple_GetItem(entries.get(), count == 1 ? 0 : i), i);
}

inline void read_ints(PyObject* value, const char* name, int rank, std::int64_t* result) {
  constexpr const char* kWanted = "an integer or a sequence of one integer per axis";
  if (PyLong_CheckExact(value)) {
    std::fill(result, result + rank, read_int(value, name, kWanted));
    return;
  }
  read_entries(value, name, kWanted, rank,
               [=](PyObject* entry, int i) { result[i] = read_int(entry, name, kWanted); });
}

inline void read_padding(PyObject* value, Request& request) {
  constexpr const char* kWanted = "an integer, or a sequence of one integer or (lo, hi) pair per axis";
  if (PyLong_CheckExact(value)) {
    const std::int64_t both = read_int(value, "padding", kWanted);
    for (int i = 0; i < request.rank; ++i) {
      request.lo[i] = request.hi[i] = both;
      request.one_number[i] = true;
    }
    return;
  }
  read_entries(value, "padding", kWanted, request.rank, [&](PyObject* entry, int i) {
    if (is_number(entry)) {
      request.lo[i] = request.hi[i] = read_int(entry, "padding", kWanted);
      request.one_number[i] = true;
      return;
    }
    const Reference pair(PySequence_Check(entry) && !PyUnicode_Check(entry) ? PySequence_Tuple(entry) : nullptr);
    if (!pair || PyTuple_Size(pair.get()) != 2) {
      PyErr_Clear();
      fail_type("padding", kWanted, value);
    }
    request.lo[i] = read_int(PyTuple_GetItem(pair.get(), 0), "padding", kWanted);
    request.hi[i] = read_int(PyTuple_GetItem(pair.get(), 1), "padding", kWanted);
  });
}

inline bool read_flag(PyObject* value, const char* name) {
  if (value == Py_True) return true;
  if (value == Py_False) return false;
  if (PyArray_IsScalar(value, Bool)) return PyObject_IsTrue(value) == 1;
  fail_type(name, "True or False", value);
}

inline bool read_channels_last(PyObject* value, int rank) {
  struct Name {
    const char* name;
    bool channels_last;
    int rank;  // or 0 for all
  };
  constexpr Name kNames[] = {{"NCHW", false, 0}, {"NHWC", true, 0}, {"NCL", false, 1},  {"NLC", true, 1},
                             {"NCW", false, 1},  {"NWC", true, 1},  {"NCDHW", false, 3}, {"NDHWC", true, 3}};
  if (PyUnicode_Check(value)) {
    for (const Name& each : kNames) {
      if ((each.rank == 0 || each.rank == rank) && PyUnicode_CompareWithASCIIString(value, each.name) == 0) {
        return each.channels_last;
      }
    }
  }
  throw std::invalid_argument("layout is " + text_of(value) + ": it must be 'NCHW' (channels before the pooled axes) " +
                              "or 'NHWC' (channels after them), whatever the number of pooled axes.");
}

}  // namespace poolbench::pool
