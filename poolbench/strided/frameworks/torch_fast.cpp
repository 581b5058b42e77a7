// A shorter way for calls on plain tensors: no dispatcher and no Python, and autograd's nodes in C++. It is compiled where it
// is used (poolbench/strided/torch_fast.py), since that takes PyTorch's C++ interface, which each release changes.
//
// Whatever is out of the ordinary, and every error, is left to the operators: a function returns NotImplemented then.
#include <ATen/EmptyTensor.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/record_function.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <poolbench/pooling.h>
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/basic_ops.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/python_variable.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <array>
#include <utility>

#include "parameters.h"

namespace {

using at::Tensor;
using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

struct Functions {
  decltype(&poolbench_describe) describe;
  decltype(&poolbench_pool) pool;
  decltype(&poolbench_gradient) gradient;
} kernel;  // set once, before a function can be called

constexpr std::int64_t kHeldBelow = 1 << 18;  // bytes; releasing the interpreter's lock takes longer than pooling less

std::int32_t type_of(at::ScalarType type) {
  switch (type) {
    case at::kDouble: return POOLBENCH_FLOAT64;
    case at::kFloat: return POOLBENCH_FLOAT32;
    case at::kHalf: return POOLBENCH_FLOAT16;
    case at::kBFloat16: return POOLBENCH_BFLOAT16;
    case at::kChar: return POOLBENCH_INT8;
    case at::kByte: return POOLBENCH_UINT8;
    case at::kShort: return POOLBENCH_INT16;
    case at::kInt: return POOLBENCH_INT32;
    case at::kLong: return POOLBENCH_INT64;
    default: return 0;
  }
}

at::ScalarType scalar_type_of(std::int32_t type) {
  static const at::ScalarType types[] = {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kChar,
                                         at::kByte,   at::kShort, at::kInt,  at::kLong};
  return types[type - 1];
}

// Whether a call on `tensor` would come to its kernel with nothing between but autograd: no transformation, no mode, no bit
// that says what to do to the elements.
bool is_plain(const Tensor& tensor) {
  using c10::DispatchKey;
  static const c10::DispatchKeySet known =
      c10::DispatchKeySet({DispatchKey::CPU, DispatchKey::BackendSelect, DispatchKey::ADInplaceOrView,
                           DispatchKey::AutogradCPU, DispatchKey::AutocastCPU}) |
      c10::autocast_dispatch_keyset;
  const auto local = c10::impl::tls_local_dispatch_key_set();
  const c10::DispatchKeySet keys = (tensor.key_set() | local.included_) - local.excluded_;
  return (keys.raw_repr() & ~known.raw_repr()) == 0 && tensor.is_cpu() && tensor.dim() <= POOLBENCH_MOST_AXES &&
         type_of(tensor.scalar_type()) != 0 && !tensor._fw_grad(0).defined();
}

struct Array : poolbench_array {
  std::array<std::int64_t, POOLBENCH_MOST_AXES> steps;

  explicit Array(const Tensor& tensor, bool is_written = false) {
    data = is_written ? tensor.mutable_data_ptr() : const_cast<void*>(tensor.const_data_ptr());
    shape = tensor.sizes().data();
    dims = static_cast<std::int32_t>(tensor.dim());
    type = type_of(tensor.scalar_type());
    for (int i = 0; i < dims; ++i) steps[i] = tensor.strides()[i] * static_cast<std::int64_t>(tensor.element_size());
    strides = steps.data();
  }
  Array(const Array&) = delete;
};

bool wants_channels_last(const Tensor& tensor, int rank) {
  if (rank == 1 || tensor.dim() != rank + 2) return false;
  const auto format = tensor.suggest_memory_format();
  return format == at::MemoryFormat::ChannelsLast || format == at::MemoryFormat::ChannelsLast3d;
}

Tensor fresh(const std::int64_t* sizes, int dims, bool channels_last, at::ScalarType type) {
  std::int64_t strides[POOLBENCH_MOST_AXES];
  poolbench::put_strides(sizes, dims, channels_last, strides);
  return at::detail::empty_strided_cpu(at::IntArrayRef(sizes, dims), at::IntArrayRef(strides, dims), type);
}

// The gradient by the operators, for what is not plain: a batch of gradients, say.
Tensor gradient_by_operator(const poolbench_pooling& pooling, const Tensor& grad, const Tensor& kept,
                            at::IntArrayRef sizes, bool channels_last) {
  const bool is_max = pooling.kind == POOLBENCH_MAX;
  const std::string name = std::string("poolbench::") + (pooling.adaptive ? "adaptive_" : "") +
                           (is_max ? "max" : "avg") + "_pool_gradient";
  const auto list = [&](const std::int64_t* numbers) { return std::vector<std::int64_t>(numbers, numbers + pooling.rank); };
  torch::jit::Stack stack;
  stack.emplace_back(grad);
  if (is_max) stack.emplace_back(kept);
  stack.emplace_back(sizes.vec());
  if (!is_max) stack.emplace_back(channels_last);
  if (pooling.adaptive) {
    auto wanted = list(pooling.output_size);
    for (auto& size : wanted) size = size == POOLBENCH_SAME_SIZE ? -1 : size;
    stack.emplace_back(std::move(wanted));
  } else {
    stack.emplace_back(list(pooling.kernel_size));
    stack.emplace_back(list(pooling.stride));
    stack.emplace_back(list(pooling.padding));
    if (is_max) stack.emplace_back(list(pooling.dilation));
    stack.emplace_back(pooling.ceil_mode != 0);
    if (!is_max) {
      stack.emplace_back(pooling.count_include_pad != 0);
      stack.emplace_back(pooling.divisor_override);
    }
  }
  c10::Dispatcher::singleton().findSchemaOrThrow(name.c_str(), "").callBoxed(stack);
  return stack.front().toTensor();
}

constexpr const char* kForward =  // torch_operators.FORWARD
    "Pooling by poolbench has no derivatives in forward mode (torch.autograd.forward_ad, torch.func.jvp and jacfwd): take them "
    "in reverse mode (torch.func.vjp and jacrev), or use torch.nn.functional here.";

struct PoolBackward : Node {
  poolbench_pooling pooling;
  SavedVariable kept;
  std::array<std::int64_t, POOLBENCH_MOST_AXES> sizes;
  int dims;
  bool channels_last;

