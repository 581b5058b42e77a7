#include "answers.h"

#include <sstream>
#include <type_traits>

#include "bounds.h"
#include "naive.h"
#include "values.h"

namespace poolbench::pool {
namespace {

constexpr int kShown = 40;  // values that are printed

// What all kinds of answers have: V is what the elements are read as.
template <class V>
class Base : public Answers {
 public:
  Base(const Drawn& drawn, const std::vector<std::uint64_t>& input) : drawn_(drawn), windows_(drawn.problem) {
    values_.reserve(input.size());
    for (const std::uint64_t bits : input) values_.push_back(decode<V>(type(), bits));
  }

 protected:
  Type type() const { return drawn_.problem.type; }
  std::int64_t planes() const { return drawn_.problem.batch.count * drawn_.problem.channels.count; }
  V value_of(std::uint64_t bits) const { return decode<V>(type(), bits); }

  template <class Want>
  std::string sentence(std::uint64_t got, Want want, const std::string& from) const {
    std::ostringstream text;
    text.precision(20);
    text << "got " << value_of(got) << ", not " << want << ", from" << (from.empty() ? " nothing" : from);
    return text.str();
  }

  // The beginning of what a window reads.
  std::string window_of(std::int64_t element) const {
    const V* const plane = values_.data() + element / windows_.windows() * windows_.positions();
    std::ostringstream text;
    text.precision(9);
    int shown = 0;
    windows_.visit(windows_.window_at(element), [&](std::int64_t index, std::int64_t) {
      if (++shown <= kShown) text << " " << plane[index];
    });
    return text.str() + (shown > kShown ? " …" : "");
  }

  // The beginning of what the windows that read a position tell it, where `tells(window)` says so.
  template <class Tells>
  std::string readers_of(std::int64_t element, Tells tells) const {
    const std::int64_t first = element / windows_.positions() * windows_.windows();
    const std::int64_t position = element % windows_.positions();
    std::ostringstream text;
    text.precision(9);
    int shown = 0;
    for (std::int64_t i = 0; i < windows_.windows(); ++i) {
      windows_.visit(windows_.window_at(i), [&](std::int64_t index, std::int64_t) {
        if (index != position || !tells(first + i) || ++shown > kShown) return;
        text << " " << values_[static_cast<std::size_t>(first + i)];
        if (drawn_.problem.op == Op::kAvg) text << "/" << windows_.divisor(drawn_.problem, windows_.window_at(i));
      });
    }
    return text.str() + (shown > kShown ? " …" : "");
  }

  const Drawn& drawn_;
  const Windows windows_;
  std::vector<V> values_;
};

template <class V>
class Maxima final : public Base<V> {
 public:
  Maxima(const Drawn& drawn, const std::vector<std::uint64_t>& input) : Base<V>(drawn, input) {
    for (std::int64_t i = 0; i < this->planes() * windows_.windows(); ++i) {
      const V* const plane = values_.data() + i / windows_.windows() * windows_.positions();
      const Maximum<V> best = naive_max(windows_, plane, windows_.window_at(i));
      wants_.push_back(best.value);
      this->offsets.push_back(static_cast<std::uint64_t>(best.offset));
      this->indices.push_back(static_cast<std::uint64_t>(best.index));
    }
  }
  // Whether a zero has a sign is told only where its place is told too: it is that of the first of equals then.
  bool is_right(std::int64_t element, std::uint64_t bits) const override {
    const V got = this->value_of(bits), want = wants_[static_cast<std::size_t>(element)];
    if (got != got || want != want) return got != got && want != want;
    const bool one_sign = std::signbit(static_cast<double>(got)) == std::signbit(static_cast<double>(want));
    return got == want && (one_sign || this->drawn_.problem.pass == Pass::kPool);
  }
  std::string explain(std::int64_t element, std::uint64_t bits) const override {
    return this->sentence(bits, wants_[static_cast<std::size_t>(element)], this->window_of(element));
  }

