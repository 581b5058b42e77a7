#include "watch.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>

// Present where a sanitizer is linked in: what it calls before it ends the process.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());

namespace poolbench::pool {
namespace {

constexpr unsigned kPatience = 300;  // seconds without any progress that mean a deadlock

InHand now;  // a signal's handler is given nothing

void explain_death() { std::fprintf(stderr, "\nThis was %s", explain(now).c_str()); }

void die(int signal) {
  std::fprintf(stderr, "\n%s", signal == SIGALRM ? "no end in sight" : "killed by a signal");
  explain_death();
  std::_Exit(1);
}

}  // namespace

void set_in_hand(const InHand& in_hand) { now = in_hand; }

std::string explain(const InHand& in_hand) {
  if (in_hand.drawn == nullptr) return "before the first problem\n";
  std::ostringstream text;
  text << "case " << in_hand.number << " of seed " << in_hand.seed << ", again with --seed " << in_hand.seed
       << " --case " << in_hand.number << "\n"
       << describe(*in_hand.drawn);
  if (in_hand.settings != nullptr) {
    const Settings& settings = *in_hand.settings;
    text << "  run by " << (settings.kernel != nullptr ? settings.kernel : "the kernel of its choice") << ", "
         << (settings.isa >= 0 ? name_of(static_cast<Isa>(settings.isa)) : "the widest instruction set") << "\n";
  }
  return text.str();
}

void watch_for_death() {
  std::signal(SIGALRM, die);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(explain_death);
  } else {
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) std::signal(signal, die);
  }
}

void show_life() { alarm(kPatience); }

}  // namespace poolbench::pool
