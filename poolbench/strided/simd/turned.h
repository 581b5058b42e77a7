// Planes in the lanes: tiles of many planes are turned in registers into scratch memory, where the planes lie side by side
// as channels do; a kernel for innermost channels does them there; and what it wrote is turned back.
#pragma once

#include "simd/tiles.h"
#include "simd/turn_planes.h"

POOL_BEGIN

template <class S, class Inner>
class Turned {
 public:
  static constexpr std::int64_t kSize = sizeof(S);
  static constexpr std::int64_t kSide = Block<static_cast<int>(kSize)>::kSide, kOffsets = Block<1>::kSide;
  static constexpr std::int64_t kLeast = std::max(kSide, kOffsets);  // planes side by side
  static constexpr std::int64_t kMostPlanes = 64;
  static constexpr std::int64_t kRoom = 128 << 10;      // of scratch memory, in bytes

  static bool can(const Plan& p) {
    if (p.inner != 1 || p.w.positions * p.h.positions * p.d.positions == 1) return false;
    if (p.position_step(p.w) != kSize && p.w.positions > 1) return false;
    if (p.window_step(p.w) != kSize && p.w.windows > 1) return false;
    if (p.offsets != nullptr && (p.offset_size != 1 || (p.w.windows > 1 && p.w.offset_step != 1))) return false;
    if (!Cut::reads_inside(p.d) || !Cut::reads_inside(p.h) || !Cut::reads_inside(p.w)) return false;
    if (p.planes() < kSide / 2) return false;
    const Tiles tiles = tiles_of(p);
    if (must_be_whole(p) && ((p.counts_d && tiles.d.parts > 1) || (p.counts_h && tiles.h.parts > 1) ||
                             (p.counts_w && tiles.w.parts > 1)))
      return false;
    if (tiles.bytes() * lanes(p) > kRoom) return false;
    Plan q = p;
    q.inner = lanes(p);
    q.inner_in_step = q.inner_out_step = kSize;
    q.outer[0] = q.outer[1] = Outer{};
    return Inner::fits(q, tiles.count() == 1);
  }
  // Whether a plane, with what is pooled of it, is one tile.
  static bool is_small(const Plan& p) { return tiles_of(p).count() == 1; }
  static std::int64_t units(const Plan& p) { return groups(p) * tiles_of(p).count(); }

  static void run(const Plan& p, std::int64_t first, std::int64_t last) { Turned(p).all(first, last); }

 private:
  // Whether a window that lies in two tiles does not know how many elements it has.
  static bool must_be_whole(const Plan& p) {
    return p.pass == Pass::kGradient && p.op == Op::kAvg && !p.include_padding && (p.counts_d || p.counts_h || p.counts_w);
  }
  // As many as leave a plane whole, if there are such that fill two vectors: otherwise many, since the work that tiles share
  // with their neighbours is the same for all of them. An adaptive axis cannot be cut.
  static std::int64_t lanes(const Plan& p) {
    const std::int64_t most = std::min((p.planes() + kLeast - 1) / kLeast * kLeast, kMostPlanes);
    const std::int64_t least = kBytes == 32 ? kLeast : 2 * kLeast;
    for (std::int64_t lanes = most; lanes >= least; lanes = lanes / 2 / kLeast * kLeast) {
      if (Tiles(p, kSize, kRoom / lanes).count() == 1) return lanes;
    }
    return Tiles(p, kSize, kRoom / most).bytes() * most <= kRoom ? most : kLeast;
  }
  static Tiles tiles_of(const Plan& p) { return Tiles(p, kSize, kRoom / lanes(p)); }
  static std::int64_t groups(const Plan& p) { return (p.planes() + lanes(p) - 1) / lanes(p); }

  explicit Turned(const Plan& plan) : p(plan), tiles_(tiles_of(plan)), lanes_(lanes(plan)) {}

  // Runs of elements of a tile that lie behind each other in each plane.
  struct Runs {
    std::int64_t length, rows, row_step, planes, plane_step;
  };
  static Runs runs(std::int64_t size, std::int64_t d, std::int64_t d_step, std::int64_t h, std::int64_t h_step,
                   std::int64_t w) {
    Runs all{w, h, h_step, d, d_step};
    if (all.rows == 1 || h_step == w * size) {
      all.length *= all.rows;
      all.rows = 1;
      if (all.planes == 1 || d_step == all.length * size) {
        all.length *= all.planes;
        all.planes = 1;
      }
    }
    return all;
  }
  template <class Visit>
  static POOL_INLINE void visit(const Runs& all, std::int64_t start, Visit visit) {
    std::int64_t place = 0;
    for (std::int64_t i = 0; i < all.planes; ++i) {
      for (std::int64_t j = 0; j < all.rows; ++j, place += all.length) {
        visit(place, start + i * all.plane_step + j * all.row_step, all.length);
      }
    }
  }

  void all(std::int64_t first, std::int64_t last) {
    const std::int64_t count = tiles_.count();
    std::int64_t known = -1;
    for (; first < last; ++first) {
      const std::int64_t group = first / count, tile = first % count;
      if (group != known) list_planes(group * lanes_);
      known = group;
      run_tile(tiles_.d.part(tile / tiles_.w.parts / tiles_.h.parts), tiles_.h.part(tile / tiles_.w.parts % tiles_.h.parts),
               tiles_.w.part(tile % tiles_.w.parts));
    }
  }

