#include "subject.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <sstream>

#include "fillings.h"
#include "keep/indices.h"
#include "random.h"
#include "values.h"

namespace poolbench::pool {
namespace {

// What is wrong with some of many: how many, and the first of them in words.
template <class IsRight, class Explain>
std::string list_wrong(const char* what, std::int64_t count, IsRight is_right, Explain explain) {
  std::int64_t wrong = 0, first = -1;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!is_right(i) && ++wrong == 1) first = i;
  }
  if (wrong == 0) return {};
  return std::to_string(wrong) + " of " + std::to_string(count) + " " + what + " are wrong, the first at " +
         explain(first);
}

std::string hexadecimal(std::uint64_t bits) {
  std::ostringstream text;
  text << "0x" << std::hex << bits;
  return text.str();
}

}  // namespace

Subject::Subject(const Drawn& drawn)
    : drawn_(drawn), problem_(drawn.problem), in_(drawn.in), out_(drawn.out), offsets_(drawn.offsets),
      indices_(drawn.indices) {
  const std::vector<std::uint64_t>& values = filling_values(problem_.type, drawn.filling);
  const std::int64_t size = size_of(problem_.type);
  Random random(drawn.filling_seed, 0);
  in_.put(size, [&] { return values[random.next() % values.size()]; });
  answers_ = answers_of(drawn, in_.read(size));
  problem_.in = in_.first();
  problem_.out = out_.first();
  if (!has_offsets(problem_)) return;
  problem_.offsets = offsets_.first();
  if (problem_.pass == Pass::kKeep) return;
  auto offset = answers_->offsets.begin();
  offsets_.put(problem_.offset_size, [&] { return *offset++; });
}

std::string Subject::run(const Settings& settings, bool same_bits, int& done_by) {
  done_by = pool::run(problem_, settings);
  if (done_by < 0) {
    if (!is_clear()) return "refused, but something was written";
    return settings.kernel == nullptr ? "no kernel did it, though none was asked for" : "";
  }
  const Kernel& kernel = kernel_at(done_by);
  const bool is_empty = drawn_.in.elements() == 0;  // which the scalar kernel does, whichever was asked for
  if (kernel.pass != problem_.pass || kernel.op != problem_.op || kernel.type != problem_.type ||
      (settings.kernel != nullptr && !is_empty && std::strcmp(settings.kernel, kernel.name) != 0)) {
    return "the kernel that is said to have done it does something else: " + name_of(kernel);
  }
  std::string wrong = check_indices();
  const Written written = take();
  if (wrong.empty()) wrong = check(written);
  if (wrong.empty() && !is_clear()) wrong = "something was written between the elements, or before or after them";
  if (wrong.empty() && same_bits && !is_empty) wrong = check_same_bits(settings, done_by, written);
  if (!wrong.empty()) {
    clear();
    wrong += ", by " + name_of(kernel);
  }
  return wrong;
}

Subject::Written Subject::take() {
  Written written{out_.take(size_of(problem_.type)), {}};
  if (problem_.pass == Pass::kKeep) written.offsets = offsets_.take(problem_.offset_size);
  return written;
}

void Subject::clear() {
  out_.clear();
  if (problem_.pass == Pass::kKeep) offsets_.clear();
  indices_.clear();
}

bool Subject::is_clear() const {
  return out_.is_clear() && (problem_.pass != Pass::kKeep || offsets_.is_clear()) && indices_.is_clear();
}

std::string Subject::check(const Written& written) const {
  const auto element = [&](std::int64_t i) { return written.elements[static_cast<std::size_t>(i)]; };
  std::string wrong = list_wrong(
      "values", drawn_.out.elements(), [&](std::int64_t i) { return answers_->is_right(i, element(i)); },
      [&](std::int64_t i) { return place(i) + ": " + answers_->explain(i, element(i)); });
  if (!wrong.empty() || problem_.pass != Pass::kKeep) return wrong;
  const auto got = [&](std::int64_t i) { return written.offsets[static_cast<std::size_t>(i)]; };
  const auto want = [&](std::int64_t i) { return answers_->offsets[static_cast<std::size_t>(i)]; };
  return list_wrong(
      "offsets", drawn_.offsets.elements(), [&](std::int64_t i) { return got(i) == want(i); },
      [&](std::int64_t i) {
        return place(i) + ": got " + std::to_string(got(i)) + ", not " + std::to_string(want(i)) + "; " +
               answers_->explain(i, element(i));
      });
}

