#include "processors.h"

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace poolbench {
namespace {

// Whether `name` is one of a list with commas between its entries.
bool lists(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

// The path of this process's group in the hierarchy that controls the CPU: of version 2 where `controller` is empty. Lines
// are "number:controllers:path".
bool find_group(const std::string& root, const std::string& controller, std::string& path) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? !controllers.empty() : !lists(controllers, controller)) continue;
    path = line.substr(second + 1);
    return true;
  }
  return false;
}

// A hierarchy that is mounted: its group `top` is the folder `at`.
struct Mount {
  std::string top, at;
};

// Lines are "id parent device top at options … - type source super-options".
std::vector<Mount> find_mounts(const std::string& root, const std::string& type, const std::string& controller) {
  std::vector<Mount> mounts;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash)), behind(line.substr(dash + 3));
    std::string id, parent, device, source, own_type, options;
    Mount mount;
    before >> id >> parent >> device >> mount.top >> mount.at;
    behind >> own_type >> source >> options;
    if (own_type == type && (controller.empty() || lists(options, controller))) mounts.push_back(mount);
  }
  return mounts;
}

// What a group's own files say, in processors; 0 for no limit.
double quota_of(const std::string& folder, bool is_second_version) {
  double quota = 0, period = 0;
  if (is_second_version) {
    std::ifstream file(folder + "/cpu.max");  // "max 100000" is no number, and no limit
    if (!(file >> quota >> period)) return 0;
  } else {
    std::ifstream quotas(folder + "/cpu.cfs_quota_us"), periods(folder + "/cpu.cfs_period_us");
    if (!(quotas >> quota) || !(periods >> period)) return 0;
  }
  return quota > 0 && period > 0 ? quota / period : 0;  // the first version writes -1 for no limit
}

double quota_in(const std::string& root, bool is_second_version) {
  const std::string controller = is_second_version ? "" : "cpu";
  std::string path;
  if (!find_group(root, controller, path)) return 0;
  double least = 0;
  for (const Mount& mount : find_mounts(root, is_second_version ? "cgroup2" : "cgroup", controller)) {
    // A container may see a part of the tree alone, below `top`, while its path is told from the whole.
    std::string below = path;
    if (mount.top != "/" && (below + "/").rfind(mount.top + "/", 0) == 0) below.erase(0, mount.top.size());
    for (;;) {
      while (!below.empty() && below.back() == '/') below.pop_back();
      const double own = quota_of(root + mount.at + below, is_second_version);
      if (own > 0) least = least > 0 ? std::min(least, own) : own;
      if (below.empty()) break;
      below.erase(below.rfind('/') == std::string::npos ? 0 : below.rfind('/'));
    }
  }
  return least;
}

int count_allowed() {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return std::max(CPU_COUNT(&allowed), 1);
#endif
  return static_cast<int>(std::max(std::thread::hardware_concurrency(), 1u));
}

}  // namespace

double cpu_quota(const std::string& root) {
  const double first = quota_in(root, false), second = quota_in(root, true);
  return first > 0 && second > 0 ? std::min(first, second) : std::max(first, second);
}

int count_processors() {
  const int allowed = count_allowed();
  const double quota = cpu_quota("");
  return quota > 0 && quota < allowed ? std::max(static_cast<int>(std::ceil(quota)), 1) : allowed;
}

}  // namespace poolbench
