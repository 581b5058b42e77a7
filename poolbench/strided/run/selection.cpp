#include "run/selection.h"

#include <algorithm>
#include <stdexcept>

#include "run/registry.h"

namespace poolbench::pool {
namespace {

bool names(const std::string& name, const Kernel& kernel) {
  return name == kernel.name || name == std::string(name_of(kernel.pass)) + "/" + kernel.name;
}

bool names(const std::vector<std::string>& any, const Kernel& kernel) {
  return std::any_of(any.begin(), any.end(), [&](const std::string& name) { return names(name, kernel); });
}

std::string list_names(const std::vector<Kernel>& all) {
  std::vector<std::string> known;
  for (const Kernel& kernel : all) {
    const std::string name = std::string(name_of(kernel.pass)) + "/" + kernel.name;
    if (!is_scalar(kernel) && std::find(known.begin(), known.end(), name) == known.end()) known.push_back(name);
  }
  std::string text;
  for (const std::string& name : known) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

Selection::Selection(const char* text, const std::vector<Kernel>& all) {
  const std::string given = text == nullptr ? "" : text;
  for (std::size_t begin = 0; begin < given.size();) {
    const std::size_t end = std::min(given.find(',', begin), given.size());
    std::string name = given.substr(begin, end - begin);
    begin = end + 1;
    name.erase(0, name.find_first_not_of(" "));
    name.erase(name.find_last_not_of(" ") + 1);
    if (name.empty()) continue;
    const bool leaves_out = name[0] == '-';
    if (leaves_out) name.erase(0, 1);
    const bool is_known = std::any_of(all.begin(), all.end(),
                                      [&](const Kernel& kernel) { return !is_scalar(kernel) && names(name, kernel); });
    if (!is_known) {
      throw std::invalid_argument("POOLBENCH_KERNELS is '" + given + "', and there is no kernel '" + name +
                                  "' to choose: this processor has " + list_names(all) +
                                  ". The scalar kernels always stay.");
    }
    (leaves_out ? without_ : only_).push_back(name);
  }
}

bool Selection::has(const Kernel& kernel) const {
  return is_scalar(kernel) || ((only_.empty() || names(only_, kernel)) && !names(without_, kernel));
}

}  // namespace poolbench::pool
