// TensorFlow's operators PoolbenchPool, PoolbenchPoolWithIndices and PoolbenchGradient, on tensors in the CPU's memory.
// tf.load_op_library loads them; poolbench/strided/tensorflow.py has their shapes, and which is whose gradient.
#include "frameworks/packed.h"
#include "frameworks/tensorflow_interface.h"

#include <memory>
#include <new>
#include <stdexcept>
#include <utility>

namespace poolbench::tensorflow {
namespace {

Functions tf;  // set once, before there is an operator

constexpr int kTypes[] = {0, 2, 1, 19, 14, 6, 4, 5, 3, 9};  // TensorFlow's numbers of the header's types
constexpr int kInt64 = 9;

std::int32_t type_of(int type) {
  for (std::int32_t i = 1; i < 10; ++i) {
    if (kTypes[i] == type) return i;
  }
  throw std::invalid_argument("input has elements of a type that is not pooled.");
}

class Checked {
 public:
  Checked() : status_(tf.new_status()) {}
  Checked(const Checked&) = delete;
  ~Checked() { tf.delete_status(status_); }
  operator Status*() { return status_; }
  bool ok() const { return tf.get_code(status_) == kOk; }

 private:
  Status* status_;
};

// TensorFlow has said in the status what was wrong.
struct Told {};

class Owned {
 public:
  explicit Owned(Tensor* tensor) : tensor_(tensor) {}
  Owned(Owned&& other) noexcept : tensor_(std::exchange(other.tensor_, nullptr)) {}
  ~Owned() {
    if (tensor_ != nullptr) tf.delete_tensor(tensor_);
  }
  Tensor* get() const { return tensor_; }

 private:
  Tensor* tensor_;
};

struct Sizes {
  static constexpr int kMost = 8;
  std::int64_t sizes[kMost];
  int axes;

