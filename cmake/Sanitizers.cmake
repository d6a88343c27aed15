# JOULESPOOL_SANITIZE: what -fsanitize= gets, for all of our code (presets asan, tsan and fuzz). Empty: none.
set(JOULESPOOL_SANITIZE "" CACHE STRING "address,undefined or thread; with fuzzer-no-link for fuzz targets")
add_library(joulespool_sanitizers INTERFACE)
if(JOULESPOOL_SANITIZE)
  set(flags -fsanitize=${JOULESPOOL_SANITIZE} -fno-omit-frame-pointer)
  if(JOULESPOOL_SANITIZE MATCHES undefined)
    list(APPEND flags -fno-sanitize-recover=undefined)
  endif()
  if(JOULESPOOL_SANITIZE MATCHES fuzzer)
    list(APPEND flags -fsanitize-coverage-ignorelist=${CMAKE_SOURCE_DIR}/tests/fuzz/coverage_ignore.txt)
  endif()
  target_compile_options(joulespool_sanitizers INTERFACE ${flags}
    # GCC 12 reports std::variant and std::optional falsely under sanitizers
    "$<$<CXX_COMPILER_ID:GNU>:-Wno-error=tsan;-Wno-maybe-uninitialized>")
  target_link_options(joulespool_sanitizers INTERFACE ${flags})
endif()

# What every test runs with, for its ENVIRONMENT property. Libraries without instrumentation (Paho) report false races,
# and Paho keeps for good what it had not sent when its client ended.
set(JOULESPOOL_TEST_ENVIRONMENT "")
if(JOULESPOOL_SANITIZE STREQUAL "thread")
  set(JOULESPOOL_TEST_ENVIRONMENT
    "TSAN_OPTIONS=ignore_noninstrumented_modules=1 halt_on_error=0 suppressions=${CMAKE_SOURCE_DIR}/tests/support/tsan.supp")
elseif(JOULESPOOL_SANITIZE MATCHES "address")
  set(JOULESPOOL_TEST_ENVIRONMENT "LSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/support/lsan.supp:print_suppressions=0")
endif()
