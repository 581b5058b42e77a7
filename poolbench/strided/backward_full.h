// Windows that are whole rows: global pooling of contiguous planes. Included once per instruction set.

// Each output is the maximum of one contiguous row.
template <class S>
struct KeepFull {
  static constexpr const char* kName = "keep_full";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;

  // Whether each window is one contiguous row, and no two of them are the same.
  static bool is_full(const TrainingPlan& p) {
    return p.inner == 1 && p.d.window == 1 && p.d.lo == 0 && p.h.window == 1 && p.h.lo == 0 && p.w.out == 1 &&
           p.w.window == p.w.in && p.w.lo == 0 && p.w.dilation == 1 && p.w.in_step == E::kSize;
  }
  static bool fits(const TrainingPlan& p) { return is_full(p) && p.w.in >= kN; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.out * p.h.out; }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    Ahead ahead(asks_ahead<S>(p));
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t oh = unit % p.h.out, od = unit / p.h.out % p.d.out, plane = unit / p.h.out / p.d.out;
      P place;
      const V best = search(p.in + p.in_start(plane) + od * p.d.stride * p.d.in_step + oh * p.h.stride * p.h.in_step,
                            p.w.in, ahead, &place);
      E::put(p.out + p.out_start(plane) + od * p.d.out_step + oh * p.h.out_step, best);
      store_offset(p.offsets + p.offsets_start(plane) + od * p.d.index_step + oh * p.h.index_step, p.offset_size, place);
    }
  }

 private:
  static V search(const char* at, std::int64_t n, Ahead& ahead, P* place) {
    alignas(64) P numbers[kN];
    for (int i = 0; i < kN; ++i) numbers[i] = static_cast<P>(i);
    const Vec<P> first = load_vec<P>(numbers);
    Vec<V> a = E::load(at), b = a;
    Places<V> places_a = first, places_b = first;
    Places<V> next = first + fill_vec<P>(kN);
    std::int64_t x = kN;
    for (; x + 2 * kN <= n; x += 2 * kN) {
      ahead.come_to(at + x * E::kSize);
      take<V>(a, places_a, E::load(at + x * E::kSize), next);
      take<V>(b, places_b, E::load(at + (x + kN) * E::kSize), next + fill_vec<P>(kN));
      next += fill_vec<P>(2 * kN);
    }
    for (; x < n; x += kN) {  // the last vector may lie over the one before it
      const std::int64_t from = std::min(x, n - kN);
      take<V>(a, places_a, E::load(at + from * E::kSize), first + fill_vec<P>(static_cast<P>(from)));
    }
    alignas(64) V values[2 * kN];
    alignas(64) P places[2 * kN];
    store_vec<V>(values, a);
    store_vec<V>(values + kN, b);
    store_vec<P>(places, places_a);
    store_vec<P>(places + kN, places_b);
#if POOL_AVX512
    if constexpr (sizeof(V) == 4) {
      if (_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q) == 0) return choose(a, b, places_a, places_b, place);
    }
#endif
    V best = values[0];
    *place = places[0];
    for (int i = 1; i < 2 * kN; ++i) {
      const bool is_nan = values[i] != values[i];
      if (best != best) {
        if (!is_nan || places[i] < *place) continue;  // the last NaN
      } else if (!is_nan && (values[i] < best || (values[i] == best && places[i] > *place))) {
        continue;  // the first of equals
      }
      best = values[i];
      *place = places[i];
    }
    return best;
  }

