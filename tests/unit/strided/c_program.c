/* Pools what a file says and writes what comes out to another: whole numbers of 64 bits, then the elements.
 *
 * In:  the pooling (kind, rank, adaptive, channels_last, ceil_mode, count_include_pad, has_pairs, divisor_override, and
 *      three each of kernel_size, stride, dilation, padding, padding_behind, output_size), threads, whether indices are
 *      wanted, whether a gradient is; the input's type, dims, shape, strides, bytes in all and where the first element
 *      is; those bytes; for a gradient that of the output, in C order.
 * Out: dims, the output's shape and strides, and how many bytes it has; those; indices in C order; kept_type; the
 *      gradient of the input, in C order. */
#include <poolbench/pooling.h>

#include <stdio.h>
#include <stdlib.h>

static poolbench_error error;

static void check(int32_t code) {
  if (code == POOLBENCH_OK) return;
  fprintf(stderr, "%d: %s\n", (int)code, error.message);
  exit(1);
}

static int64_t number(FILE *file) {
  int64_t value;
  if (fread(&value, sizeof value, 1, file) != 1) exit(2);
  return value;
}

static void numbers(FILE *file, int64_t *values, int count) {
  int i;
  for (i = 0; i < count; ++i) values[i] = number(file);
}

static void *bytes(FILE *file, size_t size) {
  void *data = malloc(size == 0 ? 1 : size);
  if (data == NULL || fread(data, 1, size, file) != size) exit(2);
  return data;
}

static void put(FILE *file, const void *data, size_t size) {
  if (fwrite(data, 1, size, file) != size) exit(2);
}

static int64_t size_of(int32_t type) {
  static const int sizes[] = {0, 8, 4, 2, 2, 1, 1, 2, 4, 8};
  return sizes[type];
}

int main(int count, char **arguments) {
  poolbench_pooling pooling;
  poolbench_output told;
  poolbench_array input, output, indices, kept, grad_output, grad_input;
  int64_t shape[POOLBENCH_MOST_AXES], strides[POOLBENCH_MOST_AXES];
  int64_t elements = 1, input_elements = 1, all, first;
  int32_t kind, threads, with_indices, trains;
  char *memory;
  int i;
  FILE *in = count == 3 ? fopen(arguments[1], "rb") : NULL, *out = count == 3 ? fopen(arguments[2], "wb") : NULL;
  if (in == NULL || out == NULL || poolbench_abi() < POOLBENCH_ABI) return 2;

  kind = (int32_t)number(in);
  pooling = poolbench_pooling_of(kind, (int32_t)number(in));
  pooling.adaptive = (int32_t)number(in);
  pooling.channels_last = (int32_t)number(in);
  pooling.ceil_mode = (int32_t)number(in);
  pooling.count_include_pad = (int32_t)number(in);
  pooling.has_pairs = (int32_t)number(in);
  pooling.divisor_override = number(in);
  numbers(in, pooling.kernel_size, 3);
  numbers(in, pooling.stride, 3);
  numbers(in, pooling.dilation, 3);
  numbers(in, pooling.padding, 3);
  numbers(in, pooling.padding_behind, 3);
  numbers(in, pooling.output_size, 3);
  threads = (int32_t)number(in);
  with_indices = (int32_t)number(in);
  trains = (int32_t)number(in);

  input.type = (int32_t)number(in);
  input.dims = (int32_t)number(in);
  numbers(in, shape, input.dims);
  numbers(in, strides, input.dims);
  input.shape = shape;
  input.strides = strides;
  all = number(in);
  first = number(in);
  memory = bytes(in, (size_t)all);
  input.data = memory + first;

  check(poolbench_describe(&pooling, &input, &told, &error));
  for (i = 0; i < told.dims; ++i) {
    elements *= told.shape[i];
    input_elements *= shape[i];
  }
  output = input;
  output.shape = told.shape;
  output.strides = told.strides;
  output.data = malloc((size_t)(elements * size_of(input.type)) + 1);
  indices = output;
  indices.type = POOLBENCH_INT64;
  indices.strides = NULL;
  indices.data = malloc((size_t)(elements * 8) + 1);
  kept = indices;
  kept.type = told.kept_type;
  kept.data = malloc((size_t)(elements * size_of(told.kept_type)) + 1);
  check(poolbench_pool(&pooling, &input, &output, with_indices ? &indices : NULL,
                       trains && told.kept_type != 0 ? &kept : NULL, threads, &error));

  all = told.dims;
  put(out, &all, sizeof all);
  put(out, told.shape, (size_t)told.dims * 8);
  put(out, told.strides, (size_t)told.dims * 8);
  put(out, output.data, (size_t)(elements * size_of(input.type)));
  if (with_indices) put(out, indices.data, (size_t)(elements * 8));
  if (trains) {
    grad_output = output;
    grad_output.strides = NULL;
    grad_output.data = bytes(in, (size_t)(elements * size_of(input.type)));
    grad_input = input;
    grad_input.strides = NULL;
    grad_input.data = malloc((size_t)(input_elements * size_of(input.type)) + 1);
    check(poolbench_gradient(&pooling, &grad_output, told.kept_type != 0 ? &kept : NULL, &grad_input, threads,
                             &error));
    all = told.kept_type;
    put(out, &all, sizeof all);
    put(out, grad_input.data, (size_t)(input_elements * size_of(input.type)));
    free(grad_output.data);
    free(grad_input.data);
  }
  free(memory);
  free(output.data);
  free(indices.data);
  free(kept.data);
  return fclose(in) != 0 || fclose(out) != 0;
}
