# The loops that pass over memory; they share the kernel's threads.
nanobind_add_module(_stream STABLE_ABI NB_STATIC
  poolbench/measure/limit/stream_module.cpp
  poolbench/measure/limit/stream.cpp
  poolbench/measure/limit/stream_variants.cpp
  poolbench/strided/run/thread_pool.cpp)
target_include_directories(_stream PRIVATE poolbench/strided)
target_compile_options(_stream PRIVATE -Wall -Wextra)
install(TARGETS _stream LIBRARY DESTINATION poolbench/measure/limit)
