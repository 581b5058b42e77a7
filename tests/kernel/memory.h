// Strided arrays in buffers of exactly the bytes that they may touch, so that a sanitizer sees each byte too many, and
// canaries see what is written between their elements.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace poolbench::pool {

constexpr int kDims = 5;  // batch, channels, d, h, w
constexpr const char* kDimNames[] = {"n", "c", "d", "h", "w"};

// A strided array in a buffer of exactly as many bytes as it needs from the buffer's start.
struct View {
  std::int64_t counts[kDims];
  std::int64_t steps[kDims];  // bytes
  std::int64_t first;         // of element 0, 0, … in the buffer
  std::int64_t bytes;         // the buffer's

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (const std::int64_t count : counts) product *= count;
    return product;
  }
};

class Buffer {
 public:
  explicit Buffer(const View& view)
      : view_(view), bytes_(static_cast<std::size_t>(view.bytes)),
        memory_(static_cast<char*>(std::malloc(bytes_)), std::free) {
    clear();
  }
  const View& view() const { return view_; }
  char* first() const { return memory_.get() + view_.first; }  // element 0, 0, …
  void clear() { std::memset(memory_.get(), kCanary, bytes_); }
  bool is_clear() const {
    const char* const at = memory_.get();
    return bytes_ == 0 || (static_cast<unsigned char>(*at) == kCanary && std::memcmp(at, at + 1, bytes_ - 1) == 0);
  }

  // Calls visit(address) for each element, the last axis fastest.
  template <class Visit>
  void visit(Visit visit) const {
    const auto& counts = view_.counts;
    const auto& steps = view_.steps;
    for (std::int64_t n = 0; n < counts[0]; ++n) {
      for (std::int64_t c = 0; c < counts[1]; ++c) {
        for (std::int64_t d = 0; d < counts[2]; ++d) {
          for (std::int64_t h = 0; h < counts[3]; ++h) {
            char* const row = first() + n * steps[0] + c * steps[1] + d * steps[2] + h * steps[3];
            for (std::int64_t w = 0; w < counts[4]; ++w) visit(row + w * steps[4]);
          }
        }
      }
    }
  }

  // Puts the bits of each element, of `size` bytes, where it lies.
  template <class Next>
  void put(std::int64_t size, Next next) {
    visit([&](char* at) {
      const std::uint64_t bits = next();
      std::memcpy(at, &bits, static_cast<std::size_t>(size));
    });
  }

  // The bits of each element, of `size` bytes.
  std::vector<std::uint64_t> read(std::int64_t size) const {
    std::vector<std::uint64_t> read;
    read.reserve(static_cast<std::size_t>(view_.elements()));
    visit([&](const char* at) {
      std::uint64_t bits = 0;
      std::memcpy(&bits, at, static_cast<std::size_t>(size));
      read.push_back(bits);
    });
    return read;
  }

  // The same, with canaries left in their place.
  std::vector<std::uint64_t> take(std::int64_t size) {
    std::vector<std::uint64_t> taken = read(size);
    visit([&](char* at) { std::memset(at, kCanary, static_cast<std::size_t>(size)); });
    return taken;
  }

 private:
  static constexpr unsigned char kCanary = 0xa5;

  View view_;
  std::size_t bytes_;
  std::unique_ptr<char, void (*)(void*)> memory_;
};

}  // namespace poolbench::pool