  explicit Sizes(const Tensor* tensor) : axes(tf.tensor_axes(tensor)) {
    if (axes > POOLBENCH_MOST_AXES) throw std::invalid_argument("input has more than five axes.");
    for (int i = 0; i < axes; ++i) sizes[i] = tf.tensor_size(tensor, i);
  }
};

struct Array : private Sizes, Dense {
  Array(const poolbench_pooling& pooling, const Tensor* tensor)
      : Sizes(tensor), Dense(pooling, tf.tensor_data(tensor), type_of(tf.tensor_type(tensor)), Sizes::sizes, Sizes::axes) {}
};

Owned input_of(Context* context, int index, Status* status) {
  Tensor* tensor = nullptr;
  tf.get_input(context, index, &tensor, status);
  if (tf.get_code(status) != kOk) throw Told();
  return Owned(tensor);
}

Owned output_of(Context* context, int index, std::int32_t type, const std::int64_t* shape, int axes, Status* status) {
  std::int64_t bytes = size_of(type);
  for (int i = 0; i < axes; ++i) bytes *= shape[i];
  Tensor* tensor = tf.allocate_output(context, index, kTypes[type], shape, axes, bytes, status);
  if (tf.get_code(status) != kOk) throw Told();
  return Owned(tensor);
}

void check(std::int32_t code, const poolbench_error& error) {
  if (code == POOLBENCH_OK) return;
  if (code == POOLBENCH_WRONG_VALUE || code == POOLBENCH_WRONG_TYPE) throw std::invalid_argument(error.message);
  throw std::runtime_error(error.message);
}

struct Operator {
  poolbench_pooling pooling;
  std::int32_t threads;
};

void* create(Construction* construction) {
  Checked status;
  std::int64_t numbers[kNumbers], threads = 0;
  std::int32_t count = 0, total = 0;
  tf.get_size(construction, "pooling", &count, &total, status);
  if (status.ok() && count != kNumbers) {
    tf.set_status(status, kInvalidArgument, "pooling is what poolbench.strided.tensorflow makes it: 26 numbers.");
  }
  if (status.ok()) tf.get_numbers(construction, "pooling", numbers, kNumbers, status);
  if (status.ok()) tf.get_number(construction, "threads", &threads, status);
  if (!status.ok()) {
    tf.fail_construction(construction, status);
    return nullptr;
  }
  return new Operator{unpack(numbers), static_cast<std::int32_t>(threads)};
}

void destroy(void* made) { delete static_cast<Operator*>(made); }

template <class Body>
void guarded(Context* context, Body body) {
  Checked status;
  try {
    body(static_cast<Status*>(status));
    return;
  } catch (const Told&) {
  } catch (const std::invalid_argument& wrong) {
    tf.set_status(status, kInvalidArgument, wrong.what());
  } catch (const std::exception& wrong) {
    tf.set_status(status, kInternal, wrong.what());
  }
  tf.fail(context, status);
}

template <bool kIndices>
void pool(void* made, Context* context) {
  guarded(context, [&](Status* status) {
    const Operator& self = *static_cast<Operator*>(made);
    const Owned given = input_of(context, 0, status);
    const Array input(self.pooling, given.get());
    poolbench_output told;
    poolbench_error error;
    check(poolbench_describe(&self.pooling, &input, &told, &error), error);
    const Owned result = output_of(context, 0, input.type, told.shape, told.dims, status);
    const Array output(self.pooling, result.get());
    if constexpr (kIndices) {
      const Owned second = output_of(context, 1, POOLBENCH_INT64, told.shape, told.dims, status);
      const Array places(self.pooling, second.get());
      check(poolbench_pool(&self.pooling, &input, &output, &places, nullptr, self.threads, &error), error);
    } else {
      check(poolbench_pool(&self.pooling, &input, &output, nullptr, nullptr, self.threads, &error), error);
    }
  });
}

// (grad_output, input): of an average's input the shape is read alone. A maximum is pooled again, as TensorFlow's own
// gradient does it, since nobody can tell an operator in a graph whether there will be a gradient.
void gradient(void* made, Context* context) {
  guarded(context, [&](Status* status) {
    const Operator& self = *static_cast<Operator*>(made);
    const Owned of_output = input_of(context, 0, status), given = input_of(context, 1, status);
    const Array from(self.pooling, of_output.get()), input(self.pooling, given.get());
    const Owned result = output_of(context, 0, input.type, input.shape, input.dims, status);
    const Array to(self.pooling, result.get());
    poolbench_error error;
    if (self.pooling.kind != POOLBENCH_MAX) {
      check(poolbench_gradient(&self.pooling, &from, nullptr, &to, self.threads, &error), error);
      return;
    }
    poolbench_output told;
    check(poolbench_describe(&self.pooling, &input, &told, &error), error);
    if (told.kept_type == 0) throw std::invalid_argument("input has integers, which have no gradients.");
    Dense output(self.pooling, nullptr, input.type, told.shape, told.dims);
    Dense kept(self.pooling, nullptr, told.kept_type, told.shape, told.dims);
    const std::unique_ptr<char[]> scratch(new char[output.count() * size_of(input.type)]);
    const std::unique_ptr<char[]> places(new char[kept.count() * size_of(told.kept_type)]);
    output.data = scratch.get();
    kept.data = places.get();
    check(poolbench_pool(&self.pooling, &input, &output, nullptr, &kept, self.threads, &error), error);
    check(poolbench_gradient(&self.pooling, &from, &kept, &to, self.threads, &error), error);
  });
}

void shape_is_told_in_python(ShapeContext* context, Status* status) { tf.unknown_shape(context, status); }

void add(const char* name, std::initializer_list<const char*> inputs, std::initializer_list<const char*> outputs,
         const char* types, void (*compute)(void*, Context*)) {
  Checked status;
  OperatorBuilder* const builder = tf.new_operator(name);
  for (const char* input : inputs) tf.add_input(builder, input);
  for (const char* output : outputs) tf.add_output(builder, output);
  tf.add_attribute(builder, types);
  tf.add_attribute(builder, "pooling: list(int)");
  tf.add_attribute(builder, "threads: int = 0");
  tf.set_shape_function(builder, shape_is_told_in_python);
  tf.register_operator(builder, status);
  if (!status.ok()) return;
  tf.register_kernel(name, tf.new_kernel(name, "CPU", create, compute, destroy), status);
}

// TensorFlow reads off its registers what loading this has added: so this happens while it is loaded.
__attribute__((constructor)) void register_operators() {
  if (!find_functions(tf)) return;  // Python looks whether the operators are there
  const char* const all = "T: {float, double, half, bfloat16, int8, uint8, int16, int32, int64}";
  add("PoolbenchPool", {"input: T"}, {"output: T"}, all, pool<false>);
  add("PoolbenchPoolWithIndices", {"input: T"}, {"output: T", "indices: int64"}, all, pool<true>);
  add("PoolbenchGradient", {"grad_output: T", "input: T"}, {"grad_input: T"}, "T: {float, double, half, bfloat16}", gradient);
}

}  // namespace
}  // namespace poolbench::tensorflow
