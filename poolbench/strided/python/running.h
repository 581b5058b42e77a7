// Running a problem from Python: on how many threads, by whom, and without the interpreter's lock. For one source file.
#pragma once

#include <algorithm>
#include <climits>
#include <stdexcept>
#include <string>

#include "python/arguments.h"
#include "python/interpreter.h"
#include "run/dispatch.h"
#include "run/indexed.h"
#include "run/processors.h"

namespace poolbench::pool {

// Work on fewer bytes is over before another thread could take the interpreter's lock.
constexpr std::int64_t kKeepLockBelow = 256 << 10;

inline int read_threads(PyObject* value) {
  if (value == Py_None) {
    static const int all = poolbench::count_processors();
    return all;
  }
  const std::int64_t threads = read_int(value, "threads", "a number of threads, or None for all processors");
  if (threads < 1) throw std::invalid_argument("threads is " + std::to_string(threads) + "; it must be at least 1.");
  return static_cast<int>(std::min<std::int64_t>(threads, INT_MAX));
}

// `wanted` and `kernel_wanted` name what must do it, or are None, or nullptr where the caller cannot say.
inline Settings read_settings(PyObject* threads, PyObject* wanted, PyObject* kernel_wanted) {
  Settings settings;
  settings.threads = read_threads(threads);
  if (wanted != nullptr && wanted != Py_None) {
    for (const Isa isa : {Isa::kBaseline, Isa::kAvx2, Isa::kAvx512, Isa::kNeon}) {
      if (text_of(wanted) == name_of(isa)) settings.isa = static_cast<int>(isa);
    }
    if (settings.isa < 0) throw std::invalid_argument("There is no instruction set " + text_of(wanted) + ".");
  }
  if (kernel_wanted != nullptr && kernel_wanted != Py_None) {
    settings.kernel = PyUnicode_AsUTF8AndSize(kernel_wanted, nullptr);
    if (settings.kernel == nullptr) throw PythonError{};
  }
  return settings;
}

inline int run_unlocked(const Problem& problem, const Settings& settings, std::int64_t bytes,
                 const Indices* indices = nullptr) {
  if (bytes < kKeepLockBelow) return run_and_index(problem, settings, indices);
  return poolbench::without_lock([&] { return run_and_index(problem, settings, indices); });
}

}  // namespace poolbench::pool
