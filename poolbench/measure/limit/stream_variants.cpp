// The instruction sets, one target region each, and the one list of variants that feeds dispatch, listing and tests.
#include <cstring>

#include "stream.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Instruction sets are chosen by regions, never by flags per file: a flag would let code that the compiler shares
// between files, such as inline functions of the standard library, run on a processor that lacks them.
#if defined(__clang__)
#define POOLBENCH_BEGIN_AVX2 \
  _Pragma("clang attribute push(__attribute__((target(\"avx2,prfchw\"))), apply_to = function)")
#define POOLBENCH_BEGIN_AVX512 \
  _Pragma("clang attribute push(__attribute__((target(\"avx2,avx512f,prfchw\"))), apply_to = function)")
#define POOLBENCH_END_TARGET _Pragma("clang attribute pop")
#else
#define POOLBENCH_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,prfchw\")")
#define POOLBENCH_BEGIN_AVX512 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,avx512f,prfchw\")")
#define POOLBENCH_END_TARGET _Pragma("GCC pop_options")
#endif

namespace poolbench::stream {

#if defined(__x86_64__)

POOLBENCH_BEGIN_AVX512
namespace avx512 {
struct Vec {
  using type = __m512i;
  static constexpr int kPerLine = 1;
  static type zero() { return _mm512_setzero_si512(); }
  static type fill(std::uint64_t word) { return _mm512_set1_epi64(static_cast<long long>(word)); }
  static type load(const char* at) { return _mm512_load_si512(at); }
  static type add(type a, type b) { return _mm512_add_epi64(a, b); }
  static void store(char* at, type value) { _mm512_store_si512(at, value); }
  static void store_around_cache(char* at, type value) { _mm512_stream_si512(reinterpret_cast<type*>(at), value); }
  static void fence() { _mm_sfence(); }
  static std::uint64_t sum(type value) {
    alignas(64) std::uint64_t words[8];
    _mm512_store_si512(words, value);
    return words[0] + words[1] + words[2] + words[3] + words[4] + words[5] + words[6] + words[7];
  }
};
#include "stream_kernels.h"
}  // namespace avx512
POOLBENCH_END_TARGET

POOLBENCH_BEGIN_AVX2
namespace avx2 {
struct Vec {
  using type = __m256i;
  static constexpr int kPerLine = 2;
  static type zero() { return _mm256_setzero_si256(); }
  static type fill(std::uint64_t word) { return _mm256_set1_epi64x(static_cast<long long>(word)); }
  static type load(const char* at) { return _mm256_load_si256(reinterpret_cast<const type*>(at)); }
  static type add(type a, type b) { return _mm256_add_epi64(a, b); }
  static void store(char* at, type value) { _mm256_store_si256(reinterpret_cast<type*>(at), value); }
  static void store_around_cache(char* at, type value) { _mm256_stream_si256(reinterpret_cast<type*>(at), value); }
  static void fence() { _mm_sfence(); }
  static std::uint64_t sum(type value) {
    alignas(32) std::uint64_t words[4];
    _mm256_store_si256(reinterpret_cast<type*>(words), value);
    return words[0] + words[1] + words[2] + words[3];
  }
};
#include "stream_kernels.h"
}  // namespace avx2
POOLBENCH_END_TARGET

namespace baseline {  // SSE2 belongs to every x86-64
constexpr const char* kIsa = "sse2";
struct Vec {
  using type = __m128i;
  static constexpr int kPerLine = 4;
  static type zero() { return _mm_setzero_si128(); }
  static type fill(std::uint64_t word) { return _mm_set1_epi64x(static_cast<long long>(word)); }
  static type load(const char* at) { return _mm_load_si128(reinterpret_cast<const type*>(at)); }
  static type add(type a, type b) { return _mm_add_epi64(a, b); }
  static void store(char* at, type value) { _mm_store_si128(reinterpret_cast<type*>(at), value); }
  static void store_around_cache(char* at, type value) { _mm_stream_si128(reinterpret_cast<type*>(at), value); }
  static void fence() { _mm_sfence(); }
  static std::uint64_t sum(type value) {
    alignas(16) std::uint64_t words[2];
    _mm_store_si128(reinterpret_cast<type*>(words), value);
    return words[0] + words[1];
  }
};
#include "stream_kernels.h"
}  // namespace baseline

#else

namespace baseline {  // 16-byte vectors in the compilers' own notation: NEON on AArch64, whatever fits elsewhere
#if defined(__ARM_NEON)
constexpr const char* kIsa = "neon";
#else
constexpr const char* kIsa = "portable";
#endif
struct Vec {
  using type = std::uint64_t __attribute__((vector_size(16)));
  static constexpr int kPerLine = 4;
  static type zero() { return type{0, 0}; }
  static type fill(std::uint64_t word) { return type{word, word}; }
  static type load(const char* at) {
    type value;
    std::memcpy(&value, __builtin_assume_aligned(at, 16), sizeof value);
    return value;
  }
  static type add(type a, type b) { return a + b; }
  static void store(char* at, type value) { std::memcpy(__builtin_assume_aligned(at, 16), &value, sizeof value); }
  static void store_around_cache(char* at, type value) {
#if defined(__clang__)
    __builtin_nontemporal_store(value, reinterpret_cast<type*>(at));
#else
    store(at, value);
#endif
  }
  static void fence() {}
  static std::uint64_t sum(type value) { return value[0] + value[1]; }
};
#include "stream_kernels.h"
}  // namespace baseline

#endif

namespace {

constexpr std::uint64_t kPage = 64;             // lines read between two turns of writing
constexpr std::uint64_t kEach = 1;              // write after every step
constexpr std::uint64_t kAll = std::uint64_t{1} << 62;  // read everything, then write everything

// Which of them win where is in docs/decisions/0002-streaming-limit.md.
std::vector<Variant> list_variants() {
  std::vector<Variant> list;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f")) {
    using namespace avx512;
    list.push_back(variant<1, 16, 0, Store::kPlain>("avx512", "avx512", kPage));
    list.push_back(variant<2, 8, 0, Store::kPlain>("avx512-2streams", "avx512", kPage));
    list.push_back(variant<2, 8, 0, Store::kPlain>("avx512-2streams-split", "avx512", kAll));
    list.push_back(variant<1, 8, 0, Store::kAhead>("avx512-writeahead", "avx512", 16));
    list.push_back(variant<2, 8, 32, Store::kAhead>("avx512-2streams-prefetch-writeahead", "avx512", kEach));
    list.push_back(variant<4, 4, 16, Store::kPlain>("avx512-4streams-prefetch", "avx512", kEach));
    list.push_back(variant<1, 8, 32, Store::kAroundCache>("avx512-prefetch-nt", "avx512", kEach));
    list.push_back(variant<4, 2, 0, Store::kAroundCache>("avx512-4streams-nt", "avx512", kEach));
    list.push_back(variant<4, 4, 32, Store::kAroundCache>("avx512-4streams-prefetch-nt", "avx512", kEach));
    list.push_back(variant<8, 2, 0, Store::kAroundCache>("avx512-8streams-nt", "avx512", kEach));
  }
  if (__builtin_cpu_supports("avx2")) {
    using namespace avx2;
    list.push_back(variant<2, 8, 0, Store::kPlain>("avx2-2streams", "avx2", kPage));
    list.push_back(variant<1, 8, 0, Store::kAhead>("avx2-writeahead", "avx2", 16));
    list.push_back(variant<4, 4, 32, Store::kAroundCache>("avx2-4streams-prefetch-nt", "avx2", kEach));
  }
#endif
  {
    using namespace baseline;
    list.push_back(variant<1, 8, 0, Store::kPlain>("baseline", kIsa, kPage));
    list.push_back(variant<2, 8, 0, Store::kPlain>("baseline-2streams-split", kIsa, kAll));
    list.push_back(variant<4, 4, 16, Store::kPlain>("baseline-4streams-prefetch", kIsa, kEach));
    list.push_back(variant<4, 4, 32, Store::kAroundCache>("baseline-4streams-prefetch-nt", kIsa, kEach));
  }
  return list;
}

}  // namespace

const std::vector<Variant>& variants() {
  static const std::vector<Variant> list = list_variants();
  return list;
}

}  // namespace poolbench::stream
