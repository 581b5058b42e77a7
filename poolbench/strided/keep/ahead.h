// Asking for what a maximum reads ahead of time.
#pragma once

#include "simd/large.h"

POOL_BEGIN

// Where a forward pass has come to, in each row that no window before has read. Where many windows read each element of an
// array that isn't large, there is more to compute than to wait for.
class KeepAhead {
 public:
  template <class S>
  static KeepAhead of(const Plan& p) {
    const std::int64_t again = most_readers(p.d) * most_readers(p.h) * most_readers(p.w);
    const bool asks = asks_ahead<S>(p) && (again <= 4 || is_large<S>(p));
    return KeepAhead(asks);
  }

  explicit KeepAhead(bool asks) : asks_(asks), ahead_{Ahead(asks), Ahead(asks), Ahead(asks), Ahead(asks)} {}

  bool asks() const { return asks_; }
  // Begins a row of outputs, whose windows read `d` and `h` from `in` on.
  POOL_INLINE void begin(const Plan& p, const char* in, Axis::Taps d, Axis::Taps h) {
    count_ = 0;
    if (!asks_) return;
    for (std::int64_t i = std::max<std::int64_t>(d.count - p.d.stride, 0); i < d.count; ++i) {
      for (std::int64_t j = std::max<std::int64_t>(h.count - p.h.stride, 0); j < h.count && count_ < kMost; ++j) {
        rows_[count_++] = in + i * p.d.dilation * p.d.in_step + j * p.h.dilation * p.h.in_step;
      }
    }
  }
  // `bytes` is how far the work has come from where the row began.
  POOL_INLINE void come_to(std::int64_t bytes) {
    for (int i = 0; i < count_; ++i) ahead_[i].come_to(rows_[i] + bytes);
  }

 private:
  static constexpr int kMost = 4;

  const bool asks_;
  int count_ = 0;
  const char* rows_[kMost];
  Ahead ahead_[kMost];
};

POOL_END
