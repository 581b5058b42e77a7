// Random problems, computed by the kernel and by the reference of naive.h. Each is done once as the kernel likes and
// once by the variant that was reached least so far, in buffers of exactly the bytes it may touch, so that a sanitizer
// sees each byte too many. Exits with 0 if all agreed (and each variant was reached often enough), else with 1.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "draw.h"
#include "naive.h"
#include "problem.h"
#include "values.h"

// Present where a sanitizer is linked in: what it calls before it ends the process.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*)());

namespace poolbench::pool {
namespace {

constexpr unsigned char kCanary = 0xa5;
constexpr unsigned kPatience = 300;  // seconds without any progress that mean a deadlock

struct Options {
  std::int64_t cases = -1;  // as many as there is time for, or 100,000 if neither is given
  std::int64_t seconds = -1;
  std::uint64_t seed = 1;
  std::int64_t least = 0;
  std::int64_t only = -1;
};

// ---- what is going on, for when something ends the process

struct {
  std::uint64_t seed;
  std::int64_t number;
  const Drawn* drawn;
  bool running;
  Settings settings;
} now;

std::string explain() {
  std::ostringstream text;
  if (now.drawn == nullptr) return {};
  text << "case " << now.number << " of seed " << now.seed << ", again with --seed " << now.seed << " --case "
       << now.number << "\n"
       << describe(*now.drawn);
  if (now.running) {
    text << "  run by " << (now.settings.engine != nullptr ? now.settings.engine : "the engine of its choice") << ", "
         << (now.settings.isa >= 0 ? isa_name(static_cast<Isa>(now.settings.isa)) : "the widest instruction set") << "\n";
  }
  return text.str();
}

void explain_death() { std::fprintf(stderr, "\nThis was %s", explain().c_str()); }

void die(int signal) {
  std::fprintf(stderr, "\n%s", signal == SIGALRM ? "no end in sight" : "killed by a signal");
  explain_death();
  std::_Exit(1);
}

void watch_for_death() {
  std::signal(SIGALRM, die);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(explain_death);
  } else {
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) std::signal(signal, die);
  }
}

// ---- memory

class Buffer {
 public:
  explicit Buffer(std::int64_t bytes)
      : bytes_(static_cast<std::size_t>(bytes)), at_(static_cast<char*>(std::malloc(bytes_)), std::free) {}
  char* at() const { return at_.get(); }
  void fill() { std::memset(at(), kCanary, bytes_); }
  bool is_filled() const {
    return bytes_ == 0 || (static_cast<unsigned char>(*at()) == kCanary && std::memcmp(at(), at() + 1, bytes_ - 1) == 0);
  }

 private:
  std::size_t bytes_;
  std::unique_ptr<char, void (*)(void*)> at_;
};

// Calls visit(address) for each element of a view, the last axis fastest.
template <class Visit>
void visit_elements(const View& view, char* buffer, Visit visit) {
  const auto& counts = view.counts;
  const auto& steps = view.steps;
  for (std::int64_t n = 0; n < counts[0]; ++n) {
    for (std::int64_t c = 0; c < counts[1]; ++c) {
      for (std::int64_t d = 0; d < counts[2]; ++d) {
        for (std::int64_t h = 0; h < counts[3]; ++h) {
          const std::int64_t row = view.first + n * steps[0] + c * steps[1] + d * steps[2] + h * steps[3];
          for (std::int64_t w = 0; w < counts[4]; ++w) visit(buffer + row + w * steps[4]);
        }
      }
    }
  }
}

void fill_input(const Drawn& drawn, const Buffer& buffer) {
  const std::vector<std::uint64_t>& values = filling_values(drawn.problem.type, drawn.filling);
  const auto size = static_cast<std::size_t>(size_of(drawn.problem.type));
  Random random(drawn.filling_seed, 0);
  visit_elements(drawn.in, buffer.at(), [&](char* at) { std::memcpy(at, &values[random.next() % values.size()], size); });
}

