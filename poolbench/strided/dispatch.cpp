// Which kernel does a problem, and on how many threads.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernel.h"
#include "units.h"

namespace poolbench::pool {
namespace {

constexpr const char* kIsaNames[] = {"baseline", "avx2", "avx512", "neon"};

constexpr std::int64_t kTinyReads = 96;

struct Registry {
  std::vector<Kernel> kernels;             // in the order of preference
  std::vector<Variant> variants;
  Isa widest;
  // The kernels of one instruction set, operation and type, preferred first; scalar ones last.
  std::vector<int> by_need[4][2][kTypes];
  int scalar[2][kTypes];
};

void add(Registry& registry, KernelList list) {
  for (int i = 0; i < list.count; ++i) {
    registry.kernels.push_back(list.kernels[i]);
    registry.variants.push_back(list.kernels[i].variant);
  }
}

#if defined(__x86_64__)
// Clang 14 doesn't know this one by name. Whether the system saves the registers is asked with AVX2.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

Registry make_registry() {
  Registry registry;
#if defined(__x86_64__)
  __builtin_cpu_init();
  registry.widest = Isa::kBaseline;
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) {
    add(registry, avx512_kernels());
    registry.widest = Isa::kAvx512;
  }
  if (avx2) {
    add(registry, avx2_kernels());
    if (!avx512) registry.widest = Isa::kAvx2;
  }
  add(registry, baseline_kernels());
#else
  add(registry, baseline_kernels());
#if defined(__ARM_NEON)
  registry.widest = Isa::kNeon;
#else
  registry.widest = Isa::kBaseline;
#endif
#endif
  add(registry, scalar_kernels());
  for (std::size_t i = 0; i < registry.kernels.size(); ++i) {
    const Variant& variant = registry.variants[i];
    const bool everywhere = std::strcmp(variant.engine, "scalar") == 0;
    if (everywhere) registry.scalar[static_cast<int>(variant.op)][static_cast<int>(variant.type)] = static_cast<int>(i);
    for (int isa = 0; isa < 4; ++isa) {
      if (everywhere || isa == static_cast<int>(variant.isa)) {
        registry.by_need[isa][static_cast<int>(variant.op)][static_cast<int>(variant.type)].push_back(
            static_cast<int>(i));
      }
    }
  }
  return registry;
}

const Registry& registry() {
  static const Registry& all = *new Registry(make_registry());  // never destroyed: threads may outlive the program's exit
  return all;
}

bool is_here(Isa isa) {
  for (const Variant& variant : registry().variants) {
    if (variant.isa == isa) return true;
  }
  return isa == Isa::kBaseline;
}

Isa read_default_isa() {
  const char* wanted = std::getenv("POOLBENCH_ISA");
  if (wanted == nullptr || *wanted == '\0') return registry().widest;
  std::string known;
  for (int i = 0; i < 4; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (!is_here(isa)) continue;
    if (std::strcmp(wanted, kIsaNames[i]) == 0) return isa;
    known += (known.empty() ? "" : ", ") + std::string(kIsaNames[i]);
  }
  throw std::invalid_argument("POOLBENCH_ISA is '" + std::string(wanted) +
                              "', which this processor or this build lacks: it has " + known +
                              ". Leave the variable unset for the widest one.");
}

std::int64_t bytes_moved(const Problem& p) {
  std::int64_t in = p.batch.count * p.channels.count * size_of(p.type), out = in;
  for (const Axis& axis : p.axes) {
    in *= axis.in;
    out *= axis.out;
  }
  return in + out;
}

// So little that making a plan would take longer than to do without.
bool is_tiny(const Problem& p) {
  std::int64_t reads = p.batch.count * p.channels.count;
  for (const Axis& axis : p.axes) {
    if (axis.adaptive() || reads > kTinyReads || axis.window > kTinyReads) return false;
    reads *= axis.out * axis.window;
  }
  return reads <= kTinyReads;
}

}  // namespace

int run(const Problem& problem, const Settings& settings) {
  const Registry& all = registry();
  const Isa isa = settings.isa < 0 ? default_isa() : static_cast<Isa>(settings.isa);
  if (settings.engine == nullptr && is_tiny(problem)) {
    const int position = all.scalar[static_cast<int>(problem.op)][static_cast<int>(problem.type)];
    const Kernel& kernel = all.kernels[static_cast<std::size_t>(position)];
    Plan unplanned{};
    unplanned.problem = &problem;
    kernel.run(unplanned, 0, kernel.units(unplanned));
    return position;
  }
  const Plan plan = make_plan(problem);
  for (const int position :
       all.by_need[static_cast<int>(isa)][static_cast<int>(problem.op)][static_cast<int>(problem.type)]) {
    const Kernel& kernel = all.kernels[static_cast<std::size_t>(position)];
    if (settings.engine != nullptr && std::strcmp(settings.engine, kernel.variant.engine) != 0) continue;
    if (!kernel.fits(plan)) continue;
    const bool overflowed = run_units(kernel, plan, kernel.units(plan), settings.threads, bytes_moved(problem));
    if (overflowed) mend_averages(problem);
    return position;
  }
  return -1;
}

int variant_count() { return static_cast<int>(registry().variants.size()); }

const Variant& variant(int position) { return registry().variants.at(static_cast<std::size_t>(position)); }

const char* isa_name(Isa isa) { return kIsaNames[static_cast<int>(isa)]; }

Isa default_isa() {
  static const Isa isa = read_default_isa();
  return isa;
}

}  // namespace poolbench::pool
