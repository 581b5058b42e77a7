/* Pooling on the CPU for programs without Python: max, average, global and adaptive pooling in one, two and three
 * dimensions, and their gradients. The rules are those that PyTorch documents; docs/strided.md has an example.
 *
 * Link with the shared library libpoolbench.so. Python says where both are: poolbench.strided.get_include() and
 * get_library().
 *
 * All memory is the caller's. No function keeps a pointer after it has returned, needs Python, or lets a C++ exception
 * through. All may be called from any thread. Each returns POOLBENCH_OK or the code of what was wrong, with a sentence in
 * `error` where that is not NULL; nothing has been written to the arrays then.
 */
#ifndef POOLBENCH_POOLING_H
#define POOLBENCH_POOLING_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. A library of version N keeps all that headers of version N ever had: structs that end
 * in more fields than a caller knows of are told by their `size`. */
#define POOLBENCH_ABI 1

#define POOLBENCH_MOST_AXES 5

/* What functions return. */
enum {
  POOLBENCH_OK = 0,
  POOLBENCH_WRONG_VALUE = 1,   /* a shape, a size or a number does not fit */
  POOLBENCH_WRONG_TYPE = 2,    /* the elements are of a type that this cannot be done with */
  POOLBENCH_NO_MEMORY = 3,
  POOLBENCH_INTERNAL_ERROR = 4 /* a mistake in poolbench */
};

/* Kinds of pooling. */
enum { POOLBENCH_MAX = 1, POOLBENCH_AVERAGE = 2 };

/* Types of elements. Maxima are taken of all, averages and gradients of the four floats. */
enum {
  POOLBENCH_FLOAT64 = 1,
  POOLBENCH_FLOAT32 = 2,
  POOLBENCH_FLOAT16 = 3,
  POOLBENCH_BFLOAT16 = 4,
  POOLBENCH_INT8 = 5,
  POOLBENCH_UINT8 = 6,
  POOLBENCH_INT16 = 7,
  POOLBENCH_INT32 = 8,
  POOLBENCH_INT64 = 9
};

typedef struct poolbench_error {
  char message[1024]; /* a sentence in UTF-8, which ends with a zero byte */
} poolbench_error;

/* An array in memory. Its shape is (N, C, *spatial) or (C, *spatial), with channels_last (N, *spatial, C) or
 * (*spatial, C). */
typedef struct poolbench_array {
  void *data;             /* the first element; may be NULL where there are no elements */
  const int64_t *shape;   /* `dims` sizes */
  const int64_t *strides; /* `dims` steps in bytes, of any sign, or NULL for C order */
  int32_t dims;
  int32_t type;
} poolbench_array;

/* What is pooled how; poolbench_pooling_of() makes one. Of each array the first `rank` entries count, outermost axis
 * first. */
typedef struct poolbench_pooling {
  uint32_t size;             /* sizeof(poolbench_pooling) */
  int32_t kind;              /* POOLBENCH_MAX or POOLBENCH_AVERAGE */
  int32_t rank;              /* how many axes are pooled: 1, 2 or 3 */
  int32_t adaptive;          /* 1: output_size says what the windows are, and nothing from ceil_mode to padding_behind */
  int32_t channels_last;     /* 1: the channels are the last axis of the shapes */
  int32_t ceil_mode;         /* 1: a last window may reach beyond the padded input */
  int32_t count_include_pad; /* 1: averages count padding, unless there is a divisor_override */
  int32_t has_pairs;         /* 0: `padding` is on both sides, at most half of what a window spans. 1: `padding` is
                                before the axis and `padding_behind` behind it, as much as leaves each window an element
                                of the input; only averages that count padding may have windows of padding alone */
  int64_t divisor_override;  /* what sums are divided by; 0 for how many elements are counted */
  int64_t kernel_size[3];
  int64_t stride[3];         /* 0 for kernel_size */
  int64_t dilation[3];
  int64_t padding[3];
  int64_t padding_behind[3];
  int64_t output_size[3];    /* for adaptive; 1 is global pooling, POOLBENCH_SAME_SIZE leaves an axis as long as it is */
} poolbench_pooling;

#define POOLBENCH_SAME_SIZE INT64_MIN

/* PyTorch's defaults for a kind and a rank. What is left to be set is kernel_size, or adaptive and output_size. */
static inline poolbench_pooling poolbench_pooling_of(int32_t kind, int32_t rank) {
  poolbench_pooling pooling;
  int i;
  memset(&pooling, 0, sizeof pooling);
  pooling.size = (uint32_t)sizeof pooling;
  pooling.kind = kind;
  pooling.rank = rank;
  pooling.count_include_pad = 1;
  for (i = 0; i < 3; ++i) pooling.dilation[i] = 1;
  return pooling;
}

/* What comes out of a pooling. */
typedef struct poolbench_output {
  int32_t dims;
  int32_t kept_type; /* the type of the array that training keeps for the gradient of a maximum; 0 where nothing is kept:
                        for averages, and for integers, which have no gradients */
  int64_t shape[POOLBENCH_MOST_AXES];
  int64_t strides[POOLBENCH_MOST_AXES]; /* of a fresh output, in bytes: C order, or with the channels innermost where the
                                           input's memory has them innermost although its shape has not */
} poolbench_output;

#if defined(__GNUC__)
#define POOLBENCH_EXPORT __attribute__((visibility("default")))
#else
#define POOLBENCH_EXPORT
#endif

/* The version that the library has: at least POOLBENCH_ABI, or it is older than this header. */
POOLBENCH_EXPORT int32_t poolbench_abi(void);

/* How many processors affinity and CPU quota leave to this process. */
POOLBENCH_EXPORT int32_t poolbench_processors(void);

/* Says what comes out of an input of this shape, type and strides. Reads no elements: its data may be NULL. */
POOLBENCH_EXPORT int32_t poolbench_describe(const poolbench_pooling *pooling, const poolbench_array *input,
                                            poolbench_output *output, poolbench_error *error);

/* Pools. `output` has the shape that poolbench_describe() says, the input's type, and strides by which no two elements
 * overlap. For maxima there may be two more arrays of that shape, otherwise NULL: `indices` of int64 gets the place
 * (d * H + h) * W + w of each in its plane, and `kept` of kept_type what poolbench_gradient() needs. With `indices` and
 * without `kept` the call allocates as much as that would take. At most `threads` threads work, 0 for as many as there are
 * processors; small inputs stay on one.
 *
 * Arrays that are written to share no memory with others. That is checked by where arrays begin and end; of those that lie
 * in the gaps of others the caller knows. */
POOLBENCH_EXPORT int32_t poolbench_pool(const poolbench_pooling *pooling, const poolbench_array *input,
                                        const poolbench_array *output, const poolbench_array *indices,
                                        const poolbench_array *kept, int32_t threads, poolbench_error *error);

/* Writes to `grad_input`, of the input's shape and type, the gradient of the input, given that of the output. `kept` is
 * what poolbench_pool() wrote for the same pooling and the same shape, unchanged, or NULL for averages: other places than
 * those would be written to outside of `grad_input`. */
POOLBENCH_EXPORT int32_t poolbench_gradient(const poolbench_pooling *pooling, const poolbench_array *grad_output,
                                            const poolbench_array *kept, const poolbench_array *grad_input,
                                            int32_t threads, poolbench_error *error);

#ifdef __cplusplus
}
#endif

#endif
