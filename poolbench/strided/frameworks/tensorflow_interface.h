// What TensorFlow has for kernels that are written in C (tensorflow/c/kernels.h, ops.h, tf_tensor.h), declared anew and no
// more of it than is used: so this is built without TensorFlow. The functions are taken by name from the library that the
// process has loaded.
#pragma once

#include <dlfcn.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace poolbench::tensorflow {

struct Status;
struct Tensor;
struct Context;
struct Construction;
struct KernelBuilder;
struct OperatorBuilder;
struct ShapeContext;

constexpr int kOk = 0, kInvalidArgument = 3, kInternal = 13;

struct Functions {
  Status* (*new_status)();
  void (*delete_status)(Status*);
  void (*set_status)(Status*, int, const char*);
  int (*get_code)(const Status*);
  void (*get_input)(Context*, int, Tensor**, Status*);
  Tensor* (*allocate_output)(Context*, int, int, const std::int64_t*, int, std::size_t, Status*);
  void (*fail)(Context*, Status*);
  void (*fail_construction)(Construction*, Status*);
  void (*get_numbers)(Construction*, const char*, std::int64_t*, int, Status*);
  void (*get_number)(Construction*, const char*, std::int64_t*, Status*);
  void (*get_size)(Construction*, const char*, std::int32_t*, std::int32_t*, Status*);
  void (*delete_tensor)(Tensor*);
  int (*tensor_type)(const Tensor*);
  int (*tensor_axes)(const Tensor*);
  std::int64_t (*tensor_size)(const Tensor*, int);
  void* (*tensor_data)(const Tensor*);
  OperatorBuilder* (*new_operator)(const char*);
  void (*add_attribute)(OperatorBuilder*, const char*);
  void (*add_input)(OperatorBuilder*, const char*);
  void (*add_output)(OperatorBuilder*, const char*);
  void (*set_shape_function)(OperatorBuilder*, void (*)(ShapeContext*, Status*));
  void (*unknown_shape)(ShapeContext*, Status*);
  void (*register_operator)(OperatorBuilder*, Status*);
  KernelBuilder* (*new_kernel)(const char*, const char*, void* (*)(Construction*), void (*)(void*, Context*), void (*)(void*));
  void (*register_kernel)(const char*, KernelBuilder*, Status*);
};

// Whether the process has a TensorFlow with all of them.
inline bool find_functions(Functions& all) {
  void* const library = dlopen("libtensorflow_framework.so.2", RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) return false;
  bool found = true;
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
    found = found && function != nullptr;
  };
  find("TF_NewStatus", all.new_status);
  find("TF_DeleteStatus", all.delete_status);
  find("TF_SetStatus", all.set_status);
  find("TF_GetCode", all.get_code);
  find("TF_GetInput", all.get_input);
  find("TF_AllocateOutput", all.allocate_output);
  find("TF_OpKernelContext_Failure", all.fail);
  find("TF_OpKernelConstruction_Failure", all.fail_construction);
  find("TF_OpKernelConstruction_GetAttrInt64List", all.get_numbers);
  find("TF_OpKernelConstruction_GetAttrInt64", all.get_number);
  find("TF_OpKernelConstruction_GetAttrSize", all.get_size);
  find("TF_DeleteTensor", all.delete_tensor);
  find("TF_TensorType", all.tensor_type);
  find("TF_NumDims", all.tensor_axes);
  find("TF_Dim", all.tensor_size);
  find("TF_TensorData", all.tensor_data);
  find("TF_NewOpDefinitionBuilder", all.new_operator);
  find("TF_OpDefinitionBuilderAddAttr", all.add_attribute);
  find("TF_OpDefinitionBuilderAddInput", all.add_input);
  find("TF_OpDefinitionBuilderAddOutput", all.add_output);
  find("TF_OpDefinitionBuilderSetShapeInferenceFunction", all.set_shape_function);
  find("TF_ShapeInferenceContextSetUnknownShape", all.unknown_shape);
  find("TF_RegisterOpDefinition", all.register_operator);
  find("TF_NewKernelBuilder", all.new_kernel);
  find("TF_RegisterKernelBuilder", all.register_kernel);
  return found;
}

}  // namespace poolbench::tensorflow
