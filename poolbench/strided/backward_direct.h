// Contiguous rows with strides of 1 and 2 and small windows, read and written where they lie: masks leave out what is
// beyond a row's ends. Nothing goes through memory in between, from which a vector could only be read again when all
// that lies in it has arrived there. Included once per instruction set, for those that have masks.

template <class S>
struct Lanes {
  using E = Elements<S>;
  using V = typename E::Value;
  using P = PlaceOf<V>;
  using Mask = std::conditional_t<sizeof(V) == 4, __mmask16, __mmask8>;
  static constexpr int kN = E::kCount;
  static constexpr Mask kAll = static_cast<Mask>(-1);

  // Lanes i for which 0 <= first + i < count.
  static POOL_INLINE Mask within(std::int64_t first, std::int64_t count) {
    if (first >= 0 && first + kN <= count) return kAll;
    const std::int64_t begin = std::min<std::int64_t>(std::max<std::int64_t>(-first, 0), kN);
    const std::int64_t end = std::min<std::int64_t>(std::max<std::int64_t>(count - first, begin), kN);
    return static_cast<Mask>((std::uint32_t{1} << end) - (std::uint32_t{1} << begin));
  }
  // The lanes left out are `rest`.
  static POOL_INLINE Vec<V> load(const char* at, Mask mask, Vec<V> rest) {
    if constexpr (std::is_same_v<S, float> || std::is_same_v<S, double>) {
      return (Vec<V>)Masked<sizeof(V)>::load_lanes(at, mask, (__m512i)rest);
    } else {
      return (Vec<V>)_mm512_mask_mov_ps((__m512)rest, mask, (__m512)Avg<S>::load_masked(at, mask));
    }
  }
  static POOL_INLINE void store(char* at, Mask mask, Vec<V> value) {
    if constexpr (std::is_same_v<S, float> || std::is_same_v<S, double>) {
      Masked<sizeof(V)>::store_lanes(at, mask, (__m512i)value);
    } else {
      _mm256_mask_storeu_epi16(at, mask, (__m256i)Widened<S>::narrow(value));
    }
  }
  static POOL_INLINE Mask equal(Mask mask, Vec<P> a, Vec<P> b) {
    if constexpr (sizeof(V) == 4) {
      return _mm512_mask_cmpeq_epi32_mask(mask, (__m512i)a, (__m512i)b);
    } else {
      return _mm512_mask_cmpeq_epi64_mask(mask, (__m512i)a, (__m512i)b);
    }
  }
  static POOL_INLINE Vec<V> add(Vec<V> sum, Mask mask, const char* at) {
    const Vec<V> value = load(at, mask, Vec<V>{});
    if constexpr (sizeof(V) == 4) {
      return (Vec<V>)_mm512_mask_add_ps((__m512)sum, mask, (__m512)sum, (__m512)value);
    } else {
      return (Vec<V>)_mm512_mask_add_pd((__m512d)sum, mask, (__m512d)sum, (__m512d)value);
    }
  }

  static constexpr std::int64_t kMostAcross = 8;   // elements of a window along w
  static constexpr std::int64_t kMostWindow = 64;  // in all

  static bool fits(const TrainingPlan& p) {
    const Axis& w = p.w;
    const bool small = !w.adaptive() && w.window <= kMostAcross && w.dilation == 1 && w.lo < kN &&
                       (w.stride == 1 || w.stride == 2 || w.out == 1) &&
                       largest(p.d) * largest(p.h) * w.window <= kMostWindow;
    return p.inner == 1 && small && w.in_step == E::kSize && (w.out == 1 || w.out_step == E::kSize) &&
           (w.out == 1 || w.index_step == p.offset_size);
  }
  static std::int64_t largest(const Axis& axis) { return axis.most_taps(); }
};

template <class S>
struct KeepDirect : Lanes<S> {
  using L = Lanes<S>;
  using typename L::E;
  using typename L::Mask;
  using typename L::P;
  using typename L::V;
  using L::kN;
  static constexpr const char* kName = "keep_direct";

