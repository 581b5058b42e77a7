// Random problems of all passes, done by the kernels and by the reference of naive.h. Each is done once as the list
// chooses and once by the kernel that was reached least so far. Exits with 0 if all agreed and each kernel was reached
// often enough, else with 1.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "draw.h"
#include "reached.h"
#include "subject.h"
#include "watch.h"

namespace poolbench::pool {
namespace {

constexpr std::int64_t kUnset = -1;
constexpr double kExtension = 10;  // times --seconds, while there are kernels that were reached too seldom

struct Options {
  std::int64_t cases = kUnset;  // as many as there is time for, or 100,000 if neither is given
  std::int64_t seconds = kUnset;
  std::int64_t seed = 1;
  std::int64_t least = 1;
  std::int64_t same_bits = 1;
  std::int64_t wrong = 1;
  std::int64_t only = kUnset;
  bool lists = false;
};

constexpr const char* kUsage =
    "usage: %s [--cases N] [--seconds T] [--seed S] [--least K] [--same-bits 0|1] [--wrong N] [--case N] [--list]\n"
    "  --cases      how many problems at most (100000, or as many as --seconds asks for)\n"
    "  --seconds    how long, or up to ten times as long until each kernel was reached often enough\n"
    "  --seed       which problems (1)\n"
    "  --least      how often each kernel of the list must be reached (1)\n"
    "  --same-bits  whether other numbers of threads, and samples by themselves, must give the same bits (1)\n"
    "  --wrong      how many wrong answers end the run (1)\n"
    "  --case       that problem alone, by each kernel that can do it\n"
    "  --list       prints the list of kernels, and does nothing else\n";

bool read_options(int count, char** texts, Options& options) {
  const struct {
    const char* name;
    std::int64_t* value;
  } known[] = {{"--cases", &options.cases}, {"--seconds", &options.seconds},     {"--seed", &options.seed},
               {"--least", &options.least}, {"--same-bits", &options.same_bits}, {"--wrong", &options.wrong},
               {"--case", &options.only}};
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(texts[i], "--list") == 0) {
      options.lists = true;
      continue;
    }
    std::int64_t* value = nullptr;
    for (const auto& option : known) {
      if (std::strcmp(texts[i], option.name) == 0) value = option.value;
    }
    if (value == nullptr || ++i == count) return false;
    char* end;
    *value = std::strtoll(texts[i], &end, 10);
    if (*texts[i] == '\0' || *end != '\0' || *value < 0) return false;
  }
  if (options.cases == kUnset && options.seconds == kUnset) options.cases = 100000;
  return true;
}

std::string run_case(const Options& options, std::int64_t number, Reached& reached) {
  static const std::vector<int> isas = known_isas();
  const auto seed = static_cast<std::uint64_t>(options.seed);
  const Drawn drawn = draw(seed, static_cast<std::uint64_t>(number));
  Settings settings;
  InHand in_hand{seed, number, &drawn, nullptr};
  set_in_hand(in_hand);
  Subject subject(drawn);
  in_hand.settings = &settings;
  set_in_hand(in_hand);
  int done_by;
  const auto done = [&](std::string& wrong) {
    wrong = subject.run(settings, options.same_bits != 0, done_by);
    if (!wrong.empty()) wrong += "\nThis was " + explain(in_hand);
    if (wrong.empty() && done_by >= 0) reached.count(done_by);
    return wrong.empty() && done_by >= 0;
  };

  std::string wrong;
  settings.threads = drawn.threads;
  if (!drawn.any_isa) settings.isa = isas[drawn.filling_seed % isas.size()];
  if (done(wrong)) {
    for (const int candidate : reached.candidates(drawn.problem)) {
      settings.isa = static_cast<int>(kernel_at(candidate).isa);
      settings.kernel = kernel_at(candidate).name;
      const bool is_done = done(wrong);
      if (!wrong.empty() || (is_done && options.only == kUnset)) break;
    }
  }
  set_in_hand({});
  return wrong;
}

// What was reached, and the exit status.
int report(const Options& options, const Reached& reached, std::int64_t problems, std::int64_t wrong, double seconds) {
  std::printf("%s%lld problems of seed %lld in %.1f s, ", reached.table().c_str(), static_cast<long long>(problems),
              static_cast<long long>(options.seed), seconds);
  std::printf(wrong == 0 ? "all right\n" : "%lld of them wrong\n", static_cast<long long>(wrong));
  if (wrong != 0) return 1;
  const std::vector<int> missed = reached.missed(options.least);
  if (missed.empty() || options.only != kUnset) return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "%zu of %d kernels were reached less than %lld times:\n", missed.size(), kernel_count(),
               static_cast<long long>(options.least));
  for (const int position : missed) std::fprintf(stderr, "  %s\n", name_of(kernel_at(position)).c_str());
  return 1;
}

int fuzz(const Options& options) {
  Reached reached;
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  const auto is_enough = [&](std::int64_t number) {
    if (number % 64 != 0) return false;
    show_life();
    const double over = options.seconds == kUnset ? -1 : seconds() / static_cast<double>(options.seconds);
    return over >= (reached.missed(options.least).empty() ? 1 : kExtension);
  };
  const std::int64_t first = options.only != kUnset ? options.only : 0;
  const std::int64_t last = options.only != kUnset ? first + 1 : options.cases;
  std::int64_t number = first, wrong = 0;
  for (; (last == kUnset || number < last) && wrong < options.wrong && !is_enough(number); ++number) {
    const std::string text = run_case(options, number, reached);
    wrong += text.empty() ? 0 : 1;
    std::fprintf(stderr, "%s", text.c_str());
  }
  return report(options, reached, number - first, wrong, seconds());
}

int main_of(int count, char** texts) {
  Options options;
  if (!read_options(count, texts, options)) {
    std::fprintf(stderr, kUsage, texts[0]);
    return 2;
  }
  try {
    default_isa();  // what the environment asks for, and may be wrong about
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  if (options.lists) {
    for (int i = 0; i < kernel_count(); ++i) std::printf("%s\n", name_of(kernel_at(i)).c_str());
    return 0;
  }
  watch_for_death();
  return fuzz(options);
}

}  // namespace
}  // namespace poolbench::pool

int main(int count, char** texts) { return poolbench::pool::main_of(count, texts); }
