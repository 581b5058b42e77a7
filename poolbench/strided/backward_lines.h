// Rows of elements between memory and scratch, and which outputs read which. Included once per instruction set, behind
// backward_offsets.h.

// Reads n elements, `step` bytes apart, into a row that has room for whole vectors.
template <class S>
POOL_INLINE void read_row(const char* at, std::int64_t step, std::int64_t n, typename Elements<S>::Value* to) {
  using E = Elements<S>;
  if (step == E::kSize) {
    std::int64_t x = 0;
    for (; x + E::kCount <= n; x += E::kCount) store_vec<typename E::Value>(to + x, E::load(at + x * E::kSize));
    if (x < n) store_vec<typename E::Value>(to + x, E::load_part(at + x * E::kSize, static_cast<int>(n - x)));
  } else {
    for (std::int64_t x = 0; x < n; ++x) to[x] = E::get(at + x * step);
  }
}

template <class S>
POOL_INLINE void write_row(char* at, std::int64_t step, std::int64_t n, const typename Elements<S>::Value* from) {
  using E = Elements<S>;
  if (step == E::kSize) {
    std::int64_t x = 0;
    for (; x + E::kCount <= n; x += E::kCount) E::store(at + x * E::kSize, load_vec<typename E::Value>(from + x));
    if (x < n) E::store_part(at + x * E::kSize, load_vec<typename E::Value>(from + x), static_cast<int>(n - x));
  } else {
    for (std::int64_t x = 0; x < n; ++x) E::put(at + x * step, from[x]);
  }
}

// Bytes of the input, or of its gradient, where rows are one piece each; otherwise 0.
template <class S>
std::int64_t contiguous_input(const TrainingPlan& p) {
  const std::int64_t size = p.inner * Elements<S>::kSize;
  return p.w.in_step == size ? p.planes() * p.d.in * p.h.in * p.w.in * size : 0;
}

// Whether the input, or its gradient, is asked for ahead of time.
template <class S>
bool asks_ahead(const TrainingPlan& p) {
  return contiguous_input<S>(p) >= kAskedBytes;
}

// Stores a vector in the caches or around them.
template <class E>
POOL_INLINE void put(char* at, Vec<typename E::Value> value, bool streams) {
  if (streams) {
    E::stream(at, value);
  } else {
    E::store(at, value);
  }
}

// Fills [from, to) of a row, at least a vector's worth.
template <class T>
POOL_INLINE void fill_row(T* row, std::int64_t from, std::int64_t to, Vec<T> value) {
  for (; from + kLanes<T> < to; from += kLanes<T>) store_vec<T>(row + from, value);
  store_vec<T>(row + to - kLanes<T>, value);
}

template <class V, int kSize>
POOL_INLINE void read_places(const char* at, std::int64_t n, PlaceOf<V>* to) {
  std::int64_t x = 0;
  for (; x + kLanes<V> <= n; x += kLanes<V>) store_vec<PlaceOf<V>>(to + x, load_places<V, kSize>(at + x * kSize));
  if (x < n) store_vec<PlaceOf<V>>(to + x, load_places_part<V, kSize>(at + x * kSize, static_cast<int>(n - x)));
}

template <class V>
POOL_INLINE void read_places(const char* at, std::int64_t step, int size, std::int64_t n, PlaceOf<V>* to) {
  if (step == size) {
    switch (size) {
      case 1: read_places<V, 1>(at, n, to); break;
      case 2: read_places<V, 2>(at, n, to); break;
      default: read_places<V, 4>(at, n, to);
    }
  } else {
    for (std::int64_t x = 0; x < n; ++x) to[x] = static_cast<PlaceOf<V>>(load_offset(at + x * step, size));
  }
}

// Lanes of a and b in turns: a0 b0 a1 b1 …, the first half of them and the second.
template <class T, int... kI>
POOL_INLINE Vec<T> zip_low(Vec<T> a, Vec<T> b, Indices<kI...>) {
  constexpr int kN = kLanes<T>;
  return __builtin_shufflevector(a, b, (kI / 2 + kI % 2 * kN)...);
}
template <class T, int... kI>
POOL_INLINE Vec<T> zip_high(Vec<T> a, Vec<T> b, Indices<kI...>) {
  constexpr int kN = kLanes<T>;
  return __builtin_shufflevector(a, b, (kN / 2 + kI / 2 + kI % 2 * kN)...);
}

