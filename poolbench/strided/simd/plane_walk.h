// Rows of outputs one after the other, without dividing for each: rows are often short.
#pragma once

#include "simd/large.h"

POOL_BEGIN

// A row of a plane: which one along the outer axes, d and h, and where the plane begins in each array. Rows are counted
// along h, then d, then the outer axes.
struct PlaneRow {
  std::int64_t h, d, c, n;
  const char* in;
  char* out;
  char* offsets;

  PlaneRow(const Plan& p, std::int64_t number, std::int64_t rows_d, std::int64_t rows_h) {
    h = number % rows_h;
    number /= rows_h;
    d = number % rows_d;
    number /= rows_d;
    c = number % p.outer[1].count;
    n = number / p.outer[1].count;
    find(p);
  }
  POOL_INLINE void next(const Plan& p, std::int64_t rows_d, std::int64_t rows_h) {
    if (++h < rows_h) return;
    h = 0;
    if (++d < rows_d) return;
    d = 0;
    if (++c == p.outer[1].count) c = 0, ++n;
    find(p);
  }

 private:
  POOL_INLINE void find(const Plan& p) {
    in = p.in + n * p.outer[0].in_step + c * p.outer[1].in_step;
    out = p.out + n * p.outer[0].out_step + c * p.outer[1].out_step;
    offsets = p.offsets == nullptr ? nullptr : p.offsets + n * p.outer[0].offset_step + c * p.outer[1].offset_step;
  }
};

POOL_END
