// The gradient of a maximum where many windows read each element, or few outputs many: each output adds to the element
// that it came from. A unit owns a part of the gradient, collects it in scratch memory and writes it once, so no two
// threads touch the same element, and what windows send to it is added in row-major order. Included once per
// instruction set, though there are no vectors in it: the compiler may use what there is.

template <class S>
struct Scatter {
  static constexpr const char* kName = "scatter";
  using E = Elements<S>;
  using V = typename E::Value;
  static constexpr std::int64_t kRoom = 49152 / sizeof(V);  // elements of a unit
  static constexpr std::int64_t kTable = 512;

  // Where the elements of a window lie, from its first one on.
  struct Place {
    std::int32_t row, column;
  };
  struct Table {
    Place places[kTable];
    std::int64_t steps[3];
    std::uint32_t width, height;
    bool whole;  // whether all elements of a window are in it

    explicit Table(const TrainingPlan& p)
        : steps{step_of(p.d) * p.h.in, step_of(p.h), step_of(p.w)}, width(static_cast<std::uint32_t>(p.window_w)),
          height(static_cast<std::uint32_t>(p.window_h)) {
      const std::int64_t window = p.window_d * p.window_h * p.window_w;
      whole = window <= kTable;
      for (std::int64_t i = 0; whole && i < window; ++i) places[i] = compute(static_cast<std::uint32_t>(i));
    }
    static std::int64_t step_of(const Axis& axis) { return axis.adaptive() ? 1 : axis.dilation; }
    Place compute(std::uint32_t number) const {
      const std::uint32_t row = number / width;
      return {static_cast<std::int32_t>(row / height * steps[0] + row % height * steps[1]),
              static_cast<std::int32_t>(number % width * steps[2])};
    }
    POOL_INLINE Place at(std::int64_t number) const {
      return whole ? places[number] : compute(static_cast<std::uint32_t>(number));
    }
  };

  // A unit: rows (of d and h together) [r, r + rows) and columns [w, w + columns) of a plane, `lanes` channels of it.
  struct Parts {
    std::int64_t rows, columns, lanes;        // of a unit, at most
    std::int64_t by_rows, by_columns, by_lanes;
  };
  static Parts parts_of(const TrainingPlan& p) {
    Parts parts;
    const std::int64_t all_rows = p.d.in * p.h.in;
    parts.lanes = std::min<std::int64_t>(p.inner, 64);
    parts.columns = std::min(p.w.in, kRoom / parts.lanes);
    parts.rows = std::min(all_rows, std::max<std::int64_t>(kRoom / (parts.lanes * parts.columns), 1));
    parts.by_rows = (all_rows + parts.rows - 1) / parts.rows;
    parts.by_columns = (p.w.in + parts.columns - 1) / parts.columns;
    parts.by_lanes = (p.inner + parts.lanes - 1) / parts.lanes;
    return parts;
  }

  static bool fits(const TrainingPlan&) { return true; }
  static std::int64_t units(const TrainingPlan& p) {
    const Parts parts = parts_of(p);
    return p.planes() * parts.by_rows * parts.by_columns * parts.by_lanes;
  }

  static void run(const TrainingPlan& p, std::int64_t first, std::int64_t last) {
    const Parts parts = parts_of(p);
    const Table table(p);
    RowSink sink(contiguous_input<S>(p), false);
    for (std::int64_t unit = first; unit < last; ++unit) {
      std::int64_t at = unit;
      const std::int64_t c = at % parts.by_lanes * parts.lanes;
      at /= parts.by_lanes;
      const std::int64_t w0 = at % parts.by_columns * parts.columns;
      at /= parts.by_columns;
      const std::int64_t r0 = at % parts.by_rows * parts.rows;
      run_part(p, table, sink, at / parts.by_rows, r0, std::min(parts.rows, p.d.in * p.h.in - r0), w0,
               std::min(parts.columns, p.w.in - w0), c, std::min(parts.lanes, p.inner - c));
    }
  }

 private:
  static void run_part(const TrainingPlan& p, const Table& table, RowSink& sink, std::int64_t plane,
                       std::int64_t r0, std::int64_t rows, std::int64_t w0, std::int64_t columns, std::int64_t c,
                       std::int64_t lanes) {
    alignas(64) V sums[kRoom + E::kCount];  // rows are read by whole vectors
    std::memset(sums, 0, static_cast<std::size_t>(rows * columns * lanes) * sizeof(V));
    if (rows == p.d.in * p.h.in && columns == p.w.in && table.whole && p.offset_size == 1) {
      collect_all(p, table, plane, c, lanes, sums);
    } else {
      collect(p, table, plane, r0, rows, w0, columns, c, lanes, sums);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t id = (r0 + r) / p.h.in, ih = (r0 + r) % p.h.in;
      char* const to = p.in + p.in_start(plane) + c * E::kSize + id * p.d.in_step + ih * p.h.in_step + w0 * p.w.in_step;
      write(p, sink, to, columns, lanes, sums + r * columns * lanes);
    }
  }