  static bool fits(const TrainingPlan& p) { return L::fits(p) && p.w.out * 2 >= kN / 4; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.out * p.h.out; }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    alignas(64) P firsts[kN];  // the first elements of windows that begin in the padding
    for (std::int64_t x = 0; x < kN; ++x) firsts[x] = static_cast<P>(first_tap(p.w, x));
    const Vec<P> begins = load_vec<P>(firsts);
    KeepAhead ahead = KeepAhead::of<S>(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t oh = unit % p.h.out, od = unit / p.h.out % p.d.out, plane = unit / p.h.out / p.d.out;
      const char* in = p.in + p.in_start(plane);
      char* out = p.out + p.out_start(plane) + od * p.d.out_step + oh * p.h.out_step;
      char* offsets = p.offsets + p.offsets_start(plane) + od * p.d.index_step + oh * p.h.index_step;
      Row rows[L::kMostWindow];
      const int count = list(p, in, od, oh, rows);
      if (p.w.stride == 1) {
        by_window<1>(p, rows, count, begins, ahead, out, offsets);
      } else {
        by_window<2>(p, rows, count, begins, ahead, out, offsets);
      }
    }
  }

 private:
  struct Row {
    const char* at;
    P base;
  };

  static int list(const TrainingPlan& p, const char* in, std::int64_t od, std::int64_t oh, Row* rows) {
    const Axis::Taps d = p.d.taps(od), h = p.h.taps(oh);
    const std::int64_t tap_d = first_tap(p.d, od), tap_h = first_tap(p.h, oh);
    int count = 0;
    for (std::int64_t i = 0; i < d.count; ++i) {
      for (std::int64_t j = 0; j < h.count; ++j) {
        rows[count++] = {
            in + (d.first + i * p.d.dilation) * p.d.in_step + (h.first + j * p.h.dilation) * p.h.in_step,
            static_cast<P>(((tap_d + i) * p.window_h + tap_h + j) * p.window_w)};
      }
    }
    return count;
  }

  template <int kStride>
  static POOL_INLINE void by_window(const TrainingPlan& p, const Row* rows, int count, Vec<P> begins, KeepAhead& ahead,
                                    char* out, char* offsets) {
    switch (p.w.window) {
      case 2: row<kStride, 2>(p, rows, count, begins, ahead, out, offsets); break;
      case 3: row<kStride, 3>(p, rows, count, begins, ahead, out, offsets); break;
      default: row<kStride, 0>(p, rows, count, begins, ahead, out, offsets);
    }
  }

  template <int kStride, int kWindow>
  static POOL_INLINE void row(const TrainingPlan& p, const Row* rows, int count, Vec<P> begins, KeepAhead& ahead,
                              char* out, char* offsets) {
    const Axis& w = p.w;
    for (std::int64_t x = 0; x < w.out; x += kN) {
      ahead.last.come_to(rows[count - 1].at + x * kStride * E::kSize);
      ahead.first.come_to(rows[0].at + x * kStride * E::kSize);
      const std::int64_t start = x * kStride - w.lo;
      const Vec<P> begin = x == 0 ? begins : Vec<P>{};
      const std::int64_t reach = (kWindow > 0 ? kWindow : w.window) - 1 + kStride * kN;
      Vec<V> best;
      Places<V> place;
      if (start >= 0 && start + reach <= w.in) {
        search<kStride, kWindow, true>(w, rows, count, start, begin, best, place);
      } else {
        search<kStride, kWindow, false>(w, rows, count, start, begin, best, place);
      }
      const int rest = static_cast<int>(std::min<std::int64_t>(w.out - x, kN));
      L::store(out + x * E::kSize, static_cast<Mask>((1u << rest) - 1), best);
      store_places_part<V>(offsets + x * p.offset_size, place, p.offset_size, rest);
    }
  }

  template <int kStride, int kWindow, bool kInside>
  static POOL_INLINE void search(const Axis& w, const Row* rows, int count, std::int64_t start, Vec<P> begin,
                                 Vec<V>& best, Places<V>& place) {
    const std::int64_t taps = kWindow > 0 ? kWindow : w.window;
    Mask masks[L::kMostAcross][2];  // of what is read from each element of the window on, and behind it
    if constexpr (!kInside) {
      for (std::int64_t k = 0; k < taps; k += kStride) {
        masks[k][0] = L::within(start + k, w.in);
        if (kStride == 2) masks[k][1] = L::within(start + k + kN, w.in);
      }
    }
    best = fill_vec<V>(least_value<V>());
    place = begin + fill_vec<P>(rows[0].base);
    for (int i = 0; i < count; ++i) {
      const char* const at = rows[i].at + start * E::kSize;
#pragma GCC unroll 3
      for (std::int64_t k = 0; k < taps; k += kStride) {
        const Vec<V> a = read<kInside>(at + k * E::kSize, masks[k][0]);
        const P number = rows[i].base + static_cast<P>(k);
        if constexpr (kStride == 1) {
          take<V>(best, place, a, number);
        } else {
          const Vec<V> b = read<kInside>(at + (k + kN) * E::kSize, masks[k][1]);
          take<V>(best, place, even_lanes<V>(a, b), number);
          if (k + 1 < taps) take<V>(best, place, odd_lanes<V>(a, b), number + 1);
        }
      }
    }
  }

  // Elements of a row; those that it lacks are less than any.
  template <bool kInside>
  static POOL_INLINE Vec<V> read(const char* at, Mask mask) {
    if constexpr (kInside) return E::load(at);
    return L::load(at, mask, fill_vec<V>(least_value<V>()));
  }
};

template <class S>
struct GatherDirect : Lanes<S> {
  using L = Lanes<S>;
  using typename L::E;
  using typename L::Mask;
  using typename L::P;
  using typename L::V;
  using L::kN;
  static constexpr const char* kName = "gather_direct";

  static constexpr std::int64_t kBand = 16;  // rows of the input of a unit

