// How rows of outputs of a small plane lie side by side in one vector. Such rows leave most lanes of a vector idle; so
// some of them, or those of some planes, are one patch. What a patch reads are up to four vectors of the input, its
// sources, for each row of its windows; and each element along w is brought to its lane from them by permuting. Where that
// is, is worked out once for a call. For AVX-512 alone.
#pragma once

#include "simd/lanes.h"
#include "simd/permuted.h"
#include "simd/tiles.h"

POOL_BEGIN

constexpr int kMostSources = 4;

// One vector from several, by indices that count through all of them. `high` are the lanes whose index is in the last two.
template <class V, int kSources>
POOL_INLINE Vec<V> pick(__m512i index, typename Permuted<sizeof(V)>::Mask high, const Vec<V> (&from)[kSources]) {
  using Lanes = Permuted<sizeof(V)>;
  if constexpr (kSources == 1) {
    return (Vec<V>)Lanes::permute(index, (__m512i)from[0]);
  } else {
    const __m512i low = Lanes::permute(index, (__m512i)from[0], (__m512i)from[1]);
    if constexpr (kSources == 2) return (Vec<V>)low;
    if constexpr (kSources == 3) return (Vec<V>)Lanes::permute_some(low, high, index, (__m512i)from[2]);
    if constexpr (kSources == 4) {
      return (Vec<V>)Masked<sizeof(V)>::blend(high, low, Lanes::permute(index, (__m512i)from[2], (__m512i)from[3]));
    }
  }
}

// The patches of planes: of each as many as its rows take, or one for several planes.
template <class S>
struct Patches {
  using L = MaskedLanes<S>;
  using V = typename L::V;
  using P = typename L::P;
  using Mask = typename L::Mask;
  static constexpr std::int64_t kN = L::kN, kSize = L::E::kSize;
  static constexpr std::int64_t kMostDown = 3, kMostAcross = 3;  // elements of a window along h and w
  static constexpr std::int64_t kMostDeep = 3;
  static constexpr int kMostEdges = 4;

  // The lanes of a patch, where they come from and go to.
  struct Shape {
    std::int64_t in[kMostSources];            // where the sources begin, from where the patch does, in bytes
    std::int64_t plane[kMostSources];         // of those that lie in one patch
    Mask loads[kMostDown][kMostSources];      // for each element along h, what lies in the plane
    Mask stores;
    Mask high[kMostAcross];
    alignas(kBytes) std::uint16_t indices[kMostAcross][kN];
    alignas(kBytes) P numbers[kMostAcross][kN];  // of the elements along w: where one lies outside, that of another
    alignas(kBytes) P firsts[kN];                // of the first element of each window
    alignas(kBytes) V factors[kN];               // of averages
  };

  std::int64_t rows = 0;     // of outputs in a patch
  std::int64_t planes = 0;   // in a patch
  std::int64_t count = 0;    // patches of a plane
  int sources = 0;
  bool inside = false;       // whether all windows lie in the plane

  // Whether there is such a layout; the shapes are not worked out yet.
  bool choose(const Plan& p) {
    const Axis &d = p.d, &h = p.h, &w = p.w;
    if (p.inner != 1 || d.adaptive() || h.adaptive() || w.adaptive()) return false;
    if (d.dilation != 1 || h.dilation != 1 || w.dilation != 1) return false;
    if (w.windows < 2 || w.windows > (w.window > w.stride ? kN / 2 : kN * 3 / 4)) return false;
    if (w.window > kMostAcross || h.window > kMostDown || d.window > kMostDeep) return false;
    if (w.in_step != kSize || w.out_step != kSize || !touch(h, w.windows)) return false;
    if (p.offsets != nullptr && (p.offset_size != 1 || w.offset_step != 1)) return false;
    if (!Cut::reads_inside(h) || !Cut::reads_inside(w)) return false;
    if (d.lo > 0 || (d.windows - 1) * d.stride + d.window > d.positions) return false;
    const std::int64_t reach = reach_of(w);
    if (reach > 2 * kN) return false;
    per_row_ = reach > kN ? 2 : 1;
    together_ = rows_together(p);
    rows = std::min(most_rows(p), h.windows);
    sources_of_plane_ = (rows + together_ - 1) / together_ * per_row_;
    planes = 1;
    if (rows == h.windows && d.windows == 1 && p.outer[0].count == 1 && touch(p.outer[1], h.windows * w.windows)) {
      planes = std::min(kMostSources / sources_of_plane_, kN / (h.windows * w.windows));
      planes = std::clamp<std::int64_t>(planes, 1, p.outer[1].count);
    }
    sources = static_cast<int>(planes * sources_of_plane_);
    count = (h.windows + rows - 1) / rows;
    find_inside(h);
    inside = h.lo == 0 && (h.windows - 1) * h.stride + h.window <= h.positions && w.lo == 0 &&
             reach <= w.positions && d.positions * h.positions * w.positions >= per_row_ * kN;
    return begin_ + count - end_ <= kMostEdges;
  }
  std::int64_t vectors_of_row() const { return per_row_; }
  // Rows that one patch could hold.
  static std::int64_t most_rows(const Plan& p) {
    const std::int64_t sources = reach_of(p.w) > kN ? kMostSources / 2 : kMostSources;
    return std::max<std::int64_t>(std::min(kN / p.w.windows, sources * rows_together(p)), 1);
  }
  // Of the lanes of all patches of a plane.
  double lanes_used(const Plan& p) const {
    return static_cast<double>(planes * p.h.windows * p.w.windows) / static_cast<double>(count * kN);
  }

