// Runs a command and counts the instructions that its main thread executes in user space between two marks.
//
//     stepper OUTPUT LIMIT (step|counter|auto) COMMAND…
//
// A mark is a SIGUSR1 that the command raises to itself: it is taken from it, and never delivered. From an odd mark to the
// next one everything counts. "step" executes one instruction at a time (PTRACE_SINGLESTEP), at most LIMIT of them in a
// region. "counter" lets the processor count; "auto" does so where it can. OUTPUT gets lines of words: poolbench's
// tracing.py reads them. The exit code is 0 where the output is complete, whatever became of the command.
//
// An instruction that repeats (rep movsb) is one instruction, though it traps once for each time: the further traps are
// counted apart. A system call is the one instruction that makes it. What the kernel executes is never counted.
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kMark = SIGUSR1;
constexpr std::size_t kBytes = 16;             // the longest instruction has 15
constexpr int kDetailed = 8;  // regions of which each address is told
constexpr std::uint64_t kMostRepeats = 4'000'000;  // of repeating instructions, in a region

struct Place {
  std::uint64_t count = 0;
  unsigned char bytes[kBytes] = {};
  std::size_t known = 0;
  bool repeats = false;
  bool calls_system = false;
};

using Places = std::unordered_map<std::uint64_t, Place>;

struct Region {
  std::uint64_t instructions = 0;
  std::uint64_t repeats = 0;
  std::uint64_t system_calls = 0;
  std::uint64_t others_ns = 0;
  const char* end = "mark";  // or limit, thread
};

std::uint64_t program_counter(pid_t pid) {
#if defined(__x86_64__)
  return static_cast<std::uint64_t>(ptrace(PTRACE_PEEKUSER, pid, offsetof(user_regs_struct, rip), nullptr));
#else
  user_regs_struct registers{};
  iovec where{&registers, sizeof registers};
  ptrace(PTRACE_GETREGSET, pid, reinterpret_cast<void*>(NT_PRSTATUS), &where);
  return registers.pc;
#endif
}

// The bytes at an address, fewer where the page behind them cannot be read. Who traces may always peek; reading more at
// once (process_vm_readv) is forbidden in some containers that let a process be traced.
void read_bytes(pid_t pid, std::uint64_t address, Place& place) {
  constexpr std::size_t kWord = sizeof(long);
  const std::size_t in_page = 4096 - address % 4096;
  while (place.known < kBytes) {
    // A word that would reach beyond the page begins earlier, unless the next page is there as well.
    std::size_t back = 0;
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, pid, address + place.known, nullptr);
    if (errno != 0 && place.known < in_page && place.known + kWord > in_page) {
      back = place.known + kWord - in_page;
      errno = 0;
      word = ptrace(PTRACE_PEEKTEXT, pid, address + place.known - back, nullptr);
    }
    if (errno != 0) break;
    std::memcpy(place.bytes + place.known, reinterpret_cast<const unsigned char*>(&word) + back, kWord - back);
    place.known += kWord - back;
    if (back != 0) break;
  }
#if defined(__x86_64__)
  std::size_t at = 0;
  bool has_rep = false;
  for (; at < place.known; ++at) {
    const unsigned char byte = place.bytes[at];
    if (byte == 0xf2 || byte == 0xf3) has_rep = true;
    else if (byte != 0x66 && byte != 0x67 && (byte & 0xf0) != 0x40) break;
  }
  const unsigned char code = at < place.known ? place.bytes[at] : 0;
  place.repeats = has_rep && ((code >= 0xa4 && code <= 0xa7) || (code >= 0xaa && code <= 0xaf));
  place.calls_system = code == 0x0f && at + 1 < place.known && place.bytes[at + 1] == 0x05;
#else
  place.calls_system = place.known >= 4 && place.bytes[0] == 0x01 && place.bytes[1] == 0 && place.bytes[2] == 0 &&
                       place.bytes[3] == 0xd4;  // svc #0
#endif
}