  std::string name() const override { return "PoolBackward"; }

  void release_variables() override { kept.reset_data(); }

  variable_list apply(variable_list&& grads) override {
    const Tensor& grad = grads[0];
    if (!grad.defined()) return {Tensor()};
    TORCH_CHECK(!grad._fw_grad(0).defined(), kForward);
    const bool is_max = pooling.kind == POOLBENCH_MAX;
    const Tensor places = is_max ? kept.unpack() : Tensor();
    const at::IntArrayRef shape(sizes.data(), dims);
    if (!is_plain(grad) || (is_max && !is_plain(places))) {
      return {gradient_by_operator(pooling, grad, places, shape, channels_last)};
    }
    RECORD_FUNCTION("poolbench::pool_gradient", std::vector<c10::IValue>());
    Tensor result = fresh(sizes.data(), dims, channels_last, grad.scalar_type());
    {
      const Array in(grad), out(result, true);
      poolbench_error error;
      std::int32_t code;
      if (is_max) {
        const Array where(places);
        code = kernel.gradient(&pooling, &in, &where, &out, at::get_num_threads(), &error);
      } else {
        code = kernel.gradient(&pooling, &in, nullptr, &out, at::get_num_threads(), &error);
      }
      TORCH_CHECK(code == POOLBENCH_OK, error.message);
    }
    if (c10::GradMode::is_enabled() && grad.requires_grad()) {
      auto refusal = c10::make_intrusive<torch::autograd::Error>(
          "Gradients of pooling by poolbench have no gradients of their own: leave out create_graph=True, or use "
          "torch.nn.functional here.",
          torch::autograd::collect_next_edges(grad));
      torch::autograd::set_history(result, refusal);
    }
    return {std::move(result)};
  }
};

// Returns what the functions return, or NotImplemented.
PyObject* run(const poolbench_pooling& pooling, PyObject* object, bool wants_indices) {
  const Tensor& input = THPVariable_Unpack(object);
  if (!is_plain(input)) Py_RETURN_NOTIMPLEMENTED;
  const Array in(input);
  poolbench_output told;
  poolbench_error error;
  if (kernel.describe(&pooling, &in, &told, &error) != POOLBENCH_OK) Py_RETURN_NOTIMPLEMENTED;
  RECORD_FUNCTION("poolbench::pool", std::vector<c10::IValue>());
  const bool learns = input.requires_grad() && c10::GradMode::is_enabled();
  const bool last = wants_channels_last(input, pooling.rank);
  Tensor output = fresh(told.shape, told.dims, last, input.scalar_type()), indices, kept;
  if (wants_indices) indices = fresh(told.shape, told.dims, last, at::kLong);
  if (learns && pooling.kind == POOLBENCH_MAX) kept = fresh(told.shape, told.dims, last, scalar_type_of(told.kept_type));
  std::int32_t code;
  {
    const Array out(output, true);
    std::optional<Array> to_indices, to_kept;
    if (indices.defined()) to_indices.emplace(indices, true);
    if (kept.defined()) to_kept.emplace(kept, true);
    const auto pool = [&] {
      return kernel.pool(&pooling, &in, &out, to_indices ? &*to_indices : nullptr, to_kept ? &*to_kept : nullptr,
                         at::get_num_threads(), &error);
    };
    if (input.numel() * static_cast<std::int64_t>(input.element_size()) < kHeldBelow) {
      code = pool();
    } else {
      pybind11::gil_scoped_release released;
      code = pool();
    }
  }
  if (code != POOLBENCH_OK) Py_RETURN_NOTIMPLEMENTED;
  if (learns) {
    auto node = c10::make_intrusive<PoolBackward>();
    node->set_next_edges(torch::autograd::collect_next_edges(input));
    node->pooling = pooling;
    if (kept.defined()) node->kept = SavedVariable(kept, false);
    node->dims = static_cast<int>(input.dim());
    std::copy_n(input.sizes().data(), node->dims, node->sizes.begin());
    node->channels_last = last;
    torch::autograd::set_history(output, node);
  }
  if (!wants_indices) return THPVariable_Wrap(std::move(output));
  PyObject* first = THPVariable_Wrap(std::move(output));
  PyObject* second = THPVariable_Wrap(std::move(indices));
  return Py_BuildValue("(NN)", first, second);
}

// The parameters of a function as Python gives them. They do not fit where something else than numbers was given, or one
// below the least.
class Parameters {
 public:
  Parameters(PyObject* const* given, int rank) : given_(given), rank_(rank) {}

