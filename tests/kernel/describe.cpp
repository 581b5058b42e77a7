#include <sstream>

#include "draw.h"
#include "run/dispatch.h"

namespace poolbench::pool {
namespace {

void describe_view(std::ostream& text, const char* name, const View& view) {
  text << "  " << name << ":";
  for (int i = 0; i < kDims; ++i) {
    text << " " << kDimNames[i] << " " << view.counts[i] << " by " << view.steps[i] << ",";
  }
  text << " beginning at byte " << view.first << " of " << view.bytes << "\n";
}

}  // namespace

std::string describe(const Drawn& drawn) {
  std::ostringstream text;
  const Problem& p = drawn.problem;
  text << "  " << name_of(p.pass) << " " << name_of(p.op) << " of " << name_of(p.type) << ", "
       << kFillingNames[static_cast<int>(drawn.filling)] << ", shapes '"
       << kProfileNames[static_cast<int>(drawn.profile)] << "', at most " << drawn.threads
       << " threads, units cut into " << drawn.parts << " parts\n";
  if (p.op == Op::kAvg) {
    text << "  divisor: ";
    if (p.divisor != 0) text << p.divisor << "\n";
    else text << (p.include_padding ? "padding counts\n" : "padding doesn't count\n");
  }
  if (has_offsets(p)) text << "  offsets of " << p.offset_size << " bytes\n";
  for (int i = 0; i < 3; ++i) {
    const Axis& a = p.axes[i];
    text << "  " << kDimNames[2 + i] << ": " << a.positions << " positions, " << a.windows << " windows, ";
    if (a.adaptive()) text << "adaptive\n";
    else text << "of " << a.window << ", stride " << a.stride << ", dilation " << a.dilation << ", padding " << a.lo
              << " and " << a.hi << "\n";
  }
  text << "  counts and steps in bytes\n";
  describe_view(text, "input", drawn.in);
  describe_view(text, "output", drawn.out);
  if (has_offsets(p)) describe_view(text, "offsets", drawn.offsets);
  if (drawn.indices.elements() > 0) describe_view(text, "indices", drawn.indices);
  return text.str();
}

}  // namespace poolbench::pool
