# The kernel without its Python face: what every program that pools is linked from.
set(POOL_CORE_SOURCES
  plan.cpp
  dispatch.cpp
  scalar.cpp
  baseline.cpp
  avx2.cpp
  avx512.cpp
  backward.cpp
  backward_plan.cpp
  backward_scalar.cpp
  backward_baseline.cpp
  backward_avx2.cpp
  backward_avx512.cpp
  thread_pool.cpp)
list(TRANSFORM POOL_CORE_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
# The vector code says itself what is unrolled: -O3 takes several times as long to compile it and gains nothing.
set(POOL_VECTOR_SOURCES
  baseline.cpp avx2.cpp avx512.cpp backward_baseline.cpp backward_avx2.cpp backward_avx512.cpp)
list(TRANSFORM POOL_VECTOR_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
set_source_files_properties(${POOL_VECTOR_SOURCES} PROPERTIES COMPILE_OPTIONS -O2)
