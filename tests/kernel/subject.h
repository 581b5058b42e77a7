// One problem with its memory and its answers, to be done by any kernel.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "answers.h"
#include "draw.h"
#include "memory.h"
#include "run/dispatch.h"

namespace poolbench::pool {

class Subject {
 public:
  explicit Subject(const Drawn& drawn);

  // Does the problem and compares with the answers. With `same_bits` it also does it by one thread, in parts as other
  // numbers of threads would, and averages sample by sample: none of that may change a bit. Returns what is wrong, and
  // the kernel that did it as run() returns it.
  std::string run(const Settings& settings, bool same_bits, int& done_by);

 private:
  // The bits of all that a pass has written, in the order in which Buffer::visit comes to them.
  struct Written {
    std::vector<std::uint64_t> elements, offsets;
  };

  Written take();
  void clear();
  bool is_clear() const;
  std::string check(const Written& written) const;
  std::string check_indices();
  std::string check_same_bits(const Settings& settings, int done_by, const Written& written);
  std::string compare(const Written& written, const Written& other, const char* how, bool is_mended) const;
  void run_in_parts(const Choice& choice);
  std::string place(std::int64_t element) const;

  const Drawn& drawn_;
  Problem problem_;
  Buffer in_, out_, offsets_, indices_;
  std::unique_ptr<Answers> answers_;
};

}  // namespace poolbench::pool
