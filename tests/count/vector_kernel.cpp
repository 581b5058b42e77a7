// Maximum pooling with channels last, a vector of eight channels at a time: plain code to plant an instruction in.
#include <immintrin.h>

#ifdef PLANTED
#define MORE(v) __asm__ volatile("vorps %0, %0, %0" : "+x"(v))
#else
#define MORE(v)
#endif

// sizes: input d h w, channels, output d h w, window d h w, stride d h w, padding d h w.
extern "C" __attribute__((target("avx2"))) void pool(const float* x, float* y, const long* s) {
  const long c = s[3];
  for (long od = 0; od < s[4]; ++od)
    for (long oh = 0; oh < s[5]; ++oh)
      for (long ow = 0; ow < s[6]; ++ow)
        for (long lane = 0; lane + 8 <= c; lane += 8) {
          __m256 best = _mm256_set1_ps(-__builtin_inff());
          for (long kd = 0; kd < s[7]; ++kd)
            for (long kh = 0; kh < s[8]; ++kh)
              for (long kw = 0; kw < s[9]; ++kw) {
                const long d = od * s[10] + kd - s[13], h = oh * s[11] + kh - s[14], w = ow * s[12] + kw - s[15];
                if (d < 0 || d >= s[0] || h < 0 || h >= s[1] || w < 0 || w >= s[2]) continue;
                best = _mm256_max_ps(best, _mm256_loadu_ps(x + ((d * s[1] + h) * s[2] + w) * c + lane));
                MORE(best);
              }
          _mm256_storeu_ps(y + ((od * s[5] + oh) * s[6] + ow) * c + lane, best);
        }
}
