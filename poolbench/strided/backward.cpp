// Which kernel does a pass of training, and on how many threads.
#include "backward.h"

#include <cstring>
#include <vector>

#include "backward_plan.h"
#include "units.h"

namespace poolbench::pool {
namespace {

#if defined(__x86_64__)
bool is_here(Isa isa) {
  for (int i = 0; i < variant_count(); ++i) {
    if (variant(i).isa == isa) return true;
  }
  return false;
}
#endif

std::vector<TrainingKernel> make_kernels() {
  std::vector<TrainingKernel> kernels;
  const auto add = [&kernels](TrainingList list) {
    kernels.insert(kernels.end(), list.kernels, list.kernels + list.count);
  };
#if defined(__x86_64__)
  if (is_here(Isa::kAvx512)) add(avx512_training());
  if (is_here(Isa::kAvx2)) add(avx2_training());
#endif
  add(baseline_training());
  add(scalar_training());
  return kernels;
}

const std::vector<TrainingKernel>& kernels() {
  // Never destroyed: threads may outlive the program's exit.
  static const std::vector<TrainingKernel>& all = *new std::vector<TrainingKernel>(make_kernels());
  return all;
}

bool is_scalar(const Variant& variant) { return std::strncmp(variant.engine, "scalar", 6) == 0; }

std::int64_t bytes_moved(const Training& training) {
  const Problem& p = training.problem;
  const std::int64_t size = size_of(p.type);
  std::int64_t in = p.batch.count * p.channels.count, out = in;
  for (const Axis& axis : p.axes) {
    in *= axis.in;
    out *= axis.out;
  }
  return in * size + out * (size + training.offset_size);
}

}  // namespace

int run(const Training& training, const Settings& settings) {
  const Isa isa = settings.isa < 0 ? default_isa() : static_cast<Isa>(settings.isa);
  const TrainingPlan plan = make_plan(training);
  int position = -1;
  for (const TrainingKernel& kernel : kernels()) {
    ++position;
    const Variant& variant = kernel.variant;
    if (kernel.pass != plan.pass || variant.op != plan.op || variant.type != plan.type) continue;
    if (variant.isa != isa && !is_scalar(variant)) continue;
    if (settings.engine != nullptr && std::strcmp(settings.engine, variant.engine) != 0) continue;
    if (!kernel.fits(plan)) continue;
    const bool overflowed = run_units(kernel, plan, kernel.units(plan), settings.threads, bytes_moved(training));
    if (overflowed) mend_gradient(plan);
    return position;
  }
  return -1;
}

int training_variant_count() { return static_cast<int>(kernels().size()); }

const Variant& training_variant(int position) { return kernels().at(static_cast<std::size_t>(position)).variant; }

}  // namespace poolbench::pool
