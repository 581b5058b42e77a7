// Random problems: everything that follows from a seed and a number, before there is memory for it.
#pragma once

#include <cstdint>
#include <string>

#include "fillings.h"
#include "memory.h"
#include "problem/problem.h"
#include "shapes.h"

namespace poolbench::pool {

struct Drawn {
  Problem problem;  // its pointers are still null
  View in, out;     // of what the pass reads, and of what it writes
  View offsets;     // of the places of maxima: for keeps and for gradients of maxima, otherwise without elements
  View indices;     // what is made of a keep's offsets, with elements of 8 bytes; otherwise without elements
  Profile profile;
  Filling filling;
  std::uint64_t filling_seed;
  int threads;
  int parts;        // into how many parts the units are cut, as threads would share them
  bool any_isa;     // whether dispatch chooses the instruction set too, or the kernel alone
};

Drawn draw(std::uint64_t seed, std::uint64_t number);

std::string describe(const Drawn& drawn);  // in words, over several lines

// Whether the pass has offsets: it writes or reads where maxima were.
constexpr bool has_offsets(const Problem& p) {
  return p.pass == Pass::kKeep || (p.pass == Pass::kGradient && p.op == Op::kMax);
}

}  // namespace poolbench::pool
