# A program that runs another one step by step. It shares nothing with the kernel, and is not there where there is no ptrace.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|aarch64|arm64")
  add_executable(stepper poolbench/measure/count/stepper.cpp)
  target_compile_options(stepper PRIVATE -Wall -Wextra)
  target_link_options(stepper PRIVATE -static-libstdc++ -static-libgcc $<$<CONFIG:Release>:-Wl,-s>)
  install(TARGETS stepper RUNTIME DESTINATION poolbench/measure/count)
endif()