// ---- what is right

// Small integers over a power of two: nothing is rounded, unless the type itself lacks the digits.
bool is_exact(const Drawn& drawn, const Average& want) {
  return drawn.filling == Filling::kIntegers && (want.divisor & (want.divisor - 1)) == 0;
}

// How far from the exact average the kernel's may lie: the last place of the type, and what rounding the sum loses. A
// float's sum is taken in double, or in float where the window has nine elements at most, and a half's in float; a
// double's in double, but as well as by pairs.
long double tolerance(Type type, const Average& want) {
  const auto taps = static_cast<long double>(want.taps);
  long double lost;
  if (type == Type::kF64) {
    lost = std::ldexp(2 + std::log2(taps + 1), -52) * want.magnitude;
  } else if (type == Type::kF32) {
    lost = std::ldexp(taps, taps <= 9 ? -24 : -53) * want.magnitude + std::ldexp(1.0L, -149);
  } else {
    lost = std::ldexp(taps, -24) * want.magnitude + std::ldexp(1.0L, -149);
  }
  return lost + format_of(type).ulp(want.exact);
}

bool agrees(const Drawn& drawn, const Average& want, double got) {
  if (std::isnan(want.exact)) return std::isnan(got);
  const Type type = drawn.problem.type;
  const Format& format = format_of(type);
  if (std::isinf(want.exact) || is_exact(drawn, want)) return got == format.round(want.exact);
  const long double off = std::fabs(got - want.exact);
  constexpr long double kPlaces[] = {0x1p-53L, 0x1p-24L, 0x1p-11L, 0x1p-8L};  // at least half a unit of the last place
  if (off <= kPlaces[static_cast<int>(type)] * std::fabs(want.exact)) return true;
  if (std::isinf(got)) return format.round(want.exact + std::copysign(tolerance(type, want), got)) == got;
  return off <= tolerance(type, want);
}

template <class V>
bool agrees(const Drawn&, const Maximum<V>& want, V got) {
  return got == want.value || (got != got && want.value != want.value);
}

template <class V>
void print_value(std::ostream& text, V value) { text << value; }
template <class V>
void print_value(std::ostream& text, const Maximum<V>& want) { text << want.value; }
void print_value(std::ostream& text, const Average& want) { text << want.exact << " over " << want.divisor; }

// ---- a case

// One problem with its memory and its answers: V is what its elements are read as, Want what is expected of each.
template <class V, class Want>
class Case {
 public:
  explicit Case(const Drawn& drawn)
      : drawn_(drawn), problem_(drawn.problem), in_(drawn.in.bytes), out_(drawn.out.bytes),
        indices_(drawn.with_indices ? drawn.indices.bytes : 0),
        reads_{Reads(problem_.axes[0]), Reads(problem_.axes[1]), Reads(problem_.axes[2])} {
    in_.fill();
    out_.fill();
    indices_.fill();
    fill_input(drawn, in_);
    problem_.in = in_.at() + drawn.in.first;
    problem_.out = out_.at() + drawn.out.first;
    if (drawn.with_indices) problem_.indices = indices_.at() + drawn.indices.first;
    compute();
  }

  // Returns what is wrong, and the variant that did it.
  std::string run(const Settings& settings, int& done_by) {
    now.running = true;
    now.settings = settings;
    done_by = pool::run(problem_, settings);
    if (done_by < 0) {
      if (!out_.is_filled() || !indices_.is_filled()) return "refused, but something was written";
      return settings.engine == nullptr ? "no engine did it, though none was asked for" : "";
    }
    const Variant& variant = pool::variant(done_by);
    if (variant.op != problem_.op || variant.type != problem_.type ||
        (settings.engine != nullptr && std::strcmp(settings.engine, variant.engine) != 0)) {
      return "the variant that is said to have done it does something else";
    }
    std::string wrong = compare();
    if (!wrong.empty()) wrong += std::string(", by ") + variant.engine + " for " + isa_name(variant.isa);
    return wrong;
  }

