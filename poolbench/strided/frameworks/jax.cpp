// What XLA calls for poolbench.strided.jax: handlers of its foreign function interface, on arrays in the CPU's memory.
// poolbench/strided/jax.py registers them, and works out all shapes and types; here is what is done to memory.
#include "frameworks/packed.h"
#include "frameworks/xla_interface.h"

#include <memory>
#include <new>
#include <stdexcept>

namespace poolbench::xla {
namespace {

std::int32_t type_of(int type) {
  switch (type) {
    case 12: return POOLBENCH_FLOAT64;
    case 11: return POOLBENCH_FLOAT32;
    case 10: return POOLBENCH_FLOAT16;
    case 16: return POOLBENCH_BFLOAT16;
    case 2: return POOLBENCH_INT8;
    case 6: return POOLBENCH_UINT8;
    case 3: return POOLBENCH_INT16;
    case 4: return POOLBENCH_INT32;
    case 5: return POOLBENCH_INT64;
    default: throw std::invalid_argument("An array has elements of a type that poolbench does not pool.");
  }
}

Error* fail(const Api* api, const char* message, int code) {
  ErrorRequest request = {sizeof request, nullptr, message, code};
  return api->create_error(&request);
}

// As many threads as XLA computes on; one where it does not tell, as in jaxlib 0.5.
std::int32_t threads(const Frame& frame) {
  if (frame.api->size < sizeof(Api)) return 1;
  std::int64_t count = 1;
  ThreadsRequest request = {sizeof request, nullptr, frame.context, &count};
  if (Error* error = frame.api->number_of_threads(&request)) {
    ErrorDestruction destruction = {sizeof destruction, nullptr, error};
    frame.api->destroy_error(&destruction);
    return 1;
  }
  return static_cast<std::int32_t>(count < 1 ? 1 : count);
}

struct Array : Dense {
  Array(const poolbench_pooling& pooling, const Buffers& among, std::int64_t index)
      : Dense(pooling, among.buffers[index]->data, type_of(among.buffers[index]->type), among.buffers[index]->sizes,
              among.buffers[index]->axes) {}
};

void check(std::int32_t code, const poolbench_error& error) {
  if (code == POOLBENCH_OK) return;
  if (code == POOLBENCH_WRONG_VALUE || code == POOLBENCH_WRONG_TYPE) throw std::invalid_argument(error.message);
  throw std::runtime_error(error.message);
}

// Results: the output, then indices, then what the gradient needs.
template <bool kIndices, bool kKept>
void pool(const Frame& frame, const poolbench_pooling& pooling) {
  const Array input(pooling, frame.inputs, 0), output(pooling, frame.results, 0);
  const Array indices(pooling, frame.results, kIndices ? 1 : 0), kept(pooling, frame.results, kIndices + kKept);
  // Without JAX's 64-bit types indices are int32.
  const bool narrow = kIndices && indices.type == POOLBENCH_INT32;
  const std::int64_t count = indices.count();
  std::unique_ptr<std::int64_t[]> wide(narrow ? new std::int64_t[count] : nullptr);
  poolbench_array places = indices;
  if (narrow) places.data = wide.get(), places.type = POOLBENCH_INT64;
  poolbench_error error;
  check(poolbench_pool(&pooling, &input, &output, kIndices ? &places : nullptr, kKept ? &kept : nullptr, threads(frame), &error),
        error);
  if (narrow) {
    std::int32_t* const to = static_cast<std::int32_t*>(indices.data);
    for (std::int64_t i = 0; i < count; ++i) to[i] = static_cast<std::int32_t>(wide[i]);
  }
}

// Inputs: the output's gradient and, for maxima, what was kept.
void gradient(const Frame& frame, const poolbench_pooling& pooling) {
  const bool is_max = pooling.kind == POOLBENCH_MAX;
  const Array of_output(pooling, frame.inputs, 0), kept(pooling, frame.inputs, is_max ? 1 : 0);
  const Array of_input(pooling, frame.results, 0);
  poolbench_error error;
  check(poolbench_gradient(&pooling, &of_output, is_max ? &kept : nullptr, &of_input, threads(frame), &error), error);
}

Error* handle(Frame* frame, void (*compute)(const Frame&, const poolbench_pooling&), std::int64_t inputs, std::int64_t results) {
  const Api* const api = frame->api;
  if (frame->extensions != nullptr && frame->extensions->type == kMetadata) {
    // Any version will do in which the structs are these, which is looked at below.
    Metadata& metadata = *reinterpret_cast<MetadataExtension*>(frame->extensions)->metadata;
    metadata.version.major = api != nullptr ? api->version.major : 0;  // 0.1 asks without saying what it is
    metadata.version.minor = api != nullptr ? api->version.minor : 1;
    metadata.traits = 0;
    return nullptr;
  }
  if (api->version.major != 0 || frame->inputs.size != sizeof(Buffers) ||
      frame->results.size != sizeof(Buffers) || frame->attributes.size != sizeof(Attributes)) {
    return fail(api, "This release of poolbench was not written for the foreign functions of this release of jaxlib.", kInternal);
  }
  const Attributes& given = frame->attributes;
  if (frame->stage != kExecute || given.count != 1 || given.kinds[0] != kArray || given.values[0]->type != kS64 ||
      given.values[0]->count != kNumbers || frame->results.count != results) {
    return fail(api, "poolbench was called otherwise than poolbench.strided.jax calls it.", kInvalidArgument);
  }
  const poolbench_pooling pooling = unpack(given.values[0]->numbers);
  if (frame->inputs.count != (inputs == 2 && pooling.kind != POOLBENCH_MAX ? 1 : inputs)) {
    return fail(api, "poolbench was called otherwise than poolbench.strided.jax calls it.", kInvalidArgument);
  }
  try {
    compute(*frame, pooling);
    return nullptr;
  } catch (const std::invalid_argument& wrong) {
    return fail(api, wrong.what(), kInvalidArgument);
  } catch (const std::exception& wrong) {
    return fail(api, wrong.what(), kInternal);
  }
}

}  // namespace
}  // namespace poolbench::xla

#define POOLBENCH_XLA_HANDLER(name, compute, inputs, results)                                                   \
  extern "C" __attribute__((visibility("default"))) void* name(void* frame) {                                   \
    return poolbench::xla::handle(static_cast<poolbench::xla::Frame*>(frame), compute, inputs, results);        \
  }

POOLBENCH_XLA_HANDLER(poolbench_jax_pool, (poolbench::xla::pool<false, false>), 1, 1)
POOLBENCH_XLA_HANDLER(poolbench_jax_pool_with_indices, (poolbench::xla::pool<true, false>), 1, 2)
POOLBENCH_XLA_HANDLER(poolbench_jax_pool_kept, (poolbench::xla::pool<false, true>), 1, 2)
POOLBENCH_XLA_HANDLER(poolbench_jax_pool_with_indices_kept, (poolbench::xla::pool<true, true>), 1, 3)
POOLBENCH_XLA_HANDLER(poolbench_jax_gradient, poolbench::xla::gradient, 2, 1)
