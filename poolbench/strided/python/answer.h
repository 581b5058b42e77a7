// What becomes of C++'s errors where Python calls.
#pragma once

#include <new>
#include <stdexcept>

#include "python/objects.h"

namespace poolbench::pool {

// What a body returns, or nullptr with Python's error set.
template <class Body>
PyObject* answer(Body body) {
  try {
    return body();
  } catch (const PythonError&) {
  } catch (const WrongType& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace poolbench::pool
