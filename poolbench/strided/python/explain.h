// What would be done, and by whom, as Python's dictionaries. For one source file.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "python/kept.h"

namespace nb = nanobind;

namespace poolbench::pool {

inline nb::dict row_of(const Kernel& kernel) {
  nb::dict row;
  row["name"] = name_of(kernel);
  row["pass"] = name_of(kernel.pass);
  row["kernel"] = kernel.name;
  row["isa"] = name_of(kernel.isa);
  row["op"] = name_of(kernel.op);
  row["type"] = name_of(kernel.type);
  row["takes"] = kernel.takes;
  row["cost"] = kernel.cost;
  return row;
}

inline nb::dict axis_of(const Axis& axis) {
  nb::dict told;
  told["positions"] = axis.positions;
  told["windows"] = axis.windows;
  told["window"] = axis.window;
  told["stride"] = axis.stride;
  told["dilation"] = axis.dilation;
  told["padding"] = axis.lo;
  return told;
}

inline nb::dict plan_of(const Plan& plan) {
  nb::dict told;
  told["outer"] = nb::make_tuple(plan.outer[0].count, plan.outer[1].count);
  told["d"] = axis_of(plan.d);
  told["h"] = axis_of(plan.h);
  told["w"] = axis_of(plan.w);
  told["inner"] = plan.inner;
  return told;
}

// None where the settings ask for what cannot do it.
inline nb::object choice_of(const Problem& problem, const Settings& settings) {
  const Choice choice = choose(problem, settings);
  if (choice.kernel < 0) return nb::none();
  nb::dict told = row_of(kernel_at(choice.kernel));
  nb::list fitting;
  for (const int position : choice.fitting) fitting.append(kernel_at(position).name);
  told["fitting"] = fitting;
  told["units"] = choice.units;
  told["threads"] = choice.threads;
  told["by_sample"] = choice.by_sample;
  told["plan"] = choice.is_planned ? nb::object(plan_of(choice.plan)) : nb::none();
  return told;
}

// A list with what each pass of the call would do: the forward one, and the gradient where there may be one.
inline PyObject* explain_call(const Resolved& resolved, const Settings& settings, const Kept* kept,
                              PyObject* gradient) {
  nb::list passes;
  if (resolved.elements > 0) {
    passes.append(choice_of(resolved.problem, settings));
    if (kept != nullptr) passes.append(choice_of(kept->planned(gradient), settings));
  }
  return passes.release().ptr();
}

}  // namespace poolbench::pool
