// The interpreter's lock: left for work without Python's objects, and what becomes of a thread that comes back for it
// while the interpreter ends.
#pragma once

#include <Python.h>
#include <unistd.h>

namespace poolbench {

// Calls what may take the interpreter's lock and throws nothing of its own.
//
// Until Python 3.13 a thread that takes the lock of an interpreter that is ending is ended by pthread_exit, which unwinds
// its stack as an exception does. In C++ that aborts the process at the first noexcept function, and destructors would
// touch Python's objects without the lock. So the thread stays here for ever, as it does from 3.14 on: the process ends
// without it, with the exit code that the program gave.
template <class Body>
auto outlive_interpreter(Body body) {
  try {
    return body();
  } catch (...) {  // nothing but that unwinding can come through Python's C functions
    for (;;) pause();
  }
}

// Returns what `body` returns, which runs without the lock and does not throw. No destructor takes the lock back: those
// are noexcept.
template <class Body>
auto without_lock(Body body) {
  PyThreadState* const state = PyEval_SaveThread();
  const auto result = body();
  outlive_interpreter([state] { PyEval_RestoreThread(state); });
  return result;
}

}  // namespace poolbench