// Of the offsets that a keep has just written.
std::string Subject::check_indices() {
  if (drawn_.indices.elements() == 0) return {};
  Indices to{indices_.first(), {}};
  std::copy(drawn_.indices.steps, drawn_.indices.steps + kDims, to.steps);
  write_indices(problem_, to, drawn_.threads);
  const std::vector<std::uint64_t> written = indices_.take(sizeof(std::int64_t));
  const auto got = [&](std::int64_t i) { return static_cast<std::int64_t>(written[static_cast<std::size_t>(i)]); };
  const auto want = [&](std::int64_t i) {
    return static_cast<std::int64_t>(answers_->indices[static_cast<std::size_t>(i)]);
  };
  return list_wrong(
      "indices", drawn_.indices.elements(), [&](std::int64_t i) { return got(i) == want(i); },
      [&](std::int64_t i) {
        return place(i) + ": got " + std::to_string(got(i)) + ", not " + std::to_string(want(i));
      });
}

std::string Subject::check_same_bits(const Settings& settings, int done_by, const Written& written) {
  const Choice choice = choose(problem_, settings);
  if (choice.kernel != done_by) return "choose() says that another kernel does it";
  // Kernels leave it to run() to do those averages again whose sums have overflowed.
  const bool may_overflow = problem_.op == Op::kAvg && drawn_.filling == Filling::kLargest;
  run_in_parts(choice);
  std::string wrong = compare(written, take(), "in parts", !may_overflow);
  Settings alone = settings;
  alone.threads = 1;
  if (wrong.empty() && choice.threads > 1) {
    pool::run(problem_, alone);
    wrong = compare(written, take(), "on one thread", true);
  }
  if (wrong.empty() && problem_.op == Op::kAvg && problem_.batch.count > 1) {
    for (std::int64_t n = 0; n < problem_.batch.count; ++n) {
      Problem sample = problem_;
      sample.batch = Outer{};
      sample.in += n * problem_.batch.in_step;
      sample.out += n * problem_.batch.out_step;
      pool::run(sample, alone);
    }
    wrong = compare(written, take(), "sample by sample", true);
  }
  if (wrong.empty() && !is_clear()) wrong = "something was written between the elements when it was done again";
  return wrong;
}

std::string Subject::compare(const Written& written, const Written& other, const char* how, bool is_mended) const {
  // Of two NaN that are added, a processor keeps the one that the compiler named first: sign and payload mean nothing.
  const std::string heading = std::string("done ") + how + ", it has other bits: ";
  std::string wrong = list_wrong(
      "values", drawn_.out.elements(),
      [&](std::int64_t i) {
        const std::uint64_t one = written.elements[static_cast<std::size_t>(i)];
        const std::uint64_t two = other.elements[static_cast<std::size_t>(i)];
        return one == two || (is_nan(problem_.type, one) && is_nan(problem_.type, two)) ||
               (!is_mended && !std::isfinite(decode<double>(problem_.type, two)));
      },
      [&](std::int64_t i) {
        const auto at = static_cast<std::size_t>(i);
        return place(i) + ": " + hexadecimal(other.elements[at]) + " instead of " + hexadecimal(written.elements[at]) +
               "; " + answers_->explain(i, other.elements[at]);
      });
  if (!wrong.empty()) return heading + wrong;
  return written.offsets == other.offsets ? "" : heading + "offsets differ";
}

// Does the units as threads would that share them, the last ones first.
void Subject::run_in_parts(const Choice& choice) {
  const Kernel& kernel = kernel_at(choice.kernel);
  const std::int64_t samples = choice.by_sample ? problem_.batch.count : 1, units = choice.units / samples;
  for (std::int64_t part = drawn_.parts - 1; part >= 0; --part) {
    std::int64_t first = choice.units * part / drawn_.parts;
    const std::int64_t last = choice.units * (part + 1) / drawn_.parts;
    while (first < last) {
      const std::int64_t n = first / units, end = std::min(last, (n + 1) * units);
      Plan plan = choice.plan;
      plan.problem = &problem_;
      if (choice.by_sample) {
        plan.in += n * problem_.batch.in_step;
        plan.out += n * problem_.batch.out_step;
      }
      kernel.run(plan, first - n * units, end - n * units);
      first = end;
    }
  }
}

std::string Subject::place(std::int64_t element) const {
  std::int64_t at[kDims], rest = element;
  for (int dim = kDims - 1; dim >= 0; --dim) {
    at[dim] = rest % drawn_.out.counts[dim];
    rest /= drawn_.out.counts[dim];
  }
  std::string text;
  for (int dim = 0; dim < kDims; ++dim) {
    text += (dim == 0 ? "" : ", ") + std::string(kDimNames[dim]) + " " + std::to_string(at[dim]);
  }
  return text;
}

}  // namespace poolbench::pool
