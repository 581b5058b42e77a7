// The streaming probe's Python face.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "interpreter.h"
#include "stream.h"

namespace nb = nanobind;
using poolbench::stream::Plan;

namespace {

using Input = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Output = nb::ndarray<std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Sizes = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A pass over less than this is over before another thread could take the interpreter's lock.
constexpr std::uint64_t kKeepLockBelow = 1 << 20;

// A plan and the arrays that it points into.
class OwningPlan {
 public:
  OwningPlan(Input input, Sizes offsets, Sizes lengths, std::uint64_t unit_count, std::uint64_t unit_stride, Output out)
      : input_(input),
        out_(out),
        plan_(reinterpret_cast<const char*>(input.data()), input.size(), offsets.data(), lengths.data(),
              check_length(offsets, lengths), unit_count, unit_stride, reinterpret_cast<char*>(out.data()),
              out.size()) {}

  void choose(std::size_t variant, int threads) {
    plan_.choose(variant, threads);
    keeps_lock_ = threads == 1 && plan_.touched_bytes() + plan_.out_bytes() < kKeepLockBelow;
  }

  std::uint64_t run() {
    if (keeps_lock_) return plan_.run();
    return poolbench::without_lock([this] { return plan_.run(); });
  }

  Plan& plan() { return plan_; }
  const Plan& plan() const { return plan_; }

 private:
  static std::size_t check_length(const Sizes& offsets, const Sizes& lengths) {
    if (offsets.size() != lengths.size()) throw nb::value_error("There must be one length for each offset.");
    return offsets.size();
  }

  Input input_;
  Output out_;
  Plan plan_;
  bool keeps_lock_ = false;
};

}  // namespace

NB_MODULE(_stream, module) {
  module.doc() = "Reads what a workload touches once and writes its output once, as fast as the machine allows.";

  module.def(
      "variants",
      [] {
        std::vector<std::string> names;
        for (const auto& variant : poolbench::stream::variants()) names.emplace_back(variant.name);
        return names;
      },
      "Return the names of the variants that this processor can execute, in the order of their indices.");

  module.def(
      "isa", [] { return std::string(poolbench::stream::variants().front().isa); },
      "Return the widest instruction set that a variant uses here: avx512, avx2, sse2, neon or portable.");

  nb::class_<OwningPlan>(module, "Plan",
                         "One input, the byte ranges of it that are touched, and one output, ready to pass over.\n\n"
                         "Both are flat uint8 arrays; the output begins on a multiple of 64 bytes. Touched are the "
                         "ranges [offsets[i], offsets[i] + lengths[i]) of each unit, rounded out to cache lines and "
                         "clipped to the input. Raises ValueError where a range leaves the input.")
      .def(nb::init<Input, Sizes, Sizes, std::uint64_t, std::uint64_t, Output>(), nb::arg("input"), nb::arg("offsets"),
           nb::arg("lengths"), nb::arg("unit_count"), nb::arg("unit_stride"), nb::arg("out"))
      .def("choose", &OwningPlan::choose, nb::arg("variant"), nb::arg("threads") = 1,
           "Decide how `run` works: the index of a variant, and on how many threads.")
      .def("run", &OwningPlan::run,
           "Read and write once; return the wrapping sum of the 64-bit words of the touched lines, where bytes "
           "outside the input count as zero.")
      .def_prop_rw(
          "pattern", [](const OwningPlan& self) { return self.plan().pattern; },
          [](OwningPlan& self, std::uint64_t pattern) { self.plan().pattern = pattern; },
          "The 64-bit word that fills the output.")
      .def_prop_ro(
          "touched_bytes", [](const OwningPlan& self) { return self.plan().touched_bytes(); },
          "Bytes that one pass reads: whole cache lines, clipped to the input.")
      .def_prop_ro(
          "run_count", [](const OwningPlan& self) { return self.plan().run_count(); },
          "How many separate runs of lines they form (long ones count several times).");
}
