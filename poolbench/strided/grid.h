// Combining what lies at equal distances behind several places. Included once per instruction set.

template <class O, int kTaps>
POOL_INLINE VecFor<O> grid_row(const char* at, std::int64_t step, std::int64_t taps) {
  if (kTaps > 0) taps = kTaps;
  VecFor<O> acc = O::load(at);
#pragma GCC unroll 4
  for (std::int64_t k = 1; k < taps; ++k) acc = O::combine(acc, O::load(at + k * step));
  return acc;
}

// Combines the rows bases[i] + offset + k * step, for k < taps (kTaps, if that is not 0).
template <class O, int kTaps, class Sink>
POOL_INLINE void combine_grid(const char* const* bases, std::int64_t count, std::int64_t offset, std::int64_t step,
                              std::int64_t taps, std::int64_t n, Sink& sink) {
  constexpr std::int64_t kSize = sizeof(typename O::Stored);
  if (kTaps > 0) taps = kTaps;
  std::int64_t x = 0;
  for (; x + O::kCount <= n; x += O::kCount) {
    // Row by row and then the rows, so that chains of additions stay short.
    VecFor<O> acc = grid_row<O, kTaps>(bases[0] + offset + x * kSize, step, taps);
    for (std::int64_t i = 1; i < count; ++i) {
      acc = O::combine(acc, grid_row<O, kTaps>(bases[i] + offset + x * kSize, step, taps));
    }
    sink.whole(x, acc);
  }
  if (x < n) {
    const int rest = static_cast<int>(n - x);
    VecFor<O> acc = O::neutral();
    for (std::int64_t i = 0; i < count; ++i) {
      const char* at = bases[i] + offset + x * kSize;
      for (std::int64_t k = 0; k < taps; ++k) acc = O::combine(acc, O::load_part(at + k * step, rest));
    }
    sink.part(x, acc, rest);
  }
}
