// The kernels of PyTorch's operators poolbench::…, on tensors in the CPU's memory. poolbench/strided/torch_operators.py
// declares the operators, and all that is not done to memory: shapes for tracing, autograd, vmap.
#include "frameworks/parameters.h"
#include "frameworks/torch_interface.h"

#include <poolbench/pooling.h>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace poolbench::torch {
namespace {

const Functions* torch = nullptr;  // set once, before there is an operator that could need it

// A tensor that is let go at the end, unless a caller is handed it.
class Owned {
 public:
  explicit Owned(Tensor tensor) : tensor_(tensor) {}
  Owned(Owned&& other) noexcept : tensor_(std::exchange(other.tensor_, nullptr)) {}
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() {
    if (tensor_ != nullptr) torch->delete_tensor(tensor_);
  }
  Tensor get() const { return tensor_; }
  Value release() { return reinterpret_cast<Value>(std::exchange(tensor_, nullptr)); }

 private:
  Tensor tensor_;
};

// The arguments of a call, in order. All are to be read, whatever is wrong with them: a list is let go when it is.
class Arguments {
 public:
  explicit Arguments(Value* stack) : at_(stack) {}

  Owned tensor() { return Owned(reinterpret_cast<Tensor>(*at_++)); }
  std::int64_t integer() { return value_of<std::int64_t>(*at_++); }
  bool boolean() { return value_of<bool>(*at_++); }

  // Reads at most `most` numbers of a list, and returns how many the list has.
  int list(std::int64_t* numbers, int most) {
    const List list = reinterpret_cast<List>(*at_++);
    std::size_t size = 0;
    Status status = torch->list_size(list, &size);
    for (std::size_t i = 0; i < std::min<std::size_t>(size, most) && status == 0; ++i) {
      Value item;
      status = torch->list_item(list, i, &item);
      numbers[i] = value_of<std::int64_t>(item);
    }
    torch->delete_list(list);
    check(status, "read a list of numbers");
    return static_cast<int>(std::min<std::size_t>(size, 1 + most));
  }

 private:
  Value* at_;
};

// A tensor as the kernel reads it.
struct Array {
  poolbench_array array;
  std::int64_t strides[POOLBENCH_MOST_AXES];

  enum class Access { kRead, kWrite };

  Array(Tensor tensor, Access access) {
    std::int64_t dims, *sizes, *steps;
    std::int32_t type;
    check(torch->get_dim(tensor, &dims), "tell how many axes a tensor has");
    check(torch->get_sizes(tensor, &sizes), "tell the shape of a tensor");
    check(torch->get_strides(tensor, &steps), "tell the strides of a tensor");
    check(torch->get_dtype(tensor, &type), "tell the type of a tensor");
    if (dims > POOLBENCH_MOST_AXES) throw std::invalid_argument("input has " + std::to_string(dims) + " axes, more than five.");
    const std::int32_t* const found = std::find(torch->types + 1, torch->types + 10, type);
    if (found == torch->types + 10) {
      throw std::invalid_argument(
          "input has elements of a type that is not pooled: maxima are taken of float64, float32, float16, bfloat16, int8, "
          "uint8, int16, int32 and int64, averages of the four floats. Convert it first, such as by input.float().");
    }
    static const int kSizes[] = {0, 8, 4, 2, 2, 1, 1, 2, 4, 8};
    array.type = static_cast<std::int32_t>(found - torch->types);
    array.dims = static_cast<std::int32_t>(dims);
    array.shape = sizes;
    for (int i = 0; i < array.dims; ++i) strides[i] = steps[i] * kSizes[array.type];
    array.strides = strides;
    if (access == Access::kRead) {
      const void* data;
      check(torch->get_const_data(tensor, &data), "tell where a tensor lies");
      array.data = const_cast<void*>(data);
    } else {
      check(torch->get_data(tensor, &array.data), "tell where a tensor lies");
    }
  }
  Array(const Array&) = delete;
};

[[noreturn]] void refuse(std::int32_t code, const poolbench_error& error) {
  if (code == POOLBENCH_WRONG_VALUE || code == POOLBENCH_WRONG_TYPE) throw std::invalid_argument(error.message);
  if (code == POOLBENCH_NO_MEMORY) throw std::bad_alloc();
  throw std::runtime_error(error.message);
}

std::int32_t threads() {
  std::uint32_t count;
  check(torch->num_threads(&count), "tell its number of threads");
  return static_cast<std::int32_t>(count);
}

// The parameters of an operator, lists of numbers first: what is wrong with those is said once all have been read.
class Parameters {
 public:
  explicit Parameters(Arguments& given) : given_(given) {}

