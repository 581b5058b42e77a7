// A pass, and the indices of its maxima where they are asked for.
#pragma once

#include "keep/indices.h"
#include "problem/resolve.h"
#include "run/dispatch.h"

namespace poolbench::pool {

// Where indices are written: an array of the output's shape.
inline Indices indices_at(const Resolved& resolved, char* data, const std::int64_t* steps) {
  Indices indices;
  indices.data = data;
  if (resolved.dims > resolved.rank + 1) indices.steps[0] = steps[0];
  indices.steps[1] = steps[resolved.channels_axis];
  for (int i = 0; i < resolved.rank; ++i) {
    indices.steps[5 - resolved.rank + i] = steps[resolved.first_pooled_axis + i];
  }
  return indices;
}

// As run(); with `indices` the problem is a kKeep, whose offsets say where the maxima are.
inline int run_and_index(const Problem& problem, const Settings& settings, const Indices* indices) {
  const int done_by = run(problem, settings);
  if (done_by >= 0 && indices != nullptr) write_indices(problem, *indices, settings.threads);
  return done_by;
}

}  // namespace poolbench::pool
