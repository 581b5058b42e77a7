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
