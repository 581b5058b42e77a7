# The kernel without its Python face: what every program that pools is linked from.
set(POOL_CORE_SOURCES
  problem/plan.cpp
  run/registry.cpp
  run/selection.cpp
  run/dispatch.cpp
  run/thread_pool.cpp
  run/baseline.cpp
  run/avx2.cpp
  run/avx512.cpp
  pool/scalar.cpp
  keep/scalar.cpp
  keep/indices.cpp
  gradient/scalar.cpp)
list(TRANSFORM POOL_CORE_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
set(POOL_INCLUDE_FOLDER "${CMAKE_CURRENT_LIST_DIR}")
# The vector code says itself what is unrolled: -O3 takes several times as long to compile it and gains nothing.
set(POOL_VECTOR_SOURCES run/baseline.cpp run/avx2.cpp run/avx512.cpp)
list(TRANSFORM POOL_VECTOR_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
set(POOL_VECTOR_OPTIONS -O2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A source holds all passes: by its usual measure GCC would inline less in it than in one for each pass.
  list(APPEND POOL_VECTOR_OPTIONS --param=inline-unit-growth=300)
endif()
set_source_files_properties(${POOL_VECTOR_SOURCES} PROPERTIES COMPILE_OPTIONS "${POOL_VECTOR_OPTIONS}")
