# Warnings as errors for our code only: rooms, programs and tests link this; headers of libraries are SYSTEM.
add_library(joulespool_warnings INTERFACE)
target_compile_options(joulespool_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Werror -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor -Wold-style-cast
  -Woverloaded-virtual "$<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wlogical-op>" -Wformat=2
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>"  # GCC 12 reports std::string concatenation falsely (GCC bug 105651)
  -ffp-contract=off)  # the same bits on every machine: no fused multiply-add behind our back
