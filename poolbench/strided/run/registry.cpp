#include "run/registry.h"

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "run/selection.h"

namespace poolbench::pool {
namespace {

constexpr const char* kIsaNames[] = {"baseline", "avx2", "avx512", "neon"};
constexpr const char* kPassNames[] = {"pool", "keep", "gradient"};
constexpr const char* kOpNames[] = {"max", "avg"};
constexpr const char* kTypeNames[] = {"f64", "f32", "f16", "bf16", "i8", "u8", "i16", "i32", "i64"};

#if defined(__x86_64__)
// Clang 14 doesn't know this one by name. Whether the system saves the registers is asked with AVX2.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

// All that this processor can execute, and the widest instruction set among them.
std::vector<Kernel> all_kernels(Isa& widest) {
  std::vector<Kernel> kernels;
  const auto add = [&kernels](KernelList list) {
    kernels.insert(kernels.end(), list.kernels, list.kernels + list.count);
  };
  widest = Isa::kBaseline;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) add(avx512_kernels());
  if (avx2) add(avx2_kernels());
  widest = avx512 ? Isa::kAvx512 : avx2 ? Isa::kAvx2 : Isa::kBaseline;
#elif defined(__ARM_NEON)
  widest = Isa::kNeon;
#endif
  add(baseline_kernels());
  add(scalar_pool_kernels());
  add(scalar_keep_kernels());
  add(scalar_gradient_kernels());
  return kernels;
}

Registry make_registry() {
  Registry registry;
  const std::vector<Kernel> all = all_kernels(registry.widest);
  const Selection selection(std::getenv("POOLBENCH_KERNELS"), all);
  for (const Kernel& kernel : all) {
    if (!selection.has(kernel)) continue;
    const int position = static_cast<int>(registry.kernels.size());
    registry.kernels.push_back(kernel);
    for (int isa = 0; isa < 4; ++isa) {
      if (!is_scalar(kernel) && isa != static_cast<int>(kernel.isa)) continue;
      registry.by_need[static_cast<int>(kernel.pass)][isa][static_cast<int>(kernel.op)][static_cast<int>(kernel.type)]
          .push_back(position);
    }
  }
  return registry;
}

bool is_here(const Registry& all, Isa isa) {
  return isa == Isa::kBaseline || isa == all.widest || (isa == Isa::kAvx2 && all.widest == Isa::kAvx512);
}

Isa read_default_isa() {
  const Registry& all = registry();
  const char* wanted = std::getenv("POOLBENCH_ISA");
  if (wanted == nullptr || *wanted == '\0') return all.widest;
  std::string known;
  for (int i = 0; i < 4; ++i) {
    const Isa isa = static_cast<Isa>(i);
    if (!is_here(all, isa)) continue;
    if (std::strcmp(wanted, kIsaNames[i]) == 0) return isa;
    known += (known.empty() ? "" : ", ") + std::string(kIsaNames[i]);
  }
  throw std::invalid_argument("POOLBENCH_ISA is '" + std::string(wanted) +
                              "', which this processor or this build lacks: it has " + known +
                              ". Leave the variable unset for the widest one.");
}

}  // namespace

const Registry& registry() {
  static const Registry& all =
      *new Registry(make_registry());  // never destroyed: threads may outlive the program's exit
  return all;
}

bool is_scalar(const Kernel& kernel) { return std::strcmp(kernel.name, "scalar") == 0; }

int kernel_count() { return static_cast<int>(registry().kernels.size()); }

const Kernel& kernel_at(int position) { return registry().kernels.at(static_cast<std::size_t>(position)); }

std::string name_of(const Kernel& kernel) {
  return std::string(name_of(kernel.isa)) + "/" + name_of(kernel.pass) + "/" + kernel.name + "/" + name_of(kernel.op) +
         "/" + name_of(kernel.type);
}

const char* name_of(Isa isa) { return kIsaNames[static_cast<int>(isa)]; }
const char* name_of(Pass pass) { return kPassNames[static_cast<int>(pass)]; }
const char* name_of(Op op) { return kOpNames[static_cast<int>(op)]; }
const char* name_of(Type type) { return kTypeNames[static_cast<int>(type)]; }

Isa default_isa() {
  static const Isa isa = read_default_isa();
  return isa;
}

}  // namespace poolbench::pool
