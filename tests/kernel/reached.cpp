#include "reached.h"

#include <algorithm>
#include <cstring>
#include <iomanip>
#include <sstream>

namespace poolbench::pool {
namespace {

bool in_one_line(const Kernel& a, const Kernel& b) {
  return a.pass == b.pass && a.isa == b.isa && a.op == b.op && std::strcmp(a.name, b.name) == 0;
}

}  // namespace

std::vector<int> Reached::candidates(const Problem& problem) const {
  std::vector<int> found;
  for (int i = 0; i < kernel_count(); ++i) {
    const Kernel& kernel = kernel_at(i);
    if (kernel.pass == problem.pass && kernel.op == problem.op && kernel.type == problem.type) found.push_back(i);
  }
  std::stable_sort(found.begin(), found.end(), [&](int a, int b) { return of(a) < of(b); });
  return found;
}

std::vector<int> Reached::missed(std::int64_t least) const {
  std::vector<int> found;
  for (int i = 0; i < kernel_count(); ++i) {
    if (of(i) < least) found.push_back(i);
  }
  return found;
}

std::string Reached::table() const {
  std::ostringstream text;
  text << std::left << std::setw(18) << "kernel" << std::setw(10) << "pass" << std::setw(10) << "isa" << std::setw(4)
       << "op";
  for (int type = 0; type < kTypes; ++type) text << std::right << std::setw(9) << name_of(static_cast<Type>(type));
  std::vector<bool> printed(counts_.size());
  for (int i = 0; i < kernel_count(); ++i) {
    if (printed[static_cast<std::size_t>(i)]) continue;
    const Kernel& kernel = kernel_at(i);
    std::string columns[kTypes];
    for (int j = i; j < kernel_count(); ++j) {
      if (!in_one_line(kernel, kernel_at(j))) continue;
      printed[static_cast<std::size_t>(j)] = true;
      columns[static_cast<int>(kernel_at(j).type)] = std::to_string(of(j));
    }
    text << "\n" << std::left << std::setw(18) << kernel.name << std::setw(10) << name_of(kernel.pass) << std::setw(10)
         << name_of(kernel.isa) << std::setw(4) << name_of(kernel.op);
    for (const std::string& column : columns) text << std::right << std::setw(9) << column;
  }
  text << "\n";
  return text.str();
}

std::vector<int> known_isas() {
  std::vector<int> known;
  for (int i = 0; i < kernel_count(); ++i) {
    const int isa = static_cast<int>(kernel_at(i).isa);
    if (std::find(known.begin(), known.end(), isa) == known.end()) known.push_back(isa);
  }
  return known;
}

}  // namespace poolbench::pool
