// What XLA calls a handler of its foreign function interface with (xla/ffi/api/c_api.h of jaxlib, version 0.3), declared anew
// and no more of it than is used: so this is built without JAX, and one build serves its releases. Structs say their size.
#pragma once

#include <cstddef>
#include <cstdint>

namespace poolbench::xla {

struct Error;
struct Context;

struct Extension {
  std::size_t size;
  int type;  // kMetadata, where XLA asks for the version and does not call
  Extension* next;
};

constexpr int kMetadata = 1;
constexpr int kExecute = 3;
constexpr int kInvalidArgument = 3, kInternal = 13;

struct Version {
  std::size_t size;
  Extension* extensions;
  int major, minor;
};

struct Metadata {
  std::size_t size;
  Version version;
  std::uint32_t traits;
};

struct MetadataExtension {
  Extension base;
  Metadata* metadata;
};

struct ErrorRequest {
  std::size_t size;
  Extension* extensions;
  const char* message;
  int code;
};

struct ErrorDestruction {
  std::size_t size;
  Extension* extensions;
  Error* error;
};

struct ThreadsRequest {
  std::size_t size;
  Extension* extensions;
  Context* context;
  std::int64_t* threads;
};

struct Api {
  std::size_t size;
  Extension* extensions;
  Version version;
  const void* internal;
  Error* (*create_error)(ErrorRequest*);
  void* get_message;
  void (*destroy_error)(ErrorDestruction*);
  void* between[9];  // from Handler_Register to ThreadPool_Schedule
  Error* (*number_of_threads)(ThreadsRequest*);
};

struct Buffer {
  std::size_t size;
  Extension* extensions;
  int type;
  void* data;
  std::int64_t axes;
  std::int64_t* sizes;
};

struct Buffers {
  std::size_t size;
  Extension* extensions;
  std::int64_t count;
  int* kinds;
  Buffer** buffers;
};

struct Numbers {
  int type;
  std::size_t count;
  const std::int64_t* numbers;
};

struct Attributes {
  std::size_t size;
  Extension* extensions;
  std::int64_t count;
  int* kinds;
  void** names;
  Numbers** values;
};

constexpr int kArray = 1, kS64 = 5;

struct Frame {
  std::size_t size;
  Extension* extensions;
  const Api* api;
  Context* context;
  int stage;
  Buffers inputs, results;
  Attributes attributes;
};

}  // namespace poolbench::xla