  void sizes(const char* name, std::int64_t, std::int64_t* numbers) { lists_[count_++] = {name, given_.list(numbers, 3)}; }
  bool flag() { return given_.boolean(); }
  std::int64_t divisor() { return given_.integer(); }

  // The rank of a pooling is that of its first list.
  int rank() const {
    const int rank = lists_[0].length;
    if (rank < 1 || rank > 3) {
      throw std::invalid_argument(std::string(lists_[0].name) +
                                  " has one number for each pooled axis: one, two or three.");
    }
    for (int i = 1; i < count_; ++i) {
      if (lists_[i].length == rank) continue;
      throw std::invalid_argument(std::string(lists_[i].name) + " needs as many numbers as " + lists_[0].name +
                                  ", which are " + std::to_string(rank) + ": one for each pooled axis.");
    }
    return rank;
  }

 private:
  struct Named {
    const char* name;
    int length;
  };

  Arguments& given_;
  Named lists_[4];
  int count_ = 0;
};

// What the operators of a family have as parameters, in the order of their schemas.
struct MaxPool {
  static poolbench_pooling read(Arguments& given) {
    Parameters parameters(given);
    return read_max_pool(parameters);
  }
};

struct AvgPool {
  static poolbench_pooling read(Arguments& given) {
    Parameters parameters(given);
    return read_avg_pool(parameters);
  }
};

template <int kKind>
struct Adaptive {
  static poolbench_pooling read(Arguments& given) {
    Parameters parameters(given);
    poolbench_pooling pooling = read_adaptive_pool(kKind, parameters);
    for (std::int64_t& size : pooling.output_size) size = size == -1 ? POOLBENCH_SAME_SIZE : size;
    return pooling;
  }
};

// PyTorch's rule for the memory format that operators keep (c10::is_channels_last_strides_2d), on (N, C, *spatial).
bool is_channels_last(const std::int64_t* sizes, const std::int64_t* strides, int dims) {
  if (dims < 4) return false;
  if (strides[1] == 0) return false;
  std::int64_t least = 0;
  for (int i = 0; i < dims; ++i) {
    const int axis = i == 0 ? 1 : i == dims - 1 ? 0 : dims - i;  // C, W, H, (D,) N
    if (sizes[axis] == 0 || strides[axis] < least) return false;
    if (axis == 0 && least == strides[1]) return false;
    least = strides[axis] * std::max<std::int64_t>(sizes[axis], 1);
  }
  return true;
}

Owned fresh(const std::int64_t* sizes, int dims, bool channels_last, std::int32_t type) {
  std::int64_t strides[POOLBENCH_MOST_AXES];
  put_strides(sizes, dims, channels_last, strides);
  Tensor made;
  check(torch->empty_strided(dims, sizes, strides, torch->types[type], torch->device_cpu, -1, &made),
        "allocate a tensor");
  return Owned(made);
}

// The rank of a pooling may be less by two than a tensor has axes: then the first is the batch.
bool wants_channels_last(const poolbench_pooling& pooling, const std::int64_t* sizes, const std::int64_t* strides,
                         int dims) {
  return dims == pooling.rank + 2 && is_channels_last(sizes, strides, dims);
}

template <class Family, bool kIndices, bool kKept>
void pool(Value* stack, std::uint64_t, std::uint64_t) {
  Arguments given(stack);
  const Owned input = given.tensor();
  const poolbench_pooling pooling = Family::read(given);
  const Array in(input.get(), Array::Access::kRead);
  poolbench_output told;
  poolbench_error error;
  std::int32_t code = poolbench_describe(&pooling, &in.array, &told, &error);
  if (code != POOLBENCH_OK) refuse(code, error);
  const bool last = wants_channels_last(pooling, in.array.shape, in.strides, in.array.dims);
  Owned output = fresh(told.shape, told.dims, last, in.array.type);
  const Array out(output.get(), Array::Access::kWrite);
  if constexpr (!kIndices && !kKept) {
    code = poolbench_pool(&pooling, &in.array, &out.array, nullptr, nullptr, threads(), &error);
    if (code != POOLBENCH_OK) refuse(code, error);
    stack[0] = output.release();
  } else {
    if (kKept && told.kept_type == 0) throw std::invalid_argument("input has integers, which have no gradients.");
    Owned first = fresh(told.shape, told.dims, last, kIndices ? POOLBENCH_INT64 : told.kept_type);
    const Array places(first.get(), Array::Access::kWrite);
    if constexpr (kIndices && kKept) {
      Owned second = fresh(told.shape, told.dims, last, told.kept_type);
      const Array kept(second.get(), Array::Access::kWrite);
      code = poolbench_pool(&pooling, &in.array, &out.array, &places.array, &kept.array, threads(), &error);
      if (code != POOLBENCH_OK) refuse(code, error);
      stack[2] = second.release();
    } else {
      code = poolbench_pool(&pooling, &in.array, &out.array, kIndices ? &places.array : nullptr,
                            kKept ? &places.array : nullptr, threads(), &error);
      if (code != POOLBENCH_OK) refuse(code, error);
    }
    stack[0] = output.release();
    stack[1] = first.release();
  }
}

// (grad_output, kept, input_size, parameters) of maxima, (grad_output, input_size, channels_last, parameters) of averages.
template <class Family, bool kKept>
void gradient(Value* stack, std::uint64_t, std::uint64_t) {
  Arguments given(stack);
  const Owned grad_output = given.tensor();
  const Owned kept_tensor = kKept ? given.tensor() : Owned(nullptr);
  std::int64_t sizes[POOLBENCH_MOST_AXES];
  const int dims = given.list(sizes, POOLBENCH_MOST_AXES);
  bool last = kKept ? false : given.boolean();
  const poolbench_pooling pooling = Family::read(given);
  if (dims > POOLBENCH_MOST_AXES) throw std::invalid_argument("input_size has more than five numbers.");
  const Array in(grad_output.get(), Array::Access::kRead);
  poolbench_error error;
  std::int32_t code;
  const auto make = [&] { return fresh(sizes, dims, last && dims > 3 && dims == pooling.rank + 2, in.array.type); };
  if constexpr (kKept) {
    const Array kept(kept_tensor.get(), Array::Access::kRead);
    last = wants_channels_last(pooling, kept.array.shape, kept.strides, kept.array.dims);
    Owned made = make();
    const Array out(made.get(), Array::Access::kWrite);
    code = poolbench_gradient(&pooling, &in.array, &kept.array, &out.array, threads(), &error);
    if (code != POOLBENCH_OK) refuse(code, error);
    stack[0] = made.release();
  } else {
    Owned made = make();
    const Array out(made.get(), Array::Access::kWrite);
    code = poolbench_gradient(&pooling, &in.array, nullptr, &out.array, threads(), &error);
    if (code != POOLBENCH_OK) refuse(code, error);
    stack[0] = made.release();
  }
}

template <class Family>
void add_maxima(Library library, const std::string& name) {
  const auto add = [&](const std::string& suffix, Kernel kernel) {
    for (const char* prefix : {"", "_"}) {
      const std::string full = prefix + name + suffix;
      check(torch->library_impl(library, full.c_str(), kernel, kVersion), "register an operator's kernel");
    }
  };
  add("", pool<Family, false, false>);
  add("_with_indices", pool<Family, true, false>);
  add("_kept", pool<Family, false, true>);
  add("_with_indices_kept", pool<Family, true, true>);
  add("_gradient", gradient<Family, true>);
}

template <class Family>
void add_averages(Library library, const std::string& name) {
  for (const char* prefix : {"", "_"}) {
    const std::string full = prefix + name;
    check(torch->library_impl(library, full.c_str(), pool<Family, false, false>, kVersion), "register an operator's kernel");
    check(torch->library_impl(library, (full + "_gradient").c_str(), gradient<Family, false>, kVersion),
          "register an operator's kernel");
  }
}

}  // namespace
}  // namespace poolbench::torch

// Gives the operators, which are declared already, their kernels. Returns 0, or 1 with what was wrong in `message`.
extern "C" __attribute__((visibility("default"))) int poolbench_torch_register(char* message, std::size_t size) {
  using namespace poolbench::torch;
  try {
    if (torch != nullptr) return 0;
    torch = new Functions(find_functions());
    Library library;  // stays: letting it go takes the kernels away
    check(torch->library_init("poolbench", "CPU", "torch.cpp", __LINE__, &library), "open its list of operators");
    add_maxima<MaxPool>(library, "max_pool");
    add_maxima<Adaptive<POOLBENCH_MAX>>(library, "adaptive_max_pool");
    add_averages<AvgPool>(library, "avg_pool");
    add_averages<Adaptive<POOLBENCH_AVERAGE>>(library, "adaptive_avg_pool");
    return 0;
  } catch (const std::exception& wrong) {
    std::snprintf(message, size, "%s", wrong.what());
    return 1;
  }
}