  // Where the unit is all of a plane: each output finds its element there. One table then says how far from the first
  // element of a window.
  static void collect_all(const TrainingPlan& p, const Table& table, std::int64_t plane, std::int64_t c,
                          std::int64_t lanes, V* sums) {
    std::int32_t beyond[256];
    const std::int64_t window = p.window_d * p.window_h * p.window_w;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(window, 256); ++i) {
      const Place place = table.places[i];
      beyond[i] = static_cast<std::int32_t>((place.row * p.w.in + place.column) * lanes);
    }
    const char* const out = p.out + p.out_start(plane) + c * E::kSize;
    const char* const offsets = p.offsets + p.offsets_start(plane) + c;
    for (std::int64_t od = 0; od < p.d.out; ++od) {
      for (std::int64_t oh = 0; oh < p.h.out; ++oh) {
        const char* value = out + od * p.d.out_step + oh * p.h.out_step;
        const char* offset = offsets + od * p.d.index_step + oh * p.h.index_step;
        const std::int64_t row = position_of(p.d, od, 0) * p.h.in + position_of(p.h, oh, 0);
        for (std::int64_t ow = 0; ow < p.w.out; ++ow, value += p.w.out_step, offset += p.w.index_step) {
          const std::int64_t first = (row * p.w.in + position_of(p.w, ow, 0)) * lanes;
          for (std::int64_t lane = 0; lane < lanes; ++lane) {
            sums[first + lane + beyond[static_cast<std::uint8_t>(offset[lane])]] += E::get(value + lane * E::kSize);
          }
        }
      }
    }
  }

  static void collect(const TrainingPlan& p, const Table& table, std::int64_t plane, std::int64_t r0, std::int64_t rows,
                      std::int64_t w0, std::int64_t columns, std::int64_t c, std::int64_t lanes, V* sums) {
    const char* out = p.out + p.out_start(plane) + c * E::kSize;
    const char* offsets = p.offsets + p.offsets_start(plane) + c * p.offset_size;
    const std::int64_t r1 = rows + r0;
    // Rows of outputs that may reach into the part. Where it spans several d, all of h may.
    const Readers first_d = readers(p.d, r0 / p.h.in), last_d = readers(p.d, (r1 - 1) / p.h.in);
    const bool within = r0 / p.h.in == (r1 - 1) / p.h.in;
    const std::int64_t oh_first = within ? readers(p.h, r0 % p.h.in).first : 0;
    const std::int64_t oh_last = within ? readers(p.h, (r1 - 1) % p.h.in).last : p.h.out - 1;
    const std::int64_t ow_first = readers(p.w, w0).first, ow_last = readers(p.w, w0 + columns - 1).last;
    for (std::int64_t od = first_d.first; od <= last_d.last; ++od) {
      for (std::int64_t oh = oh_first; oh <= oh_last; ++oh) {
        const char* value = out + od * p.d.out_step + oh * p.h.out_step + ow_first * p.w.out_step;
        const char* offset = offsets + od * p.d.index_step + oh * p.h.index_step + ow_first * p.w.index_step;
        const std::int64_t row = position_of(p.d, od, 0) * p.h.in + position_of(p.h, oh, 0) - r0;
        for (std::int64_t ow = ow_first; ow <= ow_last; ++ow, value += p.w.out_step, offset += p.w.index_step) {
          const std::int64_t column = position_of(p.w, ow, 0) - w0;
          for (std::int64_t lane = 0; lane < lanes; ++lane) {
            const Place place = table.at(load_offset(offset + lane * p.offset_size, p.offset_size));
            const std::int64_t r = row + place.row, x = column + place.column;
            if (r < 0 || r >= rows || x < 0 || x >= columns) continue;
            sums[(r * columns + x) * lanes + lane] += E::get(value + lane * E::kSize);
          }
        }
      }
    }
  }

  static void write(const TrainingPlan& p, RowSink& sink, char* to, std::int64_t columns, std::int64_t lanes,
                    const V* from) {
    if (lanes == 1) {
      write_row<S>(sink.at(to, columns * E::kSize), p.w.in_step, columns, from);
      return;
    }
    for (std::int64_t x = 0; x < columns; ++x) {
      write_row<S>(sink.at(to + x * p.w.in_step, lanes * E::kSize), E::kSize, lanes, from + x * lanes);
    }
  }
};
