// What is being done, told when something ends the process: a sanitizer, a signal, or a deadlock.
#pragma once

#include <cstdint>
#include <string>

#include "draw.h"
#include "run/dispatch.h"

namespace poolbench::pool {

// What is in hand. One problem is at a time; what it points to lives until the next call.
struct InHand {
  std::uint64_t seed = 0;
  std::int64_t number = 0;
  const Drawn* drawn = nullptr;
  const Settings* settings = nullptr;  // once a kernel is at it
};
void set_in_hand(const InHand& in_hand);
std::string explain(const InHand& in_hand);

void watch_for_death();
void show_life();  // to be called every few minutes, or the process ends as if in a deadlock

}  // namespace poolbench::pool
