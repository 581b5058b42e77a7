// Windows that are whole rows: global pooling of contiguous planes. Included once per instruction set.

// Each output is the maximum of one contiguous row.
template <class S>
struct KeepFull {
  static constexpr const char* kName = "keep_full";
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  static constexpr int kN = E::kCount;

  static bool fits(const TrainingPlan& p) {
    const auto alone = [](const Axis& axis) { return axis.window == 1 && axis.lo == 0; };
    return p.inner == 1 && alone(p.d) && alone(p.h) && p.w.out == 1 && p.w.window == p.w.in && p.w.lo == 0 &&
           p.w.dilation == 1 && p.w.in_step == E::kSize && p.w.in >= kN;
  }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.out * p.h.out; }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t oh = unit % p.h.out, od = unit / p.h.out % p.d.out, plane = unit / p.h.out / p.d.out;
      P place;
      const V best = search(p.in + p.in_start(plane) + od * p.d.stride * p.d.in_step + oh * p.h.stride * p.h.in_step,
                            p.w.in, &place);
      E::put(p.out + p.out_start(plane) + od * p.d.out_step + oh * p.h.out_step, best);
      store_offset(p.offsets + p.offsets_start(plane) + od * p.d.index_step + oh * p.h.index_step, p.offset_size, place);
    }
  }

 private:
  static V search(const char* at, std::int64_t n, P* place) {
    alignas(64) P numbers[kN];
    for (int i = 0; i < kN; ++i) numbers[i] = static_cast<P>(i);
    const Vec<P> first = load_vec<P>(numbers);
    Vec<V> a = E::load(at), b = a;
    Places<V> places_a = first, places_b = first;
    Places<V> next = first + fill_vec<P>(kN);
    std::int64_t x = kN;
    for (; x + 2 * kN <= n; x += 2 * kN) {
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
};

// The gradient of an average that each element of a row gets alike.
template <class S>
struct SpreadFull {
  static constexpr const char* kName = "spread_full";
  using E = Elements<S>;
  using V = typename E::Value;
  static constexpr int kN = E::kCount;

  static bool fits(const TrainingPlan& p) {
    const auto alone = [](const Axis& axis) { return axis.window == 1 && axis.stride == 1 && axis.lo == 0; };
    return p.inner == 1 && alone(p.d) && alone(p.h) && p.w.out == 1 && p.w.window == p.w.in && p.w.lo == 0 &&
           p.w.dilation == 1 && p.w.in_step == E::kSize;
  }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * p.h.in; }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t ih = unit % p.h.in, id = unit / p.h.in % p.d.in, plane = unit / p.h.in / p.d.in;
      double factor = p.row_factor(id, ih);
      if (p.counts_w) factor *= p.factor(p.w, 0);
      const V value = E::get(p.out + p.out_start(plane) + id * p.d.out_step + ih * p.h.out_step);
      const Vec<V> all = fill_vec<V>(value * static_cast<V>(factor));
      char* const to = p.in + p.in_start(plane) + id * p.d.in_step + ih * p.h.in_step;
      std::int64_t x = 0;
      for (; x + kN <= p.w.in; x += kN) E::store(to + x * E::kSize, all);
      if (x < p.w.in) E::store_part(to + x * E::kSize, all, static_cast<int>(p.w.in - x));
    }
  }
};