  void find_shapes(const Plan& p) {
    plane_step_ = p.outer[1].in_step;
    if (begin_ < end_) find(p, begin_ * rows, shapes_[kMostEdges]);
    for (std::int64_t i = 0; i < count; ++i) {
      if (i < begin_ || i >= end_) find(p, i * rows, shapes_[edge(i)]);
    }
  }
  POOL_INLINE const Shape& shape(std::int64_t number) const {
    return shapes_[number >= begin_ && number < end_ ? kMostEdges : edge(number)];
  }
  // The shape of the last patch where planes are missing: what belongs to them does the last plane's work again.
  Shape cut(const Plan& p, std::int64_t some) const {
    Shape shape = this->shape(0);
    for (int k = 0; k < sources; ++k) {
      shape.in[k] -= std::max<std::int64_t>(shape.plane[k] - (some - 1), 0) * plane_step_;
    }
    shape.stores = L::within(0, some * p.h.windows * p.w.windows);
    return shape;
  }

 private:
  template <class Steps>
  static bool touch(const Steps& steps, std::int64_t outputs) {
    return count_of(steps) == 1 ||
           (steps.out_step == outputs * kSize && (steps.offset_step == 0 || steps.offset_step == outputs));
  }
  static std::int64_t reach_of(const Axis& w) { return (w.windows - 1) * w.stride + w.window; }
  // Rows that one source holds.
  static std::int64_t rows_together(const Plan& p) {
    const std::int64_t reach = reach_of(p.w), step = p.h.stride * p.h.in_step;
    // Of averages each element beside a row is a zero, so none of them may be a lane of the next row.
    const std::int64_t apart = std::max(reach, p.w.positions + (p.op == Op::kAvg ? p.w.lo : 0));
    if (reach > kN || p.h.windows == 1 || step % kSize != 0 || step < apart * kSize) return 1;
    return 1 + (kN - reach) / (step / kSize);
  }
  static std::int64_t count_of(const Axis& axis) { return axis.windows; }
  static std::int64_t count_of(const Outer& outer) { return outer.count; }

  // The patches [begin_, end_) that are full and whose windows lie in the plane.
  void find_inside(const Axis& h) {
    std::int64_t first, last;
    h.inside(first, last);
    begin_ = (first + rows - 1) / rows;
    end_ = std::max(last / rows, begin_);
    if (end_ == begin_) begin_ = end_ = 0;
  }
  static double factor_along(const Plan& p, std::int64_t o) { return p.counts_w ? p.factor(p.w, o) : 1.0; }
  std::int64_t edge(std::int64_t number) const { return number < begin_ ? number : begin_ + number - end_; }