 private:
  using Base<V>::windows_;
  using Base<V>::values_;
  std::vector<V> wants_;
};

class Averages final : public Base<double> {
 public:
  Averages(const Drawn& drawn, const std::vector<std::uint64_t>& input) : Base(drawn, input) {
    for (std::int64_t i = 0; i < planes() * windows_.windows(); ++i) {
      const double* const plane = values_.data() + i / windows_.windows() * windows_.positions();
      wants_.push_back(naive_average(drawn.problem, windows_, plane, windows_.window_at(i)));
    }
  }
  bool is_right(std::int64_t element, std::uint64_t bits) const override {
    return agrees(drawn_, wants_[static_cast<std::size_t>(element)], value_of(bits));
  }
  std::string explain(std::int64_t element, std::uint64_t bits) const override {
    return sentence(bits, wants_[static_cast<std::size_t>(element)].exact, window_of(element)) + " over " +
           std::to_string(windows_.divisor(drawn_.problem, windows_.window_at(element)));
  }

 private:
  std::vector<Sum> wants_;
};

// The gradient of averages.
class Spread final : public Base<double> {
 public:
  Spread(const Drawn& drawn, const std::vector<std::uint64_t>& input) : Base(drawn, input) {
    for (std::int64_t i = 0; i < planes(); ++i) {
      const std::vector<Sum> plane = naive_spread(drawn.problem, windows_, values_.data() + i * windows_.windows());
      wants_.insert(wants_.end(), plane.begin(), plane.end());
    }
  }
  bool is_right(std::int64_t element, std::uint64_t bits) const override {
    return agrees(drawn_, wants_[static_cast<std::size_t>(element)], value_of(bits));
  }
  std::string explain(std::int64_t element, std::uint64_t bits) const override {
    return sentence(bits, wants_[static_cast<std::size_t>(element)].exact,
                    readers_of(element, [](std::int64_t) { return true; }));
  }

 private:
  std::vector<Sum> wants_;
};

// The gradient of maxima: A is what is added up in.
template <class A>
class Scattered final : public Base<double> {
 public:
  Scattered(const Drawn& drawn, const std::vector<std::uint64_t>& input) : Base(drawn, input) {
    find_maxima();
    for (std::int64_t i = 0; i < planes(); ++i) {
      const std::int64_t first = i * windows_.windows();
      for (const A sum : naive_scatter<A>(windows_, values_.data() + first, indices.data() + first)) {
        wants_.push_back(encode(type(), static_cast<double>(sum)));
      }
    }
  }
  // All bits, but for those of what is not a number.
  bool is_right(std::int64_t element, std::uint64_t bits) const override {
    const std::uint64_t want = wants_[static_cast<std::size_t>(element)];
    return bits == want || (is_nan(type(), bits) && is_nan(type(), want));
  }
  std::string explain(std::int64_t element, std::uint64_t bits) const override {
    const auto tells = [&](std::int64_t window) {
      return static_cast<std::int64_t>(indices[static_cast<std::size_t>(window)]) == element % windows_.positions();
    };
    return sentence(bits, value_of(wants_[static_cast<std::size_t>(element)]), readers_of(element, tells));
  }

 private:
  // Where the maxima of an input would have been.
  void find_maxima() {
    const std::vector<std::uint64_t>& filling = filling_values(type(), drawn_.filling);
    Random random(drawn_.filling_seed, 1);
    std::vector<double> plane(static_cast<std::size_t>(windows_.positions()));
    for (std::int64_t i = 0; i < planes(); ++i) {
      for (double& value : plane) value = value_of(filling[random.next() % filling.size()]);
      for (std::int64_t o = 0; o < windows_.windows(); ++o) {
        const Maximum<double> best = naive_max(windows_, plane.data(), windows_.window_at(o));
        offsets.push_back(static_cast<std::uint64_t>(best.offset));
        indices.push_back(static_cast<std::uint64_t>(best.index));
      }
    }
  }

  std::vector<std::uint64_t> wants_;
};

}  // namespace

std::unique_ptr<Answers> answers_of(const Drawn& drawn, const std::vector<std::uint64_t>& input) {
  const Problem& p = drawn.problem;
  if (p.pass == Pass::kGradient) {
    if (p.op == Op::kAvg) return std::make_unique<Spread>(drawn, input);
    if (p.type == Type::kF64) return std::make_unique<Scattered<double>>(drawn, input);
    return std::make_unique<Scattered<float>>(drawn, input);
  }
  if (p.op == Op::kAvg) return std::make_unique<Averages>(drawn, input);
  if (is_float(p.type)) return std::make_unique<Maxima<double>>(drawn, input);
  return std::make_unique<Maxima<std::int64_t>>(drawn, input);
}

}  // namespace poolbench::pool