 private:
  void compute() {
    const Axis(&axes)[3] = problem_.axes;
    std::vector<V>& values = values_;
    values.reserve(static_cast<std::size_t>(drawn_.in.elements()));
    visit_elements(drawn_.in, in_.at(), [&](char* at) { values.push_back(read_element<V>(problem_.type, at)); });
    const std::int64_t plane = axes[0].in * axes[1].in * axes[2].in;
    for (std::int64_t i = 0; i < problem_.batch.count * problem_.channels.count; ++i) {
      for (std::int64_t d = 0; d < axes[0].out; ++d) {
        for (std::int64_t h = 0; h < axes[1].out; ++h) {
          for (std::int64_t w = 0; w < axes[2].out; ++w) {
            const Place place{d, h, w};
            if constexpr (std::is_same_v<Want, Average>) {
              wants_.push_back(naive_average(problem_, reads_, values.data() + i * plane, place));
            } else {
              wants_.push_back(naive_max(problem_, reads_, values.data() + i * plane, place));
            }
          }
        }
      }
    }
  }

  // Compares each output and puts the canary back; then nothing but canaries may be left.
  std::string compare() {
    std::int64_t bad = 0, first = -1;
    V first_got{};
    std::int64_t bad_indices = 0, first_index = -1, first_index_got = 0;
    std::int64_t i = 0;
    visit_elements(drawn_.out, out_.at(), [&](char* at) {
      const V got = read_element<V>(problem_.type, at);
      std::memset(at, kCanary, static_cast<std::size_t>(size_of(problem_.type)));
      if (!agrees(drawn_, wants_[static_cast<std::size_t>(i)], got) && ++bad == 1) first = i, first_got = got;
      ++i;
    });
    if constexpr (!std::is_same_v<Want, Average>) {
      i = 0;
      if (drawn_.with_indices) {
        visit_elements(drawn_.indices, indices_.at(), [&](char* at) {
          const auto got = read_as<std::int64_t>(at);
          std::memset(at, kCanary, sizeof got);
          if (got != wants_[static_cast<std::size_t>(i)].index && ++bad_indices == 1) first_index = i, first_index_got = got;
          ++i;
        });
      }
    }
    std::ostringstream text;
    text.precision(20);
    if (bad > 0) {
      text << bad << " of " << i << " values are wrong, the first at " << place(first) << ": got ";
      print_value(text, first_got);
      text << ", not ";
      print_value(text, wants_[static_cast<std::size_t>(first)]);
      text << ", from" << window(first);
    } else if (bad_indices > 0) {
      text << bad_indices << " of " << i << " indices are wrong, the first at " << place(first_index) << ": got "
           << first_index_got << ", not ";
      if constexpr (!std::is_same_v<Want, Average>) text << wants_[static_cast<std::size_t>(first_index)].index;
      text << ", from" << window(first_index);
    } else if (!out_.is_filled() || !indices_.is_filled()) {
      text << "something was written between the outputs, or before or after them";
    }
    if (bad > 0 || bad_indices > 0 || !out_.is_filled() || !indices_.is_filled()) out_.fill(), indices_.fill();
    return text.str();
  }

  Place coordinates(std::int64_t output) const {
    const Axis(&axes)[3] = problem_.axes;
    return {output / (axes[1].out * axes[2].out) % axes[0].out, output / axes[2].out % axes[1].out, output % axes[2].out};
  }

  std::int64_t plane_of(std::int64_t output) const {
    return output / (problem_.axes[0].out * problem_.axes[1].out * problem_.axes[2].out);
  }

  std::string place(std::int64_t output) const {
    const Place at = coordinates(output);
    const std::int64_t plane = plane_of(output);
    std::ostringstream text;
    text << "n " << plane / problem_.channels.count << ", c " << plane % problem_.channels.count << ", d " << at.d << ", h "
         << at.h << ", w " << at.w;
    return text.str();
  }