#if POOL_AVX512
  // The same choice among all lanes at once, where none is NaN.
  static POOL_INLINE V choose(Vec<V> a, Vec<V> b, Places<V> places_a, Places<V> places_b, P* place) {
    const Vec<V> best = fold<V, kN / 2>(a > b ? a : b, Larger{});
    const Places<V> none = fill_vec<P>(std::numeric_limits<P>::max());
    const Places<V> from_a = a == best ? places_a : none, from_b = b == best ? places_b : none;
    *place = fold<P, kN / 2>(from_a < from_b ? from_a : from_b, Smaller{})[0];
    return best[0];
  }
  struct Larger {
    POOL_INLINE Vec<V> operator()(Vec<V> x, Vec<V> y) const { return x > y ? x : y; }
  };
  struct Smaller {
    POOL_INLINE Places<V> operator()(Places<V> x, Places<V> y) const { return x < y ? x : y; }
  };
  template <int kStep, class T, int... kI>
  static POOL_INLINE Vec<T> swap_lanes(Vec<T> value, Indices<kI...>) {
    return __builtin_shufflevector(value, value, (kI ^ kStep)...);
  }
  // Combines all lanes; each then has the result.
  template <class T, int kStep, class Combine>
  static POOL_INLINE Vec<T> fold(Vec<T> value, Combine combine) {
    value = combine(value, swap_lanes<kStep, T>(value, LaneIndices<T>{}));
    if constexpr (kStep > 1) {
      return fold<T, kStep / 2>(value, combine);
    } else {
      return value;
    }
  }
#endif
};

constexpr std::int64_t kPiece = 2048;  // elements of a gradient's row that are written at once

// The gradient of that maximum: nothing but for one element.
template <class S>
struct PutFull {
  static constexpr const char* kName = "put_full";
  using E = Elements<S>;
  using V = typename E::Value;

  static bool fits(const TrainingPlan& p) { return KeepFull<S>::is_full(p) && p.d.stride == 1 && p.h.stride == 1; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * p.h.in; }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    RowSink sink(contiguous_input<S>(p), true);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t ih = unit % p.h.in, id = unit / p.h.in % p.d.in, plane = unit / p.h.in / p.d.in;
      char* const to = p.in + p.in_start(plane) + id * p.d.in_step + ih * p.h.in_step;
      const std::int64_t place = load_offset(
          p.offsets + p.offsets_start(plane) + id * p.d.index_step + ih * p.h.index_step, p.offset_size);
      // Adding to nothing, as wherever windows overlap: it makes a zero of a zero that has a sign.
      const V value = 0 + E::get(p.out + p.out_start(plane) + id * p.d.out_step + ih * p.h.out_step);
      for (std::int64_t x = 0; x < p.w.in; x += kPiece) {
        const std::int64_t n = std::min(kPiece, p.w.in - x);
        char* const piece = sink.at(to + x * E::kSize, n * E::kSize);
        std::memset(piece, 0, static_cast<std::size_t>(n * E::kSize));
        if (place >= x && place < x + n) E::put(piece + (place - x) * E::kSize, value);
      }
    }
  }
};

// The gradient of an average that each element of a row gets alike.
template <class S>
struct SpreadFull {
  static constexpr const char* kName = "spread_full";
  using E = Elements<S>;
  using V = typename E::Value;
  static constexpr int kN = E::kCount;

  static bool fits(const TrainingPlan& p) { return KeepFull<S>::is_full(p) && p.d.stride == 1 && p.h.stride == 1; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * p.h.in; }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    RowSink sink(contiguous_input<S>(p), true);
    const std::int64_t bytes = contiguous_input<S>(p);
    const bool plain = bytes < kAskedBytes || (bytes < kStreamedBytes && p.w.in * E::kSize < 256);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t ih = unit % p.h.in, id = unit / p.h.in % p.d.in, plane = unit / p.h.in / p.d.in;
      double factor = p.row_factor(id, ih);
      if (p.counts_w) factor *= p.factor(p.w, 0);
      const V value = E::get(p.out + p.out_start(plane) + id * p.d.out_step + ih * p.h.out_step);
      const Vec<V> all = fill_vec<V>(value * static_cast<V>(factor));
      char* const to = p.in + p.in_start(plane) + id * p.d.in_step + ih * p.h.in_step;
      if (plain) {
        fill(to, p.w.in, all);
        continue;
      }
      for (std::int64_t x = 0; x < p.w.in; x += kPiece) {
        const std::int64_t n = std::min(kPiece, p.w.in - x);
        fill(sink.at(to + x * E::kSize, n * E::kSize), n, all);
      }
    }
  }

 private:
  static __attribute__((noinline)) void fill(char* to, std::int64_t n, Vec<V> value) {
    std::int64_t x = 0;
    for (; x + kN <= n; x += kN) E::store(to + x * E::kSize, value);
    if (x < n) E::store_part(to + x * E::kSize, value, static_cast<int>(n - x));
  }
};
