# joulespool_kernels(ROOM SOURCE): the inner loops of a room, compiled once per instruction set, all with the same results.
# SOURCE puts everything into namespace JOULESPOOL_KERNELS: `scalar` (no vector instructions: the twin that the others are
# compared with), `baseline` (what the compiler targets by default: SSE2, NEON), `avx2` (x86-64 only, chosen at run time; see
# agent/base/cpu.h). A kernel source must not instantiate templates that the compiler could emit as functions: the linker would
# keep one copy for all, and it might be AVX2's.
function(joulespool_kernels room source)
  set(variants scalar baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    list(APPEND variants avx2)
  endif()
  set(options_scalar -fno-tree-vectorize -DJOULESPOOL_SCALAR)
  set(options_baseline "")
  set(options_avx2 -mavx2 -mbmi2)
  foreach(variant IN LISTS variants)
    set(target joulespool_${room}_kernels_${variant})
    if(TARGET ${target})
      target_sources(${target} PRIVATE ${source})
      continue()
    endif()
    add_library(${target} OBJECT ${source})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR})
    target_compile_definitions(${target} PRIVATE JOULESPOOL_KERNELS=${variant})
    # -Wno-psabi: rows wider than the registers go to inlined functions only.
    target_compile_options(${target} PRIVATE -Wno-psabi ${options_${variant}})
    target_link_libraries(${target} PRIVATE joulespool_warnings joulespool_sanitizers)
    target_sources(joulespool_${room} PRIVATE $<TARGET_OBJECTS:${target}>)
  endforeach()
endfunction()