// The time that the command's other threads have had on a core.
std::uint64_t others_ns(pid_t pid, int& threads) {
  std::uint64_t total = 0;
  threads = 0;
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* tasks = opendir(folder.c_str());
  if (tasks == nullptr) return 0;
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    ++threads;
    if (std::atoi(entry->d_name) == pid) continue;
    if (std::FILE* file = std::fopen((folder + "/" + entry->d_name + "/schedstat").c_str(), "r")) {
      unsigned long long ns = 0;
      if (std::fscanf(file, "%llu", &ns) == 1) total += ns;
      std::fclose(file);
    }
  }
  closedir(tasks);
  return total;
}

int open_counter(pid_t pid) {
  perf_event_attr wanted{};
  wanted.type = PERF_TYPE_HARDWARE;
  wanted.size = sizeof wanted;
  wanted.config = PERF_COUNT_HW_INSTRUCTIONS;
  wanted.disabled = 1;
  wanted.exclude_kernel = 1;
  wanted.exclude_hv = 1;
  return static_cast<int>(syscall(SYS_perf_event_open, &wanted, pid, -1, -1, PERF_FLAG_FD_CLOEXEC));
}

// Let the command run until it stops. Returns false where it has ended.
bool go(pid_t pid, bool one_step, int signal, int& status) {
  if (ptrace(one_step ? PTRACE_SINGLESTEP : PTRACE_CONT, pid, nullptr, static_cast<long>(signal)) != 0) return false;
  while (waitpid(pid, &status, __WALL) < 0)
    if (errno != EINTR) return false;
  return WIFSTOPPED(status);
}

bool is_clone(int status) { return status >> 8 == (SIGTRAP | (PTRACE_EVENT_CLONE << 8)); }

// From a mark to the next. Returns false where the command has ended or must be ended.
bool step_region(pid_t pid, std::uint64_t limit, Region& region, Places& places, int& status) {
  std::uint64_t before = 0;
  int signal = 0;
  while (true) {
    const std::uint64_t at = program_counter(pid);
    Place& place = places[at];
    if (place.known == 0) read_bytes(pid, at, place);
    if (at == before && place.repeats) {
      ++region.repeats;
    } else {
      ++region.instructions;
      ++place.count;
      region.system_calls += place.calls_system;
    }
    before = at;
    if (region.instructions > limit || region.repeats > kMostRepeats) {
      region.end = "limit";
      return false;
    }
    if (!go(pid, true, signal, status)) return false;
    signal = 0;
    // Another signal is the command's own, and it is given to it with the next step.
    while (WSTOPSIG(status) != SIGTRAP) {
      if (WSTOPSIG(status) == kMark) return true;
      signal = WSTOPSIG(status);
      if (!go(pid, true, signal, status)) return false;
      signal = 0;
    }
    if (is_clone(status)) {
      region.end = "thread";
      return false;
    }
  }
}

bool count_region(pid_t pid, int counter, Region& region, int& status) {
  ioctl(counter, PERF_EVENT_IOC_RESET, 0);
  ioctl(counter, PERF_EVENT_IOC_ENABLE, 0);
  int signal = 0;
  while (true) {
    if (!go(pid, false, signal, status)) return false;
    if (WSTOPSIG(status) == kMark) break;
    if (is_clone(status)) {
      region.end = "thread";
      return false;
    }
    signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
  }
  ioctl(counter, PERF_EVENT_IOC_DISABLE, 0);
  std::uint64_t count = 0;
  if (read(counter, &count, sizeof count) == sizeof count) region.instructions = count;
  return true;
}

void write_places(std::FILE* output, int region, const Places& places) {
  for (const auto& [address, place] : places) {
    if (place.count == 0) continue;
    std::fprintf(output, "at %d %llx %llu ", region, static_cast<unsigned long long>(address),
                 static_cast<unsigned long long>(place.count));
    for (std::size_t i = 0; i < place.known; ++i) std::fprintf(output, "%02x", place.bytes[i]);
    std::fputc('\n', output);
  }
}

void write_maps(std::FILE* output, pid_t pid) {
  std::FILE* maps = std::fopen(("/proc/" + std::to_string(pid) + "/maps").c_str(), "r");
  if (maps == nullptr) return;
  char line[4096];
  while (std::fgets(line, sizeof line, maps) != nullptr) std::fprintf(output, "map %s", line);
  std::fclose(maps);
}

int fail(std::FILE* output, const char* what, int error) {
  std::fprintf(output, "refused %s %d\n", what, error);
  std::fclose(output);
  return 0;
}