// The readers of an axis's first positions, looked up, since divisions take longer than a short row.
struct ReaderTable {
  static constexpr std::int64_t kMost = 256;
  const Axis& axis;
  struct {
    std::int32_t first, last;
  } known[kMost];

  explicit ReaderTable(const Axis& of) : axis(of) {
    for (std::int64_t i = 0; i < std::min(of.in, kMost); ++i) {
      const Readers all = readers(of, i);
      known[i] = {static_cast<std::int32_t>(all.first), static_cast<std::int32_t>(all.last)};
    }
  }
  POOL_INLINE Readers at(std::int64_t i) const {
    return i < kMost ? Readers{known[i].first, known[i].last} : readers(axis, i);
  }
};

// What an average's outputs along w are multiplied by, looked up in the same way.
struct FactorTable {
  static constexpr std::int64_t kMost = 256;
  const TrainingPlan& plan;
  double known[kMost];

  explicit FactorTable(const TrainingPlan& of) : plan(of) {
    for (std::int64_t o = 0; of.counts_w && o < std::min(of.w.out, kMost); ++o) known[o] = of.factor(of.w, o);
  }
  POOL_INLINE double at(std::int64_t o) const {
    return !plan.counts_w ? 1.0 : o < kMost ? known[o] : plan.factor(plan.w, o);
  }
};

// The most windows that read one element along an axis.
static inline std::int64_t most_readers(const Axis& axis) {
  if (axis.adaptive()) return std::min(axis.out, (axis.out + axis.in - 1) / axis.in + 1);
  return std::min(axis.out, (axis.window - 1) * axis.dilation / axis.stride + 1);
}

// Whether the arrays of a training step are so large that they come from memory, and go there: the input and its gradient
// are twice this, and what lies between as much again. Then what is read by turns with them is asked for too, and what
// is written may go around the caches.
template <class S>
bool is_large(const TrainingPlan& p) {
  constexpr std::int64_t kLargeBytes = std::int64_t{4} << 20;
  return contiguous_input<S>(p) >= kLargeBytes;
}

// Where a forward pass has come to, in each row that no window before has read. Where many windows read each element of an
// array that isn't large, there is more to compute than to wait for.
class KeepAhead {
 public:
  template <class S>
  static KeepAhead of(const TrainingPlan& p) {
    const std::int64_t again = most_readers(p.d) * most_readers(p.h) * most_readers(p.w);
    const bool asks = asks_ahead<S>(p) && (again <= 4 || is_large<S>(p));
    return KeepAhead(asks);
  }

  bool asks() const { return asks_; }
  // Begins a row of outputs, whose windows read `d` and `h` from `in` on.
  POOL_INLINE void begin(const TrainingPlan& p, const char* in, Axis::Taps d, Axis::Taps h) {
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
  explicit KeepAhead(bool asks) : asks_(asks), ahead_{Ahead(asks), Ahead(asks), Ahead(asks), Ahead(asks)} {}

  const bool asks_;
  int count_ = 0;
  const char* rows_[kMost];
  Ahead ahead_[kMost];
};

// The order in which rows are done where the channels lie innermost. Where windows overlap along d, rows that lie behind
// each other along d come first, as many as a core's own cache holds of what they read: then each row that is read comes
// from farther away once, not once for each plane of outputs that reads it.
struct RowOrder {
  std::int64_t d, h;  // rows along each axis
  std::int64_t band;  // rows along d that are done before the next ones along h

  // `overlap` is how many rows of outputs along d read one row, or the other way round, and `row` what one costs in
  // bytes, with all that are read along h beside it.
  RowOrder(std::int64_t rows_d, std::int64_t rows_h, std::int64_t overlap, std::int64_t row)
      : d(rows_d), h(rows_h), band(overlap > 1 ? std::max<std::int64_t>(kCached / row - (overlap - 1), 1) : 1) {}

  struct Row {
    std::int64_t d, h;
  };
  POOL_INLINE Row at(std::int64_t row) const {
    if (band == 1) return {row / h, row % h};
    const std::int64_t first = row / (band * h) * band, size = std::min(band, d - first), rest = row % (band * h);
    return {first + rest % size, rest / size};
  }

 private:
  static constexpr std::int64_t kCached = 640 << 10;  // of the 1 or 2 MiB that a core has to itself
};