  static bool fits(const TrainingPlan& p) {
    // An adaptive axis with more outputs than inputs has small windows, but many of them read one position.
    return L::fits(p) && most_readers(p.d) * most_readers(p.h) <= L::kMostWindow && p.w.stride <= 2 && p.w.in * 2 >= kN / 4 && p.w.out < (1 << 30) && p.h.out < (1 << 30);
  }
  static std::int64_t bands(const TrainingPlan& p) { return (p.h.in + kBand - 1) / kBand; }
  static std::int64_t units(const TrainingPlan& p) { return p.planes() * p.d.in * bands(p); }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    if (p.offset_size != 1) {
      run_rows<2, 0, 0>(p, first, last);
    } else if (p.w.stride == 2 && p.w.window == 3) {
      run_rows<1, 2, 3>(p, first, last);
    } else if (p.w.stride == 2 && p.w.window == 2) {
      run_rows<1, 2, 2>(p, first, last);
    } else if (p.w.stride == 1 && p.w.window == 3) {
      run_rows<1, 1, 3>(p, first, last);
    } else {
      run_rows<1, 0, 0>(p, first, last);
    }
  }

 private:
  struct Row {
    const char* values;
    const char* offsets;
    P base;
  };
  static constexpr int kTabled = 32;
  static constexpr int kBack = L::kMostAcross;
  // Which lanes lie within the outputs, for each vector of a row and how far back it is read.
  struct Masks {
    Mask table[kTabled][kBack];
    const Axis& w;
    std::int64_t begin;  // the j of the first vector

    Masks(const Axis& of, std::int64_t stride) : w(of), begin(of.lo / stride) {
      for (int i = 0; i < kTabled; ++i) {
        for (int back = 0; back < kBack; ++back) table[i][back] = L::within(begin + i * kN - back, of.out);
      }
    }
    POOL_INLINE Mask at(std::int64_t j, std::int64_t back) const {
      const std::int64_t vector = (j - begin) / kN;
      return vector < kTabled ? table[vector][back] : L::within(j - back, w.out);
    }
  };

  template <int kSize, int kStride, int kWindow>
  static void run_rows(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    const ReaderTable table(p.h);
    const Masks masks(p.w, p.w.stride);
    Ahead ahead(contiguous_input<S>(p) >= kAskedBytes);
    const std::int64_t all = bands(p);
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t band = unit % all, id = unit / all % p.d.in, plane = unit / all / p.d.in;
      char* in = p.in + p.in_start(plane) + id * p.d.in_step;
      const char* const out = p.out + p.out_start(plane);
      const char* const offsets = p.offsets + p.offsets_start(plane);
      const Readers d = readers(p.d, id);
      for (std::int64_t ih = band * kBand; ih < std::min(p.h.in, (band + 1) * kBand); ++ih) {
        Row rows[L::kMostWindow];
        int count = 0;
        const Readers h = table.at(ih);
        for (std::int64_t od = d.first; od <= d.last; ++od) {
          const std::int64_t tap_d = tap_at(p.d, od, id);
          if (tap_d < 0) continue;
          for (std::int64_t oh = h.first; oh <= h.last; ++oh) {
            const std::int64_t tap_h = tap_at(p.h, oh, ih);
            if (tap_h < 0) continue;
            rows[count++] = {out + od * p.d.out_step + oh * p.h.out_step,
                             offsets + od * p.d.index_step + oh * p.h.index_step,
                             static_cast<P>((tap_d * p.window_h + tap_h) * p.window_w)};
          }
        }
        row<kSize, kStride, kWindow>(p, masks, rows, count, ahead, in + ih * p.h.in_step);
      }
    }
  }

  // Position x + lo = j * stride + f: as in backward_rows.h.
  template <int kSize, int kStride, int kWindow>
  static POOL_INLINE void row(const TrainingPlan& p, const Masks& masks, const Row* rows, int count, Ahead& ahead,
                              char* in) {
    const Axis& w = p.w;
    const std::int64_t stride = kStride > 0 ? kStride : w.stride, window = kWindow > 0 ? kWindow : w.window;
    for (std::int64_t j = masks.begin, at = j * stride - w.lo; at < w.in; j += kN, at += stride * kN) {
      ahead.come_to(in + at * E::kSize);
      Vec<V> a{}, b{};
      for (int i = 0; i < count; ++i) {
        const Row& row = rows[i];
#pragma GCC unroll 3
        for (std::int64_t k = window - 1; k >= 0; --k) {
          const std::int64_t back = stride == 1 ? k : k / 2;
          const std::int64_t ow = j - back;
          const Mask valid = masks.at(j, back);
          const Vec<P> places = (Vec<P>)ConvertOf<V, kSize>::load_lanes(row.offsets + ow * kSize, valid);
          const Mask found = L::equal(valid, places, fill_vec<P>(row.base + static_cast<P>(k)));
          Vec<V>& sum = stride == 1 || k % 2 == 0 ? a : b;
          sum = L::add(sum, found, row.values + ow * E::kSize);
        }
      }
      if (stride == 1) {
        L::store(in + at * E::kSize, L::within(at, w.in), a);
      } else {
        L::store(in + at * E::kSize, L::within(at, w.in), zip_low<V>(a, b, LaneIndices<V>{}));
        L::store(in + (at + kN) * E::kSize, L::within(at + kN, w.in), zip_high<V>(a, b, LaneIndices<V>{}));
      }
    }
  }
};
