#include "run/dispatch.h"

#include <algorithm>
#include <cstring>

#include "run/overflow.h"
#include "run/registry.h"
#include "run/units.h"

namespace poolbench::pool {
namespace {

constexpr std::int64_t kTinyReads = 96;

bool is_average_of_samples(const Problem& p) { return p.op == Op::kAvg && p.batch.count > 1; }

std::int64_t bytes_moved(const Problem& p) {
  const std::int64_t size = size_of(p.type), kept = p.pass == Pass::kPool ? 0 : p.offset_size;
  std::int64_t positions = p.batch.count * p.channels.count, windows = positions;
  for (const Axis& axis : p.axes) {
    positions *= axis.positions;
    windows *= axis.windows;
  }
  return positions * size + windows * (size + kept);
}

bool is_empty(const Problem& p) { return p.batch.count == 0 || p.channels.count == 0; }

// So little that making a plan would take longer than to do without. For averages the sample decides.
bool is_tiny(const Problem& p) {
  if (p.pass == Pass::kGradient) return false;
  std::int64_t reads = (is_average_of_samples(p) ? 1 : p.batch.count) * p.channels.count;
  for (const Axis& axis : p.axes) {
    if (axis.adaptive() || reads > kTinyReads || axis.window > kTinyReads) return false;
    reads *= axis.windows * axis.window;
  }
  return reads <= kTinyReads;
}

// Sums that left their type's range are taken again.
void mend(const Problem& problem, const Plan& plan) {
  if (problem.pass == Pass::kGradient) {
    mend_gradient(plan);
  } else {
    mend_averages(problem);
  }
}

// The samples of a batch, each by the plan for one of them.
struct Samples {
  const Kernel* kernel;
  const Plan* plan;
  std::int64_t units;  // of one

  void run(const Plan& sample, std::int64_t first, std::int64_t last) const {
    const Outer& batch = plan->problem->batch;
    while (first < last) {
      const std::int64_t n = first / units, end = std::min(last, (n + 1) * units);
      Plan moved = sample;
      moved.in += n * batch.in_step;
      moved.out += n * batch.out_step;
      kernel->run(moved, first - n * units, end - n * units);
      first = end;
    }
  }
};

// Whether an axis means the same work for each output. How many rows are pooled by themselves is all one.
bool is_alike(const Axis& a, const Axis& b) {
  return (is_identity(a) && is_identity(b)) ||
         (a.positions == b.positions && a.windows == b.windows && a.window == b.window && a.stride == b.stride &&
          a.dilation == b.dilation && a.lo == b.lo);
}

bool is_alike(const Plan& a, const Plan& b) {
  return is_alike(a.d, b.d) && is_alike(a.h, b.h) && is_alike(a.w, b.w) && a.inner == b.inner;
}

// Calls visit(position) for each kernel that could do the plan, in order of preference, until it returns true.
template <class Visit>
void visit_fitting(const Problem& problem, const Settings& settings, const Plan& plan, Visit visit) {
  const Registry& all = registry();
  const Isa isa = settings.isa < 0 ? default_isa() : static_cast<Isa>(settings.isa);
  for (const int position : all.need(problem.pass, isa, problem.op, problem.type)) {
    const Kernel& kernel = all.at(position);
    if (settings.kernel != nullptr && std::strcmp(settings.kernel, kernel.name) != 0) continue;
    if (problem.offset_size > 4 && !is_scalar(kernel)) continue;
    if (kernel.fits(plan) && visit(position)) return;
  }
}

// Which kernel does an average is decided by its sample alone, since kernels add up in different orders. It does the
// batch as one where that is the same work for each sample.
template <class Done>
int run_average(const Problem& problem, const BatchPlans& plans, const Settings& settings, Done done) {
  const Plan &whole = plans.batch, &sample = plans.sample;
  int found = -1;
  visit_fitting(problem, settings, sample, [&](int position) {
    found = position;
    return true;
  });
  if (found < 0) return found;
  const Kernel& kernel = kernel_at(found);
  const bool as_one = is_scalar(kernel) || (is_alike(sample, whole) && kernel.fits(whole));
  done(kernel, as_one ? whole : sample, !as_one);
  return found;
}

}  // namespace

int run(const Problem& problem, const Settings& settings) {
  const Registry& all = registry();
  if (is_empty(problem)) return all.need(problem.pass, Isa::kBaseline, problem.op, problem.type).back();
  if (settings.kernel == nullptr && is_tiny(problem)) {
    const int position = all.need(problem.pass, Isa::kBaseline, problem.op, problem.type).back();
    Plan unplanned{};
    unplanned.problem = &problem;
    const Kernel& kernel = all.at(position);
    run_units(kernel, unplanned, kernel.units(unplanned), settings.threads, bytes_moved(problem));
    return position;
  }
  if (is_average_of_samples(problem)) {
    const BatchPlans plans = make_batch_plans(problem);
    return run_average(problem, plans, settings, [&](const Kernel& kernel, const Plan& chosen, bool by_sample) {
      const std::int64_t units = kernel.units(chosen), bytes = bytes_moved(problem);
      const Samples samples{&kernel, &plans.batch, units};
      const bool overflowed =
          by_sample ? run_units(samples, chosen, problem.batch.count * units, settings.threads, bytes)
                    : run_units(kernel, chosen, units, settings.threads, bytes);
      if (overflowed) mend(problem, plans.batch);
    });
  }
  const Plan plan = make_plan(problem);
  int done_by = -1;
  visit_fitting(problem, settings, plan, [&](int position) {
    const Kernel& kernel = all.at(position);
    if (run_units(kernel, plan, kernel.units(plan), settings.threads, bytes_moved(problem))) mend(problem, plan);
    done_by = position;
    return true;
  });
  return done_by;
}

Choice choose(const Problem& problem, const Settings& settings) {
  Choice choice;
  const Registry& all = registry();
  if (is_empty(problem)) return choice;
  const std::int64_t bytes = bytes_moved(problem);
  const BatchPlans plans = make_batch_plans(problem);
  const bool of_samples = is_average_of_samples(problem);
  choice.plan = plans.batch;
  visit_fitting(problem, settings, of_samples ? plans.sample : plans.batch, [&](int position) {
    choice.fitting.push_back(position);
    return false;
  });
  choice.is_planned = settings.kernel != nullptr || !is_tiny(problem);
  if (!choice.is_planned) choice.fitting.erase(choice.fitting.begin(), choice.fitting.end() - 1);
  if (choice.fitting.empty()) return choice;
  choice.kernel = choice.fitting.front();
  const Kernel& kernel = all.at(choice.kernel);
  if (!of_samples || !choice.is_planned) {
    choice.units = kernel.units(choice.plan);
  } else {  // a kernel that fits the sample may not fit the batch
    run_average(problem, plans, settings, [&](const Kernel&, const Plan& chosen, bool by_sample) {
      choice.by_sample = by_sample;
      choice.units = kernel.units(chosen) * (by_sample ? problem.batch.count : 1);
      choice.plan = chosen;
    });
  }
  choice.threads = static_cast<int>(threads_for(choice.units, settings.threads, bytes));
  choice.plan.problem = nullptr;  // it may not live as long
  return choice;
}

}  // namespace poolbench::pool