  void sizes(const char*, std::int64_t least, std::int64_t* numbers) {
    PyObject* const given = *given_++;
    if (given == Py_None) {
      fits_ = fits_ && least == 1 && numbers[0] == 0;  // a stride that is the window's size; kernels refuse 0 elsewhere
    } else if (PyLong_CheckExact(given)) {
      read(given, least, numbers);
      std::fill_n(numbers + 1, rank_ - 1, numbers[0]);
    } else if (PyTuple_CheckExact(given) && PyTuple_GET_SIZE(given) == rank_) {
      for (int i = 0; i < rank_; ++i) read(PyTuple_GET_ITEM(given, i), least, numbers + i);
    } else {
      fits_ = false;
    }
  }
  bool flag() { return PyObject_IsTrue(*given_++) == 1; }
  std::int64_t divisor() {
    PyObject* const given = *given_++;
    if (given == Py_None) return 0;
    std::int64_t number = 0;
    read(given, INT64_MIN, &number);
    fits_ = fits_ && number != 0;
    return number;
  }
  int rank() const { return rank_; }
  bool fit() const { return fits_; }

 private:
  void read(PyObject* number, std::int64_t least, std::int64_t* to) {
    int overflow = 0;
    if (PyLong_CheckExact(number)) *to = PyLong_AsLongLongAndOverflow(number, &overflow);
    fits_ = fits_ && PyLong_CheckExact(number) && overflow == 0 && *to >= least;
  }

  PyObject* const* given_;
  const int rank_;
  bool fits_ = true;
};

// A hook for what is saved may raise an exception of Python's, as checkpointing does to stop: it goes on as it is.
template <class Body>
PyObject* guarded(Body body) {
  HANDLE_TH_ERRORS
  return body();
  END_HANDLE_TH_ERRORS
}

// Pools by what `read` makes of the parameters, which follow rank and input: `count` arguments, of which the last says, for
// maxima, whether indices are wanted.
template <class Read>
PyObject* pool(PyObject* const* given, Py_ssize_t count, Py_ssize_t wanted, Read read) {
  return guarded([&]() -> PyObject* {
    if (count != wanted || !THPVariable_Check(given[1])) Py_RETURN_NOTIMPLEMENTED;
    Parameters parameters(given + 2, static_cast<int>(PyLong_AsLong(given[0])));
    const poolbench_pooling pooling = read(parameters);
    if (!parameters.fit()) Py_RETURN_NOTIMPLEMENTED;
    return run(pooling, given[1], pooling.kind == POOLBENCH_MAX && PyObject_IsTrue(given[count - 1]) == 1);
  });
}

// (rank, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
PyObject* max_pool(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return pool(given, count, 8, poolbench::read_max_pool<Parameters>);
}

// (rank, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
PyObject* avg_pool(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return pool(given, count, 8, poolbench::read_avg_pool<Parameters>);
}

// (rank, input, output_size, return_indices)
PyObject* adaptive_max_pool(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return pool(given, count, 4, [](Parameters& parameters) { return poolbench::read_adaptive_pool(POOLBENCH_MAX, parameters); });
}

// (rank, input, output_size)
PyObject* adaptive_avg_pool(PyObject*, PyObject* const* given, Py_ssize_t count) {
  return pool(given, count, 3,
              [](Parameters& parameters) { return poolbench::read_adaptive_pool(POOLBENCH_AVERAGE, parameters); });
}

// Takes the addresses of the library's functions: describe, pool, gradient.
PyObject* connect(PyObject*, PyObject* given) {
  unsigned long long describe, pool, gradient;
  if (!PyArg_ParseTuple(given, "KKK", &describe, &pool, &gradient)) return nullptr;
  kernel = {reinterpret_cast<decltype(kernel.describe)>(describe), reinterpret_cast<decltype(kernel.pool)>(pool),
            reinterpret_cast<decltype(kernel.gradient)>(gradient)};
  Py_RETURN_NONE;
}

using Called = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

PyMethodDef method(const char* name, Called function) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)), METH_FASTCALL, nullptr};
}

PyMethodDef methods[] = {
    method("max_pool", max_pool),
    method("avg_pool", avg_pool),
    method("adaptive_max_pool", adaptive_max_pool),
    method("adaptive_avg_pool", adaptive_avg_pool),
    {"connect", connect, METH_VARARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "poolbench_torch_fast", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit_poolbench_torch_fast() { return PyModule_Create(&module); }
