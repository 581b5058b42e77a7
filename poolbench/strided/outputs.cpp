#include "outputs.h"

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <mutex>

namespace poolbench::pool {
namespace {

constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// From here on an output lies on huge pages where the system has them.
constexpr std::size_t kHugeFrom = std::size_t{4} << 20;
// Below this the allocator is as quick by itself: it does not go to the system for so little.
constexpr std::size_t kKeepFrom = std::size_t{64} << 10;
constexpr std::size_t kMostBuffers = 4;
constexpr std::size_t kMostBytes = std::size_t{64} << 20;

struct Buffer {
  char* data;
  std::size_t bytes;
};

// The kept buffers, the one that was freed last at the end. Never destroyed: outputs may outlive everything else.
std::mutex mutex;
Buffer kept[kMostBuffers];
std::size_t kept_count = 0;
std::size_t kept_bytes = 0;

// A child gets the lock in the state of the moment of the fork, so nobody may be in between then.
void lock() { mutex.lock(); }
void unlock() { mutex.unlock(); }
[[maybe_unused]] const int registered = pthread_atfork(lock, unlock, unlock);

char* allocate(std::size_t bytes) {
  void* data = nullptr;
  const bool is_huge = bytes >= kHugeFrom;
  if (posix_memalign(&data, is_huge ? kHugePage : kLine, bytes == 0 ? 1 : bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  if (is_huge) madvise(data, bytes, MADV_HUGEPAGE);  // where this is refused, small pages do
#endif
  return static_cast<char*>(data);
}

// Takes a buffer out of the list, whose lock the caller holds.
Buffer take(std::size_t place) {
  const Buffer buffer = kept[place];
  kept_bytes -= buffer.bytes;
  --kept_count;
  for (std::size_t i = place; i < kept_count; ++i) kept[i] = kept[i + 1];
  return buffer;
}

}  // namespace

char* allocate_output(std::size_t bytes) {
  if (bytes >= kKeepFrom) {
    const std::lock_guard<std::mutex> guard(mutex);
    for (std::size_t i = kept_count; i-- > 0;) {
      if (kept[i].bytes == bytes) return take(i).data;
    }
  }
  return allocate(bytes);
}

void release_output(char* data, std::size_t bytes) noexcept {
  if (bytes < kKeepFrom || bytes > kMostBytes) {
    std::free(data);
    return;
  }
  Buffer dropped[kMostBuffers];
  std::size_t count = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex);
    while (kept_count == kMostBuffers || kept_bytes + bytes > kMostBytes) dropped[count++] = take(0);
    kept[kept_count++] = {data, bytes};
    kept_bytes += bytes;
  }
  // Giving pages back takes the system a while, during which others may want the lock.
  while (count > 0) std::free(dropped[--count].data);
}

void clear_outputs() noexcept {
  Buffer dropped[kMostBuffers];
  std::size_t count = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex);
    while (kept_count > 0) dropped[count++] = take(kept_count - 1);
  }
  while (count > 0) std::free(dropped[--count].data);
}

std::size_t kept_output_bytes() noexcept {
  const std::lock_guard<std::mutex> guard(mutex);
  return kept_bytes;
}

}  // namespace poolbench::pool
