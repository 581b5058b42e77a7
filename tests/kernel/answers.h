// What is right for a problem, by the definition.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "draw.h"

namespace poolbench::pool {

// The right answers for one problem with its input. Elements of what is written are numbered in the order in which
// Buffer::visit comes to them.
class Answers {
 public:
  virtual ~Answers() = default;

  virtual bool is_right(std::int64_t element, std::uint64_t bits) const = 0;
  // What was got, what is right, and what it is made of.
  virtual std::string explain(std::int64_t element, std::uint64_t bits) const = 0;

  // For maxima, of each window: the offset in its window and the index in its plane. The gradient pass reads the
  // offsets that a keep of some other input would have written.
  std::vector<std::uint64_t> offsets, indices;
};

// `input` has the bits of each element that the pass reads.
std::unique_ptr<Answers> answers_of(const Drawn& drawn, const std::vector<std::uint64_t>& input);

}  // namespace poolbench::pool