// In the child: be traced, lie where one always lies, and become the command. `tell` gets what failed.
[[noreturn]] void become(char** command, int tell) {
  int told[2] = {0, 0};
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (personality(ADDR_NO_RANDOMIZE) == -1) {
    told[0] = 'r', told[1] = errno;
    if (write(tell, told, sizeof told) < 0) _exit(127);
  }
  if (ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
    told[0] = 't', told[1] = errno;
    if (write(tell, told, sizeof told) < 0) _exit(127);
    _exit(127);
  }
  execvp(command[0], command);
  told[0] = 'x', told[1] = errno;
  if (write(tell, told, sizeof told) < 0) _exit(127);
  _exit(127);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fprintf(stderr, "stepper OUTPUT LIMIT (step|counter|auto) COMMAND…\n");
    return 2;
  }
  std::FILE* output = std::fopen(argv[1], "we");
  if (output == nullptr) {
    std::perror(argv[1]);
    return 2;
  }
  const std::uint64_t limit = std::strtoull(argv[2], nullptr, 10);
  const std::string mode = argv[3];
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return fail(output, "pipe", errno);
  const pid_t pid = fork();
  if (pid < 0) return fail(output, "fork", errno);
  if (pid == 0) become(argv + 4, pipes[1]);
  close(pipes[1]);
  int told[2];
  while (read(pipes[0], told, sizeof told) == sizeof told) {
    if (told[0] == 'r') std::fprintf(output, "randomised %d\n", told[1]);
    else return fail(output, told[0] == 't' ? "trace" : "execute", told[1]);
  }

  int status = 0;
  if (waitpid(pid, &status, __WALL) < 0 || !WIFSTOPPED(status)) return fail(output, "trace", ESRCH);
  ptrace(PTRACE_SETOPTIONS, pid, nullptr, static_cast<long>(PTRACE_O_EXITKILL));
  int counter = -1;
  int signal = 0;
  bool has_begun = false;
  int regions = 0;
  bool lives = true;
  Places places;
  while (lives) {
    lives = go(pid, false, signal, status);
    if (!lives) break;
    signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    if (signal != kMark) continue;
    signal = 0;
    if (!has_begun) {
      has_begun = true;
      if (mode != "step") counter = open_counter(pid);
      if (counter < 0 && mode == "counter") {
        const int error = errno;
        kill(pid, SIGKILL);
        return fail(output, "counter", error);
      }
      std::fprintf(output, "mode %s\n", counter < 0 ? "step" : "counter");
      write_maps(output, pid);
      // On one core the two hand over to each other without waking another one.
      cpu_set_t core;
      CPU_ZERO(&core);
      CPU_SET(static_cast<unsigned>(sched_getcpu()), &core);
      sched_setaffinity(pid, sizeof core, &core);
      sched_setaffinity(0, sizeof core, &core);
      ptrace(PTRACE_SETOPTIONS, pid, nullptr, static_cast<long>(PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE));
    }
    Region region;
    places.clear();  // code may have changed since, as where memory was unmapped and mapped again
    int threads = 0;
    const std::uint64_t before = others_ns(pid, threads);
    lives = counter < 0 ? step_region(pid, limit, region, places, status) : count_region(pid, counter, region, status);
    if (!lives && !(WIFSTOPPED(status))) region.end = "ended";
    const std::uint64_t after = others_ns(pid, threads);  // less where a thread has ended and taken its time along
    region.others_ns = after > before ? after - before : 0;
    std::fprintf(output, "region %llu %llu %llu %llu %d %s\n", static_cast<unsigned long long>(region.instructions),
                 static_cast<unsigned long long>(region.repeats), static_cast<unsigned long long>(region.system_calls),
                 static_cast<unsigned long long>(region.others_ns), threads, region.end);
    if (regions < kDetailed) write_places(output, regions, places);
    ++regions;
    if (!lives && WIFSTOPPED(status)) {
      kill(pid, SIGKILL);
      // A thread that was just started is traced too, and the process ends only when somebody has waited for it.
      while (waitpid(-1, &status, __WALL) > 0) {
      }
    }
  }
  if (WIFEXITED(status)) std::fprintf(output, "exited %d\n", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) std::fprintf(output, "killed %d\n", WTERMSIG(status));
  std::fclose(output);
  return 0;
}
