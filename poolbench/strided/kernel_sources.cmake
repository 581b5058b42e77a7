# The kernel without its Python face: what every program that pools is linked from.
set(POOL_CORE_SOURCES
  plan.cpp
  dispatch.cpp
  scalar.cpp
  baseline.cpp
  avx2.cpp
  avx512.cpp
  thread_pool.cpp)
list(TRANSFORM POOL_CORE_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
# The vector code says itself what is unrolled: -O3 takes several times as long to compile it and gains nothing.
set_source_files_properties(
  "${CMAKE_CURRENT_LIST_DIR}/baseline.cpp" "${CMAKE_CURRENT_LIST_DIR}/avx2.cpp" "${CMAKE_CURRENT_LIST_DIR}/avx512.cpp"
  PROPERTIES COMPILE_OPTIONS -O2)
