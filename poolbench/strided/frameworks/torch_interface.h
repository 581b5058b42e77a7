// What PyTorch promises to keep of its C functions (torch/csrc/stable/c/shim.h, from 2.10 on), declared anew: so this is
// built without PyTorch, and one build serves its releases. The functions are taken by name from the library that the
// process has loaded.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

namespace poolbench::torch {

using Value = std::uint64_t;  // a number, or the handle of something that whoever holds it must free
using Tensor = void*;
using List = void*;
using Library = void*;
using Kernel = void (*)(Value* stack, std::uint64_t inputs, std::uint64_t outputs);
using Status = std::int32_t;

constexpr std::uint64_t kVersion = (std::uint64_t{2} << 56) | (std::uint64_t{10} << 48);

struct Functions {
  Status (*get_dim)(Tensor, std::int64_t*);
  Status (*get_sizes)(Tensor, std::int64_t**);
  Status (*get_strides)(Tensor, std::int64_t**);
  Status (*get_dtype)(Tensor, std::int32_t*);
  Status (*get_const_data)(Tensor, const void**);
  Status (*get_data)(Tensor, void**);
  Status (*delete_tensor)(Tensor);
  Status (*empty_strided)(std::int64_t, const std::int64_t*, const std::int64_t*, std::int32_t, std::int32_t, std::int32_t,
                          Tensor*);
  Status (*list_size)(List, std::size_t*);
  Status (*list_item)(List, std::size_t, Value*);
  Status (*delete_list)(List);
  Status (*num_threads)(std::uint32_t*);
  Status (*library_init)(const char*, const char*, const char*, std::uint32_t, Library*);
  Status (*library_impl)(Library, const char*, Kernel, std::uint64_t);
  std::int32_t device_cpu;
  std::int32_t types[10];  // PyTorch's numbers of the header's types, which count from 1
};

class Missing : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

template <class F>
void find(void* library, const char* name, F** function) {
  *function = reinterpret_cast<F*>(dlsym(library, name));
  if (*function == nullptr) throw Missing(name);
}

inline std::int32_t number(void* library, const char* name) {
  std::int32_t (*function)();
  find(library, name, &function);
  return function();
}

// Throws Missing where the process has no PyTorch, or one that lacks a function.
inline Functions find_functions() {
  void* library = dlopen("libtorch_cpu.so", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) throw Missing("libtorch_cpu.so");
  Functions all;
  find(library, "aoti_torch_get_dim", &all.get_dim);
  find(library, "aoti_torch_get_sizes", &all.get_sizes);
  find(library, "aoti_torch_get_strides", &all.get_strides);
  find(library, "aoti_torch_get_dtype", &all.get_dtype);
  find(library, "torch_get_const_data_ptr", &all.get_const_data);
  find(library, "torch_get_mutable_data_ptr", &all.get_data);
  find(library, "aoti_torch_delete_tensor_object", &all.delete_tensor);
  find(library, "aoti_torch_empty_strided", &all.empty_strided);
  find(library, "torch_list_size", &all.list_size);
  find(library, "torch_list_get_item", &all.list_item);
  find(library, "torch_delete_list", &all.delete_list);
  find(library, "torch_get_num_threads", &all.num_threads);
  find(library, "aoti_torch_library_init_impl", &all.library_init);
  find(library, "torch_library_impl", &all.library_impl);
  all.device_cpu = number(library, "aoti_torch_device_type_cpu");
  const char* const names[] = {"float64", "float32", "float16", "bfloat16", "int8", "uint8", "int16", "int32", "int64"};
  all.types[0] = -1;
  for (int i = 0; i < 9; ++i) all.types[1 + i] = number(library, (std::string("aoti_torch_dtype_") + names[i]).c_str());
  return all;
}

inline void check(Status status, const char* what) {
  if (status != 0) throw std::runtime_error(std::string("PyTorch could not ") + what + ".");
}

template <class T>
T value_of(Value value) {
  static_assert(sizeof(T) <= sizeof value);
  T result;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  std::memcpy(&result, &value, sizeof result);
#else
#error "Operators for PyTorch are written for little-endian processors."
#endif
  return result;
}

}  // namespace poolbench::torch
