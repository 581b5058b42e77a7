#include "draw.h"

#include <algorithm>

#include "layouts.h"
#include "problem/offsets.h"

namespace poolbench::pool {
namespace {

// Each kind of problem of a pass as often as the others; more of those that more kernels do.
void draw_kind(Random& random, Problem& p) {
  constexpr int kFloats = static_cast<int>(Type::kBf16) + 1;
  const std::int64_t chance = random.between(1, 100);
  p.pass = chance <= 45 ? Pass::kPool : chance <= 65 ? Pass::kKeep : Pass::kGradient;
  int pair = 0;  // of an operation and a type
  if (p.pass == Pass::kPool) {
    pair = static_cast<int>(random.between(0, kTypes + kFloats - 1));
  } else if (p.pass == Pass::kKeep) {
    pair = static_cast<int>(random.percent(90) ? random.between(0, kFloats - 1) : random.between(kFloats, kTypes - 1));
  } else {
    pair = static_cast<int>(random.between(0, kFloats - 1)) + (random.percent(60) ? 0 : kTypes);
  }
  p.op = pair < kTypes ? Op::kMax : Op::kAvg;
  p.type = static_cast<Type>(pair % kTypes);
}

// The least size that holds all offsets, or now and then a larger one.
int draw_offset_size(Random& random, const Problem& p) {
  std::int64_t window = 1;
  for (const Axis& axis : p.axes) window *= largest_window(axis);
  int size = offset_size_for(window);
  while (size < 8 && random.percent(8)) size *= 2;
  return size;
}

}  // namespace

Drawn draw(std::uint64_t seed, std::uint64_t number) {
  Random random(seed, number);
  Drawn drawn{};
  Problem& p = drawn.problem;
  draw_kind(random, p);
  p.include_padding = random.percent(50);
  if (p.op == Op::kAvg && random.percent(15)) p.divisor = random.percent(10) ? -3 : random.between(1, 40);
  drawn.profile = draw_profile(random, p.pass);
  draw_shape(random, p, drawn.profile);
  p.offset_size = has_offsets(p) ? draw_offset_size(random, p) : 1;
  draw_layouts(random, drawn);
  drawn.filling = static_cast<Filling>(random.percent(90) ? random.between(0, kFillings - 2) : kFillings - 1);
  drawn.filling_seed = random.next();
  drawn.threads = random.percent(50) ? 1 : static_cast<int>(random.between(2, 4));
  drawn.parts = static_cast<int>(random.between(2, 16));
  drawn.any_isa = random.percent(60);
  return drawn;
}

}  // namespace poolbench::pool