  // The beginning of what an output reads.
  std::string window(std::int64_t output) const {
    const Place at = coordinates(output);
    const Axis(&axes)[3] = problem_.axes;
    const V* plane = values_.data() + plane_of(output) * axes[0].in * axes[1].in * axes[2].in;
    std::ostringstream text;
    text.precision(9);
    int shown = 0;
    for (const std::int64_t* d = reads_[0].begin(at.d); d != reads_[0].end(at.d); ++d) {
      for (const std::int64_t* h = reads_[1].begin(at.h); h != reads_[1].end(at.h); ++h) {
        for (const std::int64_t* w = reads_[2].begin(at.w); w != reads_[2].end(at.w); ++w) {
          if (++shown > 40) return text.str() + " …";
          text << " " << plane[(*d * axes[1].in + *h) * axes[2].in + *w];
        }
      }
    }
    return shown == 0 ? " nothing" : text.str();
  }

  const Drawn& drawn_;
  Problem problem_;
  Buffer in_, out_, indices_;
  const Reads reads_[3];
  std::vector<V> values_;
  std::vector<Want> wants_;
};

// ---- the variants

struct Reached {
  std::vector<std::int64_t> counts = std::vector<std::int64_t>(static_cast<std::size_t>(variant_count()));

  std::int64_t& of(int position) { return counts[static_cast<std::size_t>(position)]; }

  // The variants that may do the problem, those reached least first.
  std::vector<int> candidates(const Problem& p) {
    std::vector<int> found;
    for (int i = 0; i < variant_count(); ++i) {
      if (variant(i).op == p.op && variant(i).type == p.type) found.push_back(i);
    }
    std::stable_sort(found.begin(), found.end(), [&](int a, int b) { return of(a) < of(b); });
    return found;
  }
};

// The instruction sets that occur in the list, each once.
std::vector<int> known_isas() {
  std::vector<int> known;
  for (int i = 0; i < variant_count(); ++i) {
    const int isa = static_cast<int>(variant(i).isa);
    if (std::find(known.begin(), known.end(), isa) == known.end()) known.push_back(isa);
  }
  return known;
}

template <class V, class Want>
std::string run_case(const Drawn& drawn, bool by_all, Reached& reached) {
  static const std::vector<int> isas = known_isas();
  Case<V, Want> subject(drawn);
  Settings settings;
  settings.threads = drawn.threads;
  if (!drawn.any_isa) settings.isa = isas[drawn.filling_seed % isas.size()];
  int done_by;
  std::string wrong = subject.run(settings, done_by);
  if (!wrong.empty()) return wrong;
  ++reached.of(done_by);
  for (const int candidate : reached.candidates(drawn.problem)) {
    settings.isa = static_cast<int>(variant(candidate).isa);
    settings.engine = variant(candidate).engine;
    wrong = subject.run(settings, done_by);
    if (!wrong.empty()) return wrong;
    if (done_by < 0) continue;
    ++reached.of(done_by);
    if (!by_all) break;
  }
  return {};
}

std::string run_case(const Options& options, std::int64_t number, Reached& reached) {
  const Drawn drawn = draw(options.seed, static_cast<std::uint64_t>(number));
  now = {options.seed, number, &drawn, false, {}};
  const bool by_all = options.only >= 0;
  std::string wrong;
  if (drawn.problem.op == Op::kAvg) {
    wrong = run_case<double, Average>(drawn, by_all, reached);
  } else if (is_float(drawn.problem.type)) {
    wrong = run_case<double, Maximum<double>>(drawn, by_all, reached);
  } else {
    wrong = run_case<std::int64_t, Maximum<std::int64_t>>(drawn, by_all, reached);
  }
  if (!wrong.empty()) wrong += "\nThis was " + explain();
  now.drawn = nullptr;
  return wrong;
}

