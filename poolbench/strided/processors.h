// How many processors this process may use.
#pragma once

#include <string>

namespace poolbench {

// Those that the scheduler may put this process on, or as many as its CPU quota comes to, rounded up, where that is less.
int count_processors();

// The CPU quota of this process in processors, the least of its control group's and of those that this lies in; 0 where
// there is none, or none that can be read. `root` is the folder that holds /proc and whatever the control groups are mounted
// on: "" for the system's own.
//
// Control groups of both versions: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max) and
// https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us, cpu.cfs_period_us).
double cpu_quota(const std::string& root);

}  // namespace poolbench