  void list_planes(std::int64_t plane) {
    planes_ = std::min(lanes_, p.planes() - plane);
    for (std::int64_t i = 0; i < lanes_; ++i) {
      const std::int64_t number = plane + std::min(i, planes_ - 1);  // lanes without a plane do the last one's work again
      in_[i] = p.in + p.in_start(number);
      out_[i] = p.out + p.out_start(number);
      offsets_[i] = p.offsets == nullptr ? nullptr : p.offsets + p.offsets_start(number);
    }
  }

  void run_tile(const Part& d, const Part& h, const Part& w) {
    const bool gradient = p.pass == Pass::kGradient;
    if (gradient && d.axis.positions * h.axis.positions * w.axis.positions == 0) return;
    Plan q = p;
    q.outer[0] = q.outer[1] = Outer{};
    q.inner = (planes_ + kLeast - 1) / kLeast * kLeast;
    q.inner_in_step = q.inner_out_step = kSize;
    const std::int64_t step = q.inner * kSize;
    q.d = d.axis;
    q.h = h.axis;
    q.w = w.axis;
    const std::int64_t windows = q.d.windows * q.h.windows * q.w.windows;
    const std::int64_t positions = q.d.positions * q.h.positions * q.w.positions;
    const auto counts = [&](const Axis& axis) { return gradient ? axis.windows : axis.positions; };
    const auto counts_out = [&](const Axis& axis) { return gradient ? axis.positions : axis.windows; };
    q.w.in_step = step;
    q.h.in_step = step * counts(q.w);
    q.d.in_step = q.h.in_step * counts(q.h);
    q.w.out_step = step;
    q.h.out_step = step * counts_out(q.w);
    q.d.out_step = q.h.out_step * counts_out(q.h);
    q.w.offset_step = q.inner;
    q.h.offset_step = q.inner * q.w.windows;
    q.d.offset_step = q.h.offset_step * q.h.windows;
    char* const in = room_;
    char* const out = in + (gradient ? windows : positions) * step;
    char* const offsets = out + (gradient ? positions : windows) * step;
    q.in = in;
    q.out = out;
    q.offsets = p.offsets == nullptr ? nullptr : offsets;

    const auto starts = [&](const Part& part) { return gradient ? part.window : part.position; };
    const auto starts_out = [&](const Part& part) { return gradient ? part.position : part.window; };
    const std::int64_t in_start = starts(d) * p.d.in_step + starts(h) * p.h.in_step + starts(w) * p.w.in_step;
    const std::int64_t out_start =
        starts_out(d) * p.d.out_step + starts_out(h) * p.h.out_step + starts_out(w) * p.w.out_step;
    const std::int64_t offset_start = d.window * p.d.offset_step + h.window * p.h.offset_step + w.window * p.w.offset_step;

    const Runs in_runs = runs(kSize, counts(q.d), p.d.in_step, counts(q.h), p.h.in_step, counts(q.w));
    const Runs out_runs = runs(kSize, counts_out(q.d), p.d.out_step, counts_out(q.h), p.h.out_step, counts_out(q.w));
    for (std::int64_t lane = 0; lane < q.inner; lane += kSide) {
      visit(in_runs, in_start, [&](std::int64_t place, std::int64_t at, std::int64_t count) {
        if (count > 0) turn_in<static_cast<int>(kSize)>(in_ + lane, at, count, in + place * step + lane * kSize, step);
      });
    }
    Runs offset_runs{};
    if (p.offsets != nullptr) {
      offset_runs = runs(1, q.d.windows, p.d.offset_step, q.h.windows, p.h.offset_step, q.w.windows);
      if (gradient) {
        for (std::int64_t lane = 0; lane < q.inner; lane += kOffsets) {
          visit(offset_runs, offset_start, [&](std::int64_t place, std::int64_t at, std::int64_t count) {
            if (count > 0) turn_in<1>(offsets_ + lane, at, count, offsets + place * q.inner + lane, q.inner);
          });
        }
      }
    }
    Inner::run(q);
    for (std::int64_t lane = 0; lane < planes_; lane += kSide) {
      const int some = static_cast<int>(std::min(planes_ - lane, kSide));
      visit(out_runs, out_start, [&](std::int64_t place, std::int64_t at, std::int64_t count) {
        turn_out<static_cast<int>(kSize)>(out + place * step + lane * kSize, step, count, out_ + lane, at, some);
      });
    }
    if (p.offsets == nullptr || gradient) return;
    for (std::int64_t lane = 0; lane < planes_; lane += kOffsets) {
      const int some = static_cast<int>(std::min(planes_ - lane, kOffsets));
      visit(offset_runs, offset_start, [&](std::int64_t place, std::int64_t at, std::int64_t count) {
        turn_out<1>(offsets + place * q.inner + lane, q.inner, count, offsets_ + lane, at, some);
      });
    }
  }

  const Plan& p;
  const Tiles tiles_;
  const std::int64_t lanes_;
  std::int64_t planes_ = 0;
  const char* in_[kMostPlanes];
  char* out_[kMostPlanes];
  char* offsets_[kMostPlanes];
  alignas(kBytes) char room_[kRoom];
};

POOL_END