// ---- the program

// A line for each engine, instruction set and operation, a column for each type.
void print_table(Reached& reached) {
  std::printf("%-16s %-9s %-4s", "engine", "isa", "op");
  for (const char* type : kTypeNames) std::printf(" %8s", type);
  std::vector<bool> printed(reached.counts.size());
  for (int i = 0; i < variant_count(); ++i) {
    if (printed[static_cast<std::size_t>(i)]) continue;
    const Variant& row = variant(i);
    std::printf("\n%-16s %-9s %-4s", row.engine, isa_name(row.isa), row.op == Op::kMax ? "max" : "avg");
    for (int type = 0; type < kTypes; ++type) {
      int at = -1;
      for (int j = i; j < variant_count(); ++j) {
        const Variant& other = variant(j);
        if (std::strcmp(other.engine, row.engine) == 0 && other.isa == row.isa && other.op == row.op &&
            other.type == static_cast<Type>(type)) {
          at = j;
        }
      }
      if (at < 0) {
        std::printf(" %8s", "");
      } else {
        printed[static_cast<std::size_t>(at)] = true;
        std::printf(" %8lld", static_cast<long long>(reached.of(at)));
      }
    }
  }
  std::printf("\n");
}

bool read_options(int count, char** texts, Options& options) {
  for (int i = 1; i < count; i += 2) {
    const std::string name = texts[i];
    char* end = nullptr;
    const long long value = i + 1 < count ? std::strtoll(texts[i + 1], &end, 10) : -1;
    if (end == nullptr || *end != '\0' || value < 0) return false;
    if (name == "--cases") options.cases = value;
    else if (name == "--seconds") options.seconds = value;
    else if (name == "--seed") options.seed = static_cast<std::uint64_t>(value);
    else if (name == "--least") options.least = value;
    else if (name == "--case") options.only = value;
    else return false;
  }
  if (options.cases < 0 && options.seconds < 0) options.cases = 100000;
  return true;
}

int main_of(int count, char** texts) {
  Options options;
  if (!read_options(count, texts, options)) {
    std::fprintf(stderr,
                 "usage: %s [--cases N] [--seconds T] [--seed S] [--least K] [--case N]\n"
                 "  --cases    how many problems (100000, or as many as fit into --seconds)\n"
                 "  --seconds  how long at most\n"
                 "  --seed     which problems (1)\n"
                 "  --least    how often each variant must be reached (0)\n"
                 "  --case     that problem alone, by each variant that can do it\n",
                 texts[0]);
    return 2;
  }
  watch_for_death();
  Reached reached;
  const std::int64_t first = options.only >= 0 ? options.only : 0;
  const std::int64_t last = options.only >= 0 ? first + 1 : options.cases;
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  std::int64_t number = first;
  for (; last < 0 || number < last; ++number) {
    if (number % 64 == 0) {
      alarm(kPatience);
      if (options.seconds >= 0 && seconds() >= static_cast<double>(options.seconds)) break;
    }
    const std::string wrong = run_case(options, number, reached);
    if (wrong.empty()) continue;
    std::fflush(stdout);
    std::fprintf(stderr, "%s", wrong.c_str());
    return 1;
  }
  print_table(reached);
  std::printf("%lld problems of seed %llu in %.1f s, all right\n", static_cast<long long>(number - first),
              static_cast<unsigned long long>(options.seed), seconds());
  int missed = 0;
  for (int i = 0; i < variant_count(); ++i) missed += reached.of(i) < options.least;
  if (missed == 0 || options.only >= 0) return 0;
  std::fprintf(stderr, "%d of %d variants were reached less than %lld times: see the table\n", missed, variant_count(),
               static_cast<long long>(options.least));
  return 1;
}

}  // namespace
}  // namespace poolbench::pool

int main(int count, char** texts) { return poolbench::pool::main_of(count, texts); }