  // The shape of the patch from row `first` of outputs on.
  void find(const Plan& p, std::int64_t first, Shape& to) const {
    const Axis &h = p.h, &w = p.w;
    std::memset(&to, 0, sizeof to);
    const std::int64_t here = std::min(rows, h.windows - first), step = h.stride * h.in_step / kSize;
    for (std::int64_t plane = 0; plane < planes; ++plane) {
      for (std::int64_t r = 0; r < here; ++r) {
        const std::int64_t source = plane * sources_of_plane_ + r / together_ * per_row_, behind = r % together_ * step;
        const std::int64_t start = (first + r) * h.stride - h.lo, lane = (plane * here + r) * w.windows;
        for (std::int64_t k = 0; k < per_row_ && behind == 0; ++k) {
          to.in[source + k] = plane * plane_step_ + (r * h.stride - h.lo) * h.in_step + (k * kN - w.lo) * kSize;
          to.plane[source + k] = plane;
        }
        for (std::int64_t y = 0; y < h.window; ++y) {
          if (start + y < 0 || start + y >= h.positions) continue;
          for (std::int64_t k = 0; k < per_row_; ++k) {
            const Mask inside = L::within(k * kN - w.lo - behind, w.positions);
            to.loads[y][source + k] = static_cast<Mask>(to.loads[y][source + k] | inside);
          }
        }
        for (std::int64_t o = 0; o < w.windows; ++o) {
          const std::int64_t at = o * w.stride - w.lo;
          const std::int64_t least = std::max<std::int64_t>(-at, 0), most = std::min(w.positions - at, w.window) - 1;
          if (p.op == Op::kAvg) to.factors[lane + o] = static_cast<V>(p.row_factor(0, first + r) * factor_along(p, o));
          to.firsts[lane + o] = static_cast<P>(std::max<std::int64_t>(-start, 0) * p.window_w + least);
          for (std::int64_t t = 0; t < w.window; ++t) {
            // A maximum takes an element again in the place of one that lies beside the row, an average the zero there.
            const std::int64_t tap = p.op == Op::kAvg ? t : std::clamp(t, least, most);
            const std::int64_t index = source * kN + behind + o * w.stride + tap;
            to.indices[t][lane + o] = static_cast<std::uint16_t>(index);
            to.numbers[t][lane + o] = static_cast<P>(tap);
            if (index >= 2 * kN) to.high[t] = static_cast<Mask>(to.high[t] | Mask{1} << (lane + o));
          }
        }
      }
    }
    to.stores = L::within(0, planes * here * w.windows);
  }

  std::int64_t per_row_ = 1;    // sources that hold one row
  std::int64_t together_ = 1;   // rows that one source holds
  std::int64_t sources_of_plane_ = 1;
  std::int64_t begin_ = 0, end_ = 0;
  std::int64_t plane_step_ = 0;
  Shape shapes_[kMostEdges + 1];  // of patches at the edges, and of all others
};

// Patches alike: those with the same number in planes behind each other.
struct PatchRun {
  const char* in;
  char* out;
  char* offsets;
  std::int64_t count, in_step, out_step, offset_step;
  bool whole;  // whether sources may be read as a whole: what lies beside a row is there, and is in no lane that counts
};

// The patches of units [first, last), each of which is as many planes as a patch holds. Some planes that stay in the nearest
// cache are done by turns, so that there are many patches alike behind each other.
template <class S, class Visit>
void visit_patches(const Plan& p, const Patches<S>& all, std::int64_t first, std::int64_t last, Visit visit) {
  const Outer& c = p.outer[1];
  const std::int64_t bytes = p.d.positions * p.h.positions * p.w.positions * Patches<S>::kSize;
  const std::int64_t block = std::max<std::int64_t>((16 << 10) / (bytes * all.planes), 4);
  const std::int64_t in_step = all.rows * p.h.stride * p.h.in_step, outputs = all.rows * p.w.windows;
  const bool apart = c.in_step >= bytes && p.d.in_step >= 0 && p.h.in_step >= 0 && all.inside;
  while (first < last) {
    const std::int64_t plane = first * all.planes, behind = p.planes() - plane;
    const std::int64_t left = std::min((c.count - plane % c.count) / all.planes, last - first);
    const char* const in = p.in + p.in_start(plane);
    char* const out = p.out + p.out_start(plane);
    char* const offsets = p.offsets == nullptr ? nullptr : p.offsets + p.offsets_start(plane);
    if (left == 0) {
      visit(all.cut(p, behind), PatchRun{in, out, offsets, 1, 0, 0, 0, false});
      return;
    }
    // The last planes have nothing behind them.
    const bool ends = left * all.planes + plane % c.count == c.count;
    const bool whole = apart && !(ends && left == 1);
    const std::int64_t now = std::min(whole && ends ? left - 1 : left, block);
    for (std::int64_t od = 0; od < p.d.windows; ++od) {
      for (std::int64_t i = 0; i < all.count; ++i) {
        visit(all.shape(i), PatchRun{in + od * p.d.stride * p.d.in_step + i * in_step,
                                     out + od * p.d.out_step + i * outputs * Patches<S>::kSize,
                                     offsets + od * p.d.offset_step + i * outputs, now, all.planes * c.in_step,
                                     all.planes * c.out_step, all.planes * c.offset_step, whole});
      }
    }
    first += now;
  }
}

