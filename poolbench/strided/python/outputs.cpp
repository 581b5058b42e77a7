// How: the freed buffers lie on two shelves, so that small ones never push large ones out. The figures behind every
// number here are in docs/decisions/0005-outputs.md.
#include "python/outputs.h"

#include <pthread.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace poolbench::pool {
namespace {

constexpr std::size_t kKiB = std::size_t{1} << 10;
constexpr std::size_t kMiB = std::size_t{1} << 20;
constexpr std::size_t kLine = 64;
constexpr std::size_t kHugePage = 2 * kMiB;
// From here on an output lies on huge pages where the system has them, and while it is on the shelf the system may take
// them back when it needs memory.
constexpr std::size_t kHugeFrom = 4 * kMiB;

// What is kept for certain; beyond it the system may take back what was freed first. To offer a buffer back takes a call
// that all of a process's threads wait for, as long as it takes to fill a few megabytes.
constexpr std::size_t kHeldBytes = 64 * kMiB;

struct Buffer {
  char* data;
  std::size_t bytes;
  bool offered;  // whether the system may take it back
};

constexpr std::size_t kMostBuffers = 8;

// Kept buffers, the one that was freed last at the end.
struct Shelf {
  std::size_t from;          // bytes of the smallest buffer
  std::size_t most_buffers;
  std::size_t most_bytes;
  std::size_t count = 0;
  std::size_t bytes = 0;
  Buffer buffers[kMostBuffers] = {};

  Buffer take(std::size_t place) {
    const Buffer buffer = buffers[place];
    bytes -= buffer.bytes;
    --count;
    for (std::size_t i = place; i < count; ++i) buffers[i] = buffers[i + 1];
    return buffer;
  }
};

// Never destroyed: outputs may outlive everything else.
std::mutex mutex;
Shelf small{1 * kKiB, 8, 2 * kMiB};
Shelf large{256 * kKiB, 4, kHeldBytes};

// A child gets the lock as it is at the moment of the fork, so nobody may hold it then.
void lock() { mutex.lock(); }
void unlock() { mutex.unlock(); }

// Whether the system gives huge pages to who asks. Only they can be offered back at no cost.
bool has_huge_pages() {
#if defined(MADV_HUGEPAGE) && defined(MADV_FREE)
  char text[64] = {};
  std::FILE* file = std::fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
  if (file == nullptr) return false;
  const std::size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  return length > 0 && std::strstr(text, "[never]") == nullptr;
#else
  return false;
#endif
}

// What may be kept of what the system can take back: the gradients of a training batch are larger than anything else,
// and a fresh one costs as much as computing it.
std::size_t most_offered_back() {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  const std::size_t memory =
      pages > 0 && page > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(page) : 0;
  return std::max(256 * kMiB, memory / 16);
}

bool prepare() {
  pthread_atfork(lock, unlock, unlock);
  const bool huge = has_huge_pages();
  if (huge) large.most_bytes = most_offered_back();
  return huge;
}

const bool kHasHugePages = prepare();

char* allocate(std::size_t bytes) {
  void* data = nullptr;
  const bool is_huge = kHasHugePages && bytes >= kHugeFrom;
  if (posix_memalign(&data, is_huge ? kHugePage : kLine, bytes == 0 ? 1 : bytes) != 0) return nullptr;
#if defined(MADV_HUGEPAGE)
  if (is_huge) {
    // Memory that was used before has small pages, and keeps them: given back, it is found again in huge ones.
    madvise(data, bytes / kHugePage * kHugePage, MADV_DONTNEED);
    madvise(data, bytes, MADV_HUGEPAGE);
  }
#endif
  return static_cast<char*>(data);
}

// Lets the system take the pages when it is short of memory; those that are still there are found again as they were.
void offer_back([[maybe_unused]] Buffer& buffer) {
  buffer.offered = true;
#if defined(MADV_FREE)
  // Whole huge pages alone: to offer part of one would split it.
  if (kHasHugePages && buffer.bytes >= kHugeFrom) madvise(buffer.data, buffer.bytes / kHugePage * kHugePage, MADV_FREE);
#endif
}

// Offers back what was freed first, until no more is held for certain than should be. The lock is held meanwhile: what is
// offered must not be taken and written to before.
void offer_surplus(Shelf& shelf) {
  std::size_t held = 0;
  for (std::size_t i = shelf.count; i-- > 0;) {
    Buffer& buffer = shelf.buffers[i];
    if (buffer.offered) continue;
    held += buffer.bytes;
    if (held > kHeldBytes) offer_back(buffer);
  }
}

Shelf* shelf_for(std::size_t bytes) {
  Shelf& shelf = bytes >= large.from ? large : small;
  return bytes >= shelf.from && bytes <= shelf.most_bytes ? &shelf : nullptr;
}

}  // namespace

char* allocate_output(std::size_t bytes) {
  if (Shelf* shelf = shelf_for(bytes)) {
    const std::lock_guard<std::mutex> guard(mutex);
    for (std::size_t i = shelf->count; i-- > 0;) {
      if (shelf->buffers[i].bytes == bytes) return shelf->take(i).data;
    }
  }
  return allocate(bytes);
}

void release_output(char* data, std::size_t bytes) noexcept {
  Shelf* shelf = shelf_for(bytes);
  if (shelf == nullptr) {
    std::free(data);
    return;
  }
  Buffer dropped[kMostBuffers];
  std::size_t count = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex);
    while (shelf->count == shelf->most_buffers || shelf->bytes + bytes > shelf->most_bytes) {
      dropped[count++] = shelf->take(0);
    }
    shelf->buffers[shelf->count++] = Buffer{data, bytes, false};
    shelf->bytes += bytes;
    offer_surplus(*shelf);
  }
  // To give pages back takes the system a while, during which others may want the lock.
  while (count > 0) std::free(dropped[--count].data);
}

void clear_outputs() noexcept {
  Buffer dropped[2 * kMostBuffers];
  std::size_t count = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex);
    for (Shelf* shelf : {&small, &large}) {
      while (shelf->count > 0) dropped[count++] = shelf->take(shelf->count - 1);
    }
  }
  while (count > 0) std::free(dropped[--count].data);
}

std::size_t kept_output_bytes() noexcept {
  const std::lock_guard<std::mutex> guard(mutex);
  return small.bytes + large.bytes;
}

}  // namespace poolbench::pool
