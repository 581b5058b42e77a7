// Each function takes exactly `bytes` bytes, writes to every page of the first `touched` ones, and frees before it
// returns. Compiled, since memray hooks the calls of libraries, not those that ctypes makes itself.
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

extern "C" {

// Also for memory of others. Not optimised away: the writes are volatile.
void planted_touch(char* data, std::size_t touched) {
  volatile char* bytes = data;
  for (std::size_t i = 0; i < touched; i += kPage) bytes[i] = 1;
  if (touched > 0) bytes[touched - 1] = 1;
}

int planted_malloc(std::size_t bytes, std::size_t touched) {
  char* data = static_cast<char*>(std::malloc(bytes));
  if (data == nullptr) return 1;
  planted_touch(data, touched);
  std::free(data);
  return 0;
}

int planted_mmap(std::size_t bytes, std::size_t touched) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return 1;
  planted_touch(static_cast<char*>(data), touched);
  return munmap(data, bytes);
}

// Asks for huge pages, as NumPy and the strided kernel do for large arrays.
int planted_posix_memalign(std::size_t bytes, std::size_t touched) {
  void* data = nullptr;
  if (posix_memalign(&data, kHugePage, bytes) != 0) return 1;
#if defined(MADV_HUGEPAGE)
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  planted_touch(static_cast<char*>(data), touched);
  std::free(data);
  return 0;
}

}  // extern "C"