// A kernel that goes patch by patch: `K::run_alike` does a run of them, and is compiled for each number of sources, of
// elements along w, and along h where they are as many.
template <class S, class K>
struct PatchKernel {
  using All = Patches<S>;
  using Shape = typename All::Shape;
  static constexpr const char* kName = "patches";
  static constexpr const char* kTakes =
      "contiguous rows of few outputs, some of which lie side by side in one vector: windows of up to 3 along each axis";
  static constexpr double kLeastUsed = 0.4;  // of the lanes of a vector
  static constexpr std::int64_t kLeastAlike = 8;  // planes, or groups of them: patches behind each other

  static bool fits(const Plan& plan) {
    return plan.w.stride >= 2 && on_planes(plan, [](const Plan& p) {
             All all;
             if (!all.choose(p) || all.lanes_used(p) <= kLeastUsed) return false;
             const std::int64_t alike = p.planes() / all.planes;
             if (alike < kLeastAlike || alike * p.d.windows * all.count < K::kLeastPatches) return false;
             return K::kOverlapsInLongRows || all.vectors_of_row() == 1 || p.w.window <= p.w.stride;
           });
  }
  static std::int64_t units(const Plan& plan) {
    return on_planes(plan, [](const Plan& p) {
      All all;
      all.choose(p);
      return (p.planes() + all.planes - 1) / all.planes;
    });
  }
  static void run(const Plan& plan, std::int64_t first, std::int64_t last) {
    on_planes(plan, [&](const Plan& p) {
      All all;
      all.choose(p);
      all.find_shapes(p);
      switch (all.sources) {
        case 1: return with_sources<1>(p, all, first, last);
        case 2: return with_sources<2>(p, all, first, last);
        case 3: return with_sources<3>(p, all, first, last);
        default: return with_sources<4>(p, all, first, last);
      }
    });
  }

 private:
  // Rows that are pooled by themselves are one plane's for all other kernels, and planes that windows cover without a rest
  // are many. Here as many rows as a patch holds are a plane, so that there are patches alike behind each other.
  template <class Do>
  static auto on_planes(const Plan& plan, Do work) {
    if (!is_single(plan.d)) return work(plan);
    const bool are_rows = is_identity(plan.h) && plan.outer[1].count == 1;
    if (!are_rows && !are_tiled(plan)) return work(plan);
    Plan p = plan;
    Axis& h = p.h;
    const std::int64_t all = p.outer[1].count * h.windows;
    std::int64_t rows = are_rows ? std::max<std::int64_t>(All::kN / p.w.windows, 1) : All::most_rows(p);
    while (are_rows && all % rows != 0) --rows;
    if (all % rows != 0) return work(plan);
    h.windows = rows;
    h.positions = rows * h.stride;
    const bool is_gradient = p.pass == Pass::kGradient;
    p.outer[1] = {all / rows, (is_gradient ? h.windows : h.positions) * h.in_step,
                  (is_gradient ? h.positions : h.windows) * h.out_step, rows * h.offset_step};
    return work(p);
  }
  // Whether the rows of all planes are pooled as those of one would be.
  static bool are_tiled(const Plan& p) {
    const Axis& h = p.h;
    const Outer& planes = p.outer[1];
    const bool is_gradient = p.pass == Pass::kGradient;
    return planes.count > 1 && !h.adaptive() && !p.w.adaptive() && h.lo == 0 && h.dilation == 1 && h.window <= h.stride &&
           h.windows * h.stride == h.positions && !p.counts_h && p.w.windows <= All::kN &&
           planes.in_step == (is_gradient ? h.windows : h.positions) * h.in_step &&
           planes.out_step == (is_gradient ? h.positions : h.windows) * h.out_step &&
           planes.offset_step == h.windows * h.offset_step;
  }

  template <int kSources>
  static void with_sources(const Plan& p, const All& all, std::int64_t first, std::int64_t last) {
    switch (p.w.window) {
      case 1: return with_window<kSources, 1>(p, all, first, last);
      case 2: return with_window<kSources, 2>(p, all, first, last);
      default: return with_window<kSources, 3>(p, all, first, last);
    }
  }
  template <int kSources, int kWindow>
  static void with_window(const Plan& p, const All& all, std::int64_t first, std::int64_t last) {
    if (p.h.window == kWindow) return patches<kSources, kWindow, kWindow>(p, all, first, last);
    patches<kSources, kWindow, 0>(p, all, first, last);
  }
  template <int kSources, int kWindow, int kDown>
  static void patches(const Plan& p, const All& all, std::int64_t first, std::int64_t last) {
    visit_patches(p, all, first, last, [&](const Shape& shape, const PatchRun& alike) {
      alike.whole ? K::template run_alike<kSources, kWindow, kDown, true>(p, shape, alike)
                  : K::template run_alike<kSources, kWindow, kDown, false>(p, shape, alike);
    });
  }
};

POOL_END
