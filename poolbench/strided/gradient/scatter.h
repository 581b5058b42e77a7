// The gradient of a maximum where many windows read each element, or few windows many: each window adds to the element
// that it came from. A unit owns a part of the gradient, collects it in scratch memory and writes it once, so no two
// threads touch the same element, and what windows send to it is added in row-major order.
#pragma once

#include "gradient/tables.h"

POOL_BEGIN

template <class S>
struct Scatter {
  static constexpr const char* kName = "scatter";
  static constexpr const char* kTakes =
      "all that is left: one window at a time into a part of the gradient that one thread owns";
  static constexpr const char* kCost = "1 for each window, element by element";
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

    explicit Table(const Plan& p)
        : steps{step_of(p.d) * p.h.positions, step_of(p.h), step_of(p.w)},
          width(static_cast<std::uint32_t>(p.window_w)),
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
  static Parts parts_of(const Plan& p) {
    Parts parts;
    const std::int64_t all_rows = p.d.positions * p.h.positions;
    parts.lanes = std::min<std::int64_t>(p.inner, 64);
    parts.columns = std::min(p.w.positions, kRoom / parts.lanes);
    parts.rows = std::min(all_rows, std::max<std::int64_t>(kRoom / (parts.lanes * parts.columns), 1));
    parts.by_rows = (all_rows + parts.rows - 1) / parts.rows;
    parts.by_columns = (p.w.positions + parts.columns - 1) / parts.columns;
    parts.by_lanes = (p.inner + parts.lanes - 1) / parts.lanes;
    return parts;
  }

  static bool fits(const Plan&) { return true; }
  static std::int64_t units(const Plan& p) {
    const Parts parts = parts_of(p);
    return p.planes() * parts.by_rows * parts.by_columns * parts.by_lanes;
  }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) {
    const Parts parts = parts_of(p);
    const Table table(p);
    RowSink sink(contiguous_bytes<S>(p), false);
    for (std::int64_t unit = first; unit < last; ++unit) {
      std::int64_t at = unit;
      const std::int64_t c = at % parts.by_lanes * parts.lanes;
      at /= parts.by_lanes;
      const std::int64_t w0 = at % parts.by_columns * parts.columns;
      at /= parts.by_columns;
      const std::int64_t r0 = at % parts.by_rows * parts.rows;
      run_part(p, table, sink, at / parts.by_rows, r0, std::min(parts.rows, p.d.positions * p.h.positions - r0), w0,
               std::min(parts.columns, p.w.positions - w0), c, std::min(parts.lanes, p.inner - c));
    }
  }

 private:
  static void run_part(const Plan& p, const Table& table, RowSink& sink, std::int64_t plane,
                       std::int64_t r0, std::int64_t rows, std::int64_t w0, std::int64_t columns, std::int64_t c,
                       std::int64_t lanes) {
    alignas(64) V sums[kRoom + E::kCount];  // rows are read by whole vectors
    std::memset(sums, 0, static_cast<std::size_t>(rows * columns * lanes) * sizeof(V));
    if (rows == p.d.positions * p.h.positions && columns == p.w.positions && table.whole && p.offset_size == 1) {
      collect_all(p, table, plane, c, lanes, sums);
    } else {
      collect(p, table, plane, r0, rows, w0, columns, c, lanes, sums);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t id = (r0 + r) / p.h.positions, ih = (r0 + r) % p.h.positions;
      char* const to =
          p.out + p.out_start(plane) + c * E::kSize + id * p.d.out_step + ih * p.h.out_step + w0 * p.w.out_step;
      write(p, sink, to, columns, lanes, sums + r * columns * lanes);
    }
  }

  // Where the unit is all of a plane: each window finds its element there. One table then says how far from the first
  // element of a window.
  static void collect_all(const Plan& p, const Table& table, std::int64_t plane, std::int64_t c,
                          std::int64_t lanes, V* sums) {
    std::int32_t beyond[256];
    const std::int64_t window = p.window_d * p.window_h * p.window_w;
    for (std::int64_t i = 0; i < std::min<std::int64_t>(window, 256); ++i) {
      const Place place = table.places[i];
      beyond[i] = static_cast<std::int32_t>((place.row * p.w.positions + place.column) * lanes);
    }
    const char* const in = p.in + p.in_start(plane) + c * E::kSize;
    const char* const offsets = p.offsets + p.offsets_start(plane) + c;
    for (std::int64_t od = 0; od < p.d.windows; ++od) {
      for (std::int64_t oh = 0; oh < p.h.windows; ++oh) {
        const char* value = in + od * p.d.in_step + oh * p.h.in_step;
        const char* offset = offsets + od * p.d.offset_step + oh * p.h.offset_step;
        const std::int64_t row = position_of(p.d, od, 0) * p.h.positions + position_of(p.h, oh, 0);
        for (std::int64_t ow = 0; ow < p.w.windows; ++ow, value += p.w.in_step, offset += p.w.offset_step) {
          const std::int64_t first = (row * p.w.positions + position_of(p.w, ow, 0)) * lanes;
          for (std::int64_t lane = 0; lane < lanes; ++lane) {
            sums[first + lane + beyond[static_cast<std::uint8_t>(offset[lane])]] += E::get(value + lane * E::kSize);
          }
        }
      }
    }
  }

  static void collect(const Plan& p, const Table& table, std::int64_t plane, std::int64_t r0, std::int64_t rows,
                      std::int64_t w0, std::int64_t columns, std::int64_t c, std::int64_t lanes, V* sums) {
    const char* in = p.in + p.in_start(plane) + c * E::kSize;
    const char* offsets = p.offsets + p.offsets_start(plane) + c * p.offset_size;
    const std::int64_t r1 = rows + r0;
    // Rows of windows that may reach into the part. Where it spans several d, all of h may.
    const Readers first_d = readers(p.d, r0 / p.h.positions), last_d = readers(p.d, (r1 - 1) / p.h.positions);
    const bool within = r0 / p.h.positions == (r1 - 1) / p.h.positions;
    const std::int64_t oh_first = within ? readers(p.h, r0 % p.h.positions).first : 0;
    const std::int64_t oh_last = within ? readers(p.h, (r1 - 1) % p.h.positions).last : p.h.windows - 1;
    const std::int64_t ow_first = readers(p.w, w0).first, ow_last = readers(p.w, w0 + columns - 1).last;
    for (std::int64_t od = first_d.first; od <= last_d.last; ++od) {
      for (std::int64_t oh = oh_first; oh <= oh_last; ++oh) {
        const char* value = in + od * p.d.in_step + oh * p.h.in_step + ow_first * p.w.in_step;
        const char* offset = offsets + od * p.d.offset_step + oh * p.h.offset_step + ow_first * p.w.offset_step;
        const std::int64_t row = position_of(p.d, od, 0) * p.h.positions + position_of(p.h, oh, 0) - r0;
        for (std::int64_t ow = ow_first; ow <= ow_last; ++ow, value += p.w.in_step, offset += p.w.offset_step) {
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

  static void write(const Plan& p, RowSink& sink, char* to, std::int64_t columns, std::int64_t lanes,
                    const V* from) {
    if (lanes == 1) {
      write_row<S>(sink.at(to, columns * E::kSize), p.w.out_step, columns, from);
      return;
    }
    for (std::int64_t x = 0; x < columns; ++x) {
      write_row<S>(sink.at(to + x * p.w.out_step, lanes * E::kSize), E::kSize, lanes, from + x * lanes);
    }
  }
};

POOL_END
