// Pooling row by row, separably: rows of the input are combined into one row of values in a small scratch buffer,
// several output rows at a time (a band), and then neighbours within each row. Takes any strides. Included once per
// instruction set.
//
// A row of values has `inner` values for each position along w. Positions outside the input hold the neutral value, so
// that windows need no bounds.

template <class O>
struct Rows {
  using Value = typename O::Value;
  using Layout = RowsLayout<O>;
  static constexpr const char* kName = "rows";
  static constexpr std::int64_t kSize = sizeof(typename O::Stored);
  static constexpr std::int64_t kValue = sizeof(Value);
  static constexpr std::int64_t kN = O::kCount;

  static bool fits(const Plan& p) {
    Layout layout;
    return p.problem->indices == nullptr && layout.choose(p);
  }

  static std::int64_t units(const Plan& p) { return plane_count(p) * p.h.out; }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    alignas(64) char scratch[kScratchBytes];
    Rows self(p, scratch);
    while (first < last) {
      const std::int64_t oh = first % p.h.out;
      const std::int64_t rows = std::min(last - first, p.h.out - oh);
      const Plane plane = plane_at(p, first / p.h.out);
      self.in_ = plane.in;
      self.out_ = plane.out;
      self.plane(plane.od, oh, oh + rows);
      first += rows;
    }
  }

 private:
  Rows(const Plan& plan, char* scratch) : p(plan) {
    l.choose(plan);
    Value* next = reinterpret_cast<Value*>(scratch);
    const std::int64_t band = l.band * l.pitch + l.slack(p);
    const std::int64_t fetched = l.fetched * l.pitch + l.slack(p);
    if (l.fetch) {
      fetched_ = next;
      next += fetched;
    }
    if (l.scan_h) {
      suffix_ = next;
      next += l.fetched * l.pitch;
    }
    if (l.fetch && l.shares_rows(p)) {
      band_ = fetched_;
    } else if (!l.direct) {
      band_ = next;
      next += band;
    }
    if (l.fold_w && !O::kIsMax) {
      sums_ = next;
      next += band;
    }
    if (p.counts_w) {
      factors_ = next;
      next += Layout::round_up(l.columns);
    }
    if (l.flush) flushed_ = reinterpret_cast<char*>(next);
    if (!p.h.adaptive()) p.h.inside(inside_begin_, inside_end_);
  }

  // ---- One plane -----------------------------------------------------------------------------------------------

  void plane(std::int64_t od, std::int64_t first, std::int64_t last) {
    d_ = p.d.taps(od);
    window_rows_ = p.h.adaptive() ? kMostRows + 1 : d_.count * p.h.window;
    if (window_rows_ <= kMostRows) WindowRows(p, in_, d_, {0, p.h.window}).list(at_top_);
    plane_factor_ = p.counts_d ? p.scale * p.factor(p.d, od) : p.scale;
    for (std::int64_t band = first; band < last; band += l.band) {
      row0_ = band;
      rows_ = std::min(l.band, last - band);
      for (std::int64_t q = 0; q < p.w.out; q += l.columns) {
        if (q != column0_ || columns_ == 0) begin_columns(q);
        for (inner0_ = 0; inner0_ < p.inner; inner0_ += l.inner) {
          inner_ = std::min(l.inner, p.inner - inner0_);
          block();
        }
      }
    }
  }

  void begin_columns(std::int64_t q) {
    column0_ = q;
    columns_ = std::min(l.columns, p.w.out - q);
    if (p.w.adaptive()) {
      const Axis::Taps end = p.w.taps(q + columns_ - 1);
      begin_ = p.w.taps(q).first;
      end_ = end.first + end.count;
    } else {
      begin_ = q * p.w.stride - p.w.lo;
      end_ = (q + columns_ - 1) * p.w.stride - p.w.lo + (p.w.window - 1) * p.w.dilation + 1;
    }
    from_ = std::min(std::max<std::int64_t>(begin_, 0), p.w.in);
    to_ = std::max(std::min(end_, p.w.in), from_);
    if (p.counts_w) {
      for (std::int64_t o = 0; o < columns_; ++o) factors_[o] = static_cast<Value>(p.factor(p.w, q + o));
      std::fill(factors_ + columns_, factors_ + Layout::round_up(columns_), Value{1});  // computed too, and garbage is slow
    }
    padded_ = false;
  }

  // The output rows [row0_, row0_ + rows_) × columns [column0_, …) × inner elements [inner0_, …).
  void block() {
    if (l.fetch) fetch();
    if (l.direct && !l.fetch) {
      for (std::int64_t r = 0; r < rows_; ++r) straight(r);
      return;
    }
    if (l.direct) {
      for (std::int64_t r = 0; r < rows_; ++r) straight_from_fetched(r);
      return;
    }
    if (!l.fetch) {
      if (straight_neighbours()) return;
      pad(band_, rows_);
      combine_band();
    } else if (band_ != fetched_) {
      combine_fetched();
    }
    along_w();
  }

  // ---- Along d and h -------------------------------------------------------------------------------------------

  // Gives the margins of scratch rows, which are outside the input, the neutral value.
  void pad(Value* rows, std::int64_t count) {
    if (padded_ && !l.fold_w && !l.fetch) return;
    const std::int64_t left = (from_ - begin_) * inner_, right = (to_ - begin_) * inner_;
    for (std::int64_t r = 0; r < count; ++r) {
      Value* row = rows + r * l.pitch;
      fill(row, left);
      fill(row + right, l.pitch - right);
    }
    if (l.fold_w || l.fetch) fill(rows + count * l.pitch, l.slack(p));
    // The other rows of a band are as wide; a shorter band may come first.
    padded_ = count == l.band;
  }

  static void fill(Value* at, std::int64_t n) {
    const VecFor<O> nothing = O::neutral();
    for (; n >= kN; n -= kN, at += kN) store_vec<Value>(at, nothing);
    if (n > 0) isa::store_part<Value>(at, nothing, static_cast<int>(n));
  }

  // Combines all input rows that output row `oh` reads, columns [from_, to_), into `sink`.
  template <class Sink, class More>
  void combine_taps(std::int64_t oh, Sink& sink, More& more) {
    const std::int64_t n = (to_ - from_) * inner_;
    const char* rows[kMostRows];
    if (oh >= inside_begin_ && oh < inside_end_ && window_rows_ > 0 && window_rows_ <= kMostRows) {
      list_inside(oh, rows);
      combine_rows<O>(rows, window_rows_, n, sink);
      return;
    }
    const WindowRows window(p, in_ + from_ * p.w.in_step, d_, p.h.taps(oh));
    const std::int64_t count = window.count();
    if (count <= kMostRows) {
      if (count == 0) {
        combine_nothing<O>(n, sink);
      } else {
        window.list(rows);
        combine_rows<O>(rows, count, n, sink);
      }
      return;
    }
    for (std::int64_t first = 0; first < count; first += kMostRows) {
      const std::int64_t now = std::min<std::int64_t>(kMostRows, count - first);
      window.list(rows, first, now);
      if (first == 0) {
        combine_rows<O>(rows, now, n, sink);
      } else {
        combine_rows<O>(rows, now, n, more);
      }
    }
  }

  // The input rows of the window of output row `oh`, which lies inside the input, from column from_ on.
  POOL_INLINE void list_inside(std::int64_t oh, const char** rows) const {
    const std::int64_t moved = from_ * p.w.in_step + (oh * p.h.stride - p.h.lo) * p.h.in_step;
    for (std::int64_t i = 0; i < window_rows_; ++i) rows[i] = at_top_[i] + moved;
  }

  // The rows of the band that are alike at once, the others one by one.
  void combine_band() {
    Value* to = band_ + (from_ - begin_) * inner_;
    const std::int64_t begin = std::clamp(inside_begin_ - row0_, std::int64_t{0}, rows_);
    const std::int64_t end = std::clamp(inside_end_ - row0_, begin, rows_);
    const bool alike = window_rows_ > 0 && window_rows_ <= 16 && end > begin;
    for (std::int64_t r = 0; r < rows_; ++r) {
      if (alike && r == begin) {
        combine_alike(begin, end, to);
        r = end - 1;
      } else {
        combine_input(row0_ + r, to + r * l.pitch);
      }
    }
  }

  void combine_alike(std::int64_t begin, std::int64_t end, Value* to) {
    const char* rows[16];
    list_inside(row0_ + begin, rows);
    const std::int64_t n = (to_ - from_) * inner_, step = p.h.stride * p.h.in_step;
    to += begin * l.pitch;
    switch (window_rows_) {
      case 1: combine_times<O, 1>(rows, 1, n, end - begin, step, to, l.pitch); break;
      case 2: combine_times<O, 2>(rows, 2, n, end - begin, step, to, l.pitch); break;
      case 3: combine_times<O, 3>(rows, 3, n, end - begin, step, to, l.pitch); break;
      default: combine_times<O, 0>(rows, window_rows_, n, end - begin, step, to, l.pitch);
    }
  }

  // Rows that need nothing done along d and h, nor padding, nor another type, are read where they lie: as long as what
  // is loaded beyond their end belongs to the input, too.
  bool straight_neighbours() {
    if constexpr (!std::is_same_v<Value, typename O::Stored>) {
      return false;
    } else {
      if (!is_identity(p.h) || !is_single(p.d) || l.fold_w || l.flush || inner_ != 1 || p.w.adaptive() ||
          p.w.stride > 4 || columns_ != p.w.out || begin_ < 0 || end_ > p.w.in || p.h.in_step != p.w.in * kSize ||
          reinterpret_cast<std::uintptr_t>(in_) % sizeof(Value) != 0) {
        return false;
      }
      const std::int64_t beyond = (l.pitch + p.w.in - 1) / p.w.in;
      if (row0_ + rows_ + beyond > p.h.in) return false;
      const Value* first = reinterpret_cast<const Value*>(in_ + row0_ * p.h.in_step);
      along_w(Neighbours{first, p.w.window, p.w.dilation}, p.w.in);
      return true;
    }
  }

  void combine_input(std::int64_t oh, Value* to) {
    ToValues<O> fresh{to};
    IntoValues<O> more{to};
    combine_taps(oh, fresh, more);
  }

  // A row that needs nothing done along w.
  void straight(std::int64_t r) {
    const std::int64_t oh = row0_ + r;
    const Axis::Taps h = p.h.taps(oh);
    char* out = l.flush ? flushed_ : out_ + oh * p.h.out_step + column0_ * p.w.out_step;
    ToOutput<O> sink{out, factor_of(oh)};
    if (d_.count * h.count <= kMostRows) {
      combine_taps(oh, sink, sink);
    } else {
      // A window with so many rows is added up in a few steps of a vector's width.
      straight_tall(h, sink);
    }
    if (l.flush) scatter(oh);
  }

  void straight_tall(Axis::Taps h, ToOutput<O>& sink) {
    const std::int64_t n = (to_ - from_) * inner_;
    constexpr std::int64_t kWidth = 4;  // vectors
    WindowRows window(p, in_ + from_ * p.w.in_step, d_, h);
    const std::int64_t count = window.count();
    for (std::int64_t x = 0; x < n; x += kWidth * kN, window.first += kWidth * kN * kSize) {
      alignas(64) Value sums[kWidth * kN];
      const std::int64_t now = std::min(n - x, kWidth * kN);
      const char* rows[kMostRows];
      for (std::int64_t first = 0; first < count; first += kMostRows) {
        const std::int64_t taken = std::min<std::int64_t>(kMostRows, count - first);
        window.list(rows, first, taken);
        if (first == 0) {
          ToValues<O> fresh{sums};
          combine_rows<O>(rows, taken, now, fresh);
        } else {
          IntoValues<O> more{sums};
          combine_rows<O>(rows, taken, now, more);
        }
      }
      const char* all = reinterpret_cast<const char*>(sums);
      ToOutput<O> to{sink.at + x * kSize, sink.factor};
      combine_rows<OnValues<O>>(&all, 1, now, to);
    }
  }

  // Brings the input rows of a band into scratch: packed, padded, and combined along d.
  void fetch() {
    fetched0_ = p.h.adaptive() ? p.h.taps(row0_).first : row0_ * p.h.stride - p.h.lo;
    const Axis::Taps end = p.h.taps(row0_ + rows_ - 1);
    fetched_rows_ = p.h.adaptive() ? end.first + end.count - fetched0_
                                   : (rows_ - 1) * p.h.stride + (p.h.window - 1) * p.h.dilation + 1;
    pad(fetched_, fetched_rows_);
    const std::int64_t left = (from_ - begin_) * inner_;
    for (std::int64_t r = 0; r < fetched_rows_; ++r) {
      Value* row = fetched_ + r * l.pitch + left;
      const std::int64_t ih = fetched0_ + r;
      if (ih < 0 || ih >= p.h.in || d_.count == 0) {
        fill(row, (to_ - from_) * inner_);
        continue;
      }
      const char* at = in_ + d_.first * p.d.in_step + ih * p.h.in_step + from_ * p.w.in_step + inner0_ * p.inner_in_step;
      for (std::int64_t i = 0; i < d_.count; ++i, at += p.d.dilation * p.d.in_step) fetch_row(at, row, i == 0);
    }
    if (l.scan_h) scan();
  }

  void fetch_row(const char* at, Value* to, bool first) {
    const std::int64_t n = to_ - from_;
    const bool inner_touches = inner_ == 1 || p.inner_in_step == kSize;
    if (inner_touches && p.w.in_step == inner_ * kSize) {
      fetch_run(at, to, n * inner_, first);
    } else if (inner_touches && inner_ > 1) {
      for (std::int64_t x = 0; x < n; ++x) fetch_run(at + x * p.w.in_step, to + x * inner_, inner_, first);
    } else {
      for (std::int64_t x = 0; x < n; ++x) {
        for (std::int64_t c = 0; c < inner_; ++c) {
          const Value value = O::load_one(at + x * p.w.in_step + c * p.inner_in_step);
          Value& known = to[x * inner_ + c];
          known = first ? value : O::one(known, value);
        }
      }
    }
  }

  static void fetch_run(const char* at, Value* to, std::int64_t n, bool first) {
    if (first) {
      ToValues<O> fresh{to};
      combine_rows<O>(&at, 1, n, fresh);
    } else {
      IntoValues<O> more{to};
      combine_rows<O>(&at, 1, n, more);
    }
  }

  // Windows of stride 1 along h at a cost that does not grow with them (M. van Herk, 1992; J. Gil, M. Werman, 1993):
  // rows are cut into blocks as long as the window; a window is the end of one block and the beginning of the next.
  // Leaves the running beginnings in `fetched_` and the running ends in `suffix_`.
  void scan() {
    const std::int64_t k = p.h.window, n = l.pitch;
    for (std::int64_t r = fetched_rows_ - 1; r >= 0; --r) {
      const Value* row = fetched_ + r * n;
      Value* to = suffix_ + r * n;
      const bool last = r % k == k - 1 || r == fetched_rows_ - 1;
      for (std::int64_t x = 0; x < n; x += kN) {
        const VecFor<O> own = load_vec<Value>(row + x);
        store_vec<Value>(to + x, last ? own : O::combine(load_vec<Value>(to + n + x), own));
      }
    }
    for (std::int64_t r = 1; r < fetched_rows_; ++r) {
      if (r % k == 0) continue;
      Value* row = fetched_ + r * n;
      for (std::int64_t x = 0; x < n; x += kN) {
        store_vec<Value>(row + x, O::combine(load_vec<Value>(row - n + x), load_vec<Value>(row + x)));
      }
    }
  }

  // The fetched rows that output row r of the band combines.
  std::int64_t list_fetched(std::int64_t r, const char** rows, std::int64_t most, std::int64_t skip) {
    const std::int64_t oh = row0_ + r;
    if (l.scan_h) {
      const std::int64_t first = oh - p.h.lo - fetched0_;
      rows[0] = bytes_of(suffix_ + first * l.pitch);
      if (first % p.h.window == 0) return 1;
      rows[1] = bytes_of(fetched_ + (first + p.h.window - 1) * l.pitch);
      return 2;
    }
    const Axis::Taps h = p.h.taps(oh);
    std::int64_t count = 0;
    for (std::int64_t j = skip; j < h.count && count < most; ++j) {
      rows[count++] = bytes_of(fetched_ + (h.first + j * p.h.dilation - fetched0_) * l.pitch);
    }
    return count;
  }

  static const char* bytes_of(const Value* at) { return reinterpret_cast<const char*>(at); }

  void combine_fetched() {
    const char* rows[kMostRows];
    for (std::int64_t r = 0; r < rows_; ++r) {
      ToValues<O> fresh{band_ + r * l.pitch};
      std::int64_t count = list_fetched(r, rows, kMostRows, 0);
      if (count == 0) {
        combine_nothing<O>(l.pitch, fresh);
        continue;
      }
      combine_rows<OnValues<O>>(rows, count, l.pitch, fresh);
      IntoValues<O> more{band_ + r * l.pitch};
      for (std::int64_t done = count; !l.scan_h && count == kMostRows; done += count) {
        count = list_fetched(r, rows, kMostRows, done);
        if (count > 0) combine_rows<OnValues<O>>(rows, count, l.pitch, more);
      }
    }
    if (l.fold_w) fill(band_ + rows_ * l.pitch, l.slack(p));
  }

  void straight_from_fetched(std::int64_t r) {
    const std::int64_t oh = row0_ + r;
    char* out = l.flush ? flushed_ : out_ + oh * p.h.out_step + column0_ * p.w.out_step;
    ToOutput<O> sink{out, factor_of(oh)};
    const char* rows[kMostRows];
    const std::int64_t n = columns_ * inner_;
    std::int64_t count = list_fetched(r, rows, kMostRows, 0);
    if (count == 0) {
      combine_nothing<O>(n, sink);
    } else if (count < kMostRows) {
      combine_rows<OnValues<O>>(rows, count, n, sink);
    } else {
      // So many rows are summed a vector at a time, listed anew for each: rare, and no row may be written to.
      for (std::int64_t x = 0; x < n; x += kN) {
        const int now = static_cast<int>(std::min<std::int64_t>(n - x, kN));
        VecFor<O> sum = O::neutral();
        for (std::int64_t done = 0;; done += count) {
          count = list_fetched(r, rows, kMostRows, done);
          for (std::int64_t i = 0; i < count; ++i) sum = O::combine(sum, load_vec<Value>(rows[i] + x * kValue));
          if (count < kMostRows) break;
        }
        sink.part(x, sum, now);
      }
    }
    if (l.flush) scatter(oh);
  }

  // ---- Along w -------------------------------------------------------------------------------------------------

  // Where a row's windows begin, once what is larger than a few taps has been folded: `taps` of them, `step` apart.
  struct Neighbours {
    const Value* first;
    std::int64_t taps;
    std::int64_t step;
  };

  void along_w() {
    Neighbours window{band_, p.w.window, p.w.dilation * inner_};
    if (l.fold_w) window = fold();
    along_w(window, l.pitch);
  }

  void along_w(Neighbours window, std::int64_t pitch) {
    const bool touching = inner_ == 1 || (p.w.stride == 1 && !p.counts_w);
    if (!p.w.adaptive() && !l.flush && touching && p.w.stride <= 4) {
      const std::int64_t n = columns_ * inner_;
      switch (p.w.stride) {
        case 1: neighbours<1>(window, pitch, n); break;
        case 2: neighbours<2>(window, pitch, n); break;
        case 3: neighbours<3>(window, pitch, n); break;
        default: neighbours<4>(window, pitch, n);
      }
      return;
    }
    for (std::int64_t r = 0; r < rows_; ++r, window.first += pitch) {
      const std::int64_t oh = row0_ + r;
      char* out = l.flush ? flushed_ : out_ + oh * p.h.out_step + column0_ * p.w.out_step;
      if (p.w.adaptive()) {
        uneven(window.first, out, factor_of(oh));
      } else if (inner_ == 1) {
        one_by_one(window, out, oh);
      } else {
        groups(window, out, oh);
      }
      if (l.flush) scatter(oh);
    }
  }

  // Windows by doubling: after j rounds, each value stands for the 2^j from its own place on. A maximum combines two
  // such runs that may overlap; a sum adds up those that the window's binary digits name. All rows at once: what runs
  // over a row's end into the next one is behind the last output.
  Neighbours fold() {
    const std::int64_t n = rows_ * l.pitch, unit = p.w.dilation * inner_, k = p.w.window;
    if (O::kIsMax) {
      std::int64_t length = 1;
      for (; 2 * length <= k; length *= 2) fold_once(band_, n, length * unit);
      return {band_, length == k ? 1 : 2, (k - length) * unit};
    }
    std::int64_t length = 1, done = 0;
    for (;; length *= 2) {
      if (k & length) {
        if (done == 0) {
          copy(band_, n);
        } else {
          add(band_ + done * unit, n);
        }
        done += length;
      }
      if (done == k) break;
      fold_once(band_, n, length * unit);
    }
    return {sums_, 1, 0};
  }

  static void fold_once(Value* at, std::int64_t n, std::int64_t shift) {
    for (std::int64_t x = 0; x < n; x += kN) {
      store_vec<Value>(at + x, O::combine(load_vec<Value>(at + x), load_vec<Value>(at + x + shift)));
    }
  }
  void copy(const Value* from, std::int64_t n) {
    for (std::int64_t x = 0; x < n; x += kN) store_vec<Value>(sums_ + x, load_vec<Value>(from + x));
  }
  void add(const Value* from, std::int64_t n) {
    for (std::int64_t x = 0; x < n; x += kN) {
      store_vec<Value>(sums_ + x, O::combine(load_vec<Value>(sums_ + x), load_vec<Value>(from + x)));
    }
  }

  template <int kStride>
  static POOL_INLINE VecFor<O> every(const Value* at) {
    if constexpr (kStride == 1) return load_vec<Value>(at);
    if constexpr (kStride == 2) return even_lanes<Value>(load_vec<Value>(at), load_vec<Value>(at + kN));
    if constexpr (kStride == 3) {
      return third_lanes<Value>(load_vec<Value>(at), load_vec<Value>(at + kN), load_vec<Value>(at + 2 * kN),
                                LaneIndices<Value>{});
    }
    if constexpr (kStride == 4) {
      return even_lanes<Value>(even_lanes<Value>(load_vec<Value>(at), load_vec<Value>(at + kN)),
                               even_lanes<Value>(load_vec<Value>(at + 2 * kN), load_vec<Value>(at + 3 * kN)));
    }
  }

  template <int kStride>
  POOL_INLINE void neighbours(Neighbours window, std::int64_t pitch, std::int64_t n) {
    switch (window.step == 1 ? window.taps : 0) {
      case 2: neighbours<kStride, 2>(window, pitch, n); break;
      case 3: neighbours<kStride, 3>(window, pitch, n); break;
      case 4: neighbours<kStride, 4>(window, pitch, n); break;
      default: neighbours<kStride, 0>(window, pitch, n);
    }
  }

  // Lanes 0 and 1, 2 and 3, … of two vectors' length combined.
  static POOL_INLINE VecFor<O> in_pairs(const Value* at) {
    const VecFor<O> a = load_vec<Value>(at), b = load_vec<Value>(at + kN);
    return O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
  }

  template <int kStride, int kTaps>
  POOL_INLINE VecFor<O> window_at(const Value* at, Neighbours window) {
    if constexpr (kStride == 4 && kTaps == 4) {
      const VecFor<O> a = in_pairs(at), b = in_pairs(at + 2 * kN);
      return O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
    } else if constexpr (kStride == 2 && kTaps > 0) {
      const VecFor<O> a = load_vec<Value>(at), b = load_vec<Value>(at + kN);
      VecFor<O> value = O::combine(even_lanes<Value>(a, b), odd_lanes<Value>(a, b));
      if constexpr (kTaps == 3) value = O::combine(value, every<2>(at + 2));
      if constexpr (kTaps == 4) value = O::combine(value, in_pairs(at + 2));
      return value;
    } else if constexpr (kTaps > 0) {
      VecFor<O> value = every<kStride>(at);
#pragma GCC unroll 4
      for (int i = 1; i < kTaps; ++i) value = O::combine(value, every<kStride>(at + i));
      return value;
    } else {
      VecFor<O> value = every<kStride>(at);
      for (std::int64_t i = 1; i < window.taps; ++i) value = O::combine(value, every<kStride>(at + i * window.step));
      return value;
    }
  }

  // All rows of the band, each of n outputs.
  template <int kStride, int kTaps>
  void neighbours(Neighbours window, std::int64_t pitch, std::int64_t n) {
    const std::int64_t whole = n / kN * kN;
    VecFor<O> factor = factor_of(row0_);
    char* to = out_ + row0_ * p.h.out_step + column0_ * p.w.out_step;
    for (std::int64_t r = 0; r < rows_; ++r, window.first += pitch, to += p.h.out_step) {
      if constexpr (!O::kIsMax) {
        if (p.counts_h) factor = factor_of(row0_ + r);
      }
      const Value* at = window.first;
      char* out = to;
      for (std::int64_t o = 0; o < whole; o += kN, at += kN * kStride, out += kN * kSize) {
        O::store(out, window_at<kStride, kTaps>(at, window), factor_at(factor, o));
      }
      if (whole < n) {
        O::store_part(out, window_at<kStride, kTaps>(at, window), factor_at(factor, whole), static_cast<int>(n - whole));
      }
    }
  }

  POOL_INLINE VecFor<O> factor_at(VecFor<O> factor, std::int64_t o) const {
    if constexpr (!O::kIsMax) {
      if (p.counts_w) return factor * load_vec<Value>(factors_ + o);
    }
    return factor;
  }

  void one_by_one(Neighbours window, char* out, std::int64_t oh) {
    const Value factor = scalar_factor(oh);
    for (std::int64_t o = 0; o < columns_; ++o) {
      const Value* at = window.first + o * p.w.stride;
      Value value = at[0];
      for (std::int64_t i = 1; i < window.taps; ++i) value = O::one(value, at[i * window.step]);
      Value own = factor;
      if constexpr (!O::kIsMax) {
        if (p.counts_w) own *= factors_[o];
      }
      O::store_one(out + o * kSize, value, own);
    }
  }

  void groups(Neighbours window, char* out, std::int64_t oh) {
    const Value factor = scalar_factor(oh);
    for (std::int64_t o = 0; o < columns_; ++o) {
      Value own = factor;
      if constexpr (!O::kIsMax) {
        if (p.counts_w) own *= factors_[o];
      }
      ToOutput<O> sink{out + o * inner_ * kSize, fill_vec<Value>(own)};
      const char* base = bytes_of(window.first + o * p.w.stride * inner_);
      combine_grid<OnValues<O>, 0>(&base, 1, 0, window.step * kValue, window.taps, inner_, sink);
    }
  }

  // Adaptive windows that are not all alike.
  void uneven(const Value* row, char* out, VecFor<O> factor) {
    for (std::int64_t o = 0; o < columns_; ++o) {
      const Axis::Taps taps = p.w.taps(column0_ + o);
      VecFor<O> own = factor;
      if constexpr (!O::kIsMax) {
        if (p.counts_w) own = factor * factors_[o];
      }
      const Value* at = row + (taps.first - begin_) * inner_;
      if (inner_ == 1) {
        Value value = at[0];
        for (std::int64_t i = 1; i < taps.count; ++i) value = O::one(value, at[i]);
        O::store_one(out + o * kSize, value, own[0]);
      } else {
        ToOutput<O> sink{out + o * inner_ * kSize, own};
        const char* base = bytes_of(at);
        combine_grid<OnValues<O>, 0>(&base, 1, 0, inner_ * kValue, taps.count, inner_, sink);
      }
    }
  }

  // ---- Output --------------------------------------------------------------------------------------------------

  Value scalar_factor(std::int64_t oh) const {
    if constexpr (O::kIsMax) return Value{};
    return static_cast<Value>(p.counts_h ? plane_factor_ * p.factor(p.h, oh) : plane_factor_);
  }

  VecFor<O> factor_of(std::int64_t oh) const { return fill_vec<Value>(scalar_factor(oh)); }

  // Moves a row from scratch to where its elements belong.
  void scatter(std::int64_t oh) {
    char* to = out_ + oh * p.h.out_step + column0_ * p.w.out_step + inner0_ * p.inner_out_step;
    const char* from = flushed_;
    for (std::int64_t o = 0; o < columns_; ++o, to += p.w.out_step) {
      for (std::int64_t c = 0; c < inner_; ++c, from += kSize) __builtin_memcpy(to + c * p.inner_out_step, from, kSize);
    }
  }

  const Plan& p;
  Layout l;
  Value *fetched_ = nullptr, *suffix_ = nullptr, *band_ = nullptr, *sums_ = nullptr, *factors_ = nullptr;
  char* flushed_ = nullptr;

  // The plane in hand.
  const char* in_ = nullptr;
  char* out_ = nullptr;
  Axis::Taps d_{};
  double plane_factor_ = 1;
  std::int64_t window_rows_ = 0;     // input rows of a window that lies inside, along d and h
  const char* at_top_[kMostRows];    // and where they are for a window that begins with row 0
  std::int64_t inside_begin_ = 0, inside_end_ = 0;

  // The block in hand.
  std::int64_t row0_ = 0, rows_ = 0, column0_ = 0, columns_ = 0, inner0_ = 0, inner_ = 1;
  std::int64_t begin_ = 0, end_ = 0;  // along w, positions that are read, padding included
  std::int64_t from_ = 0, to_ = 0;    // those of them that lie in the input
  std::int64_t fetched0_ = 0, fetched_rows_ = 0;
  bool padded_ = false;
};
