# joulespool_room(NAME SOURCES ... [PUBLIC targets ...] [PRIVATE targets ...])
# A room: one static library joulespool::NAME. Includes are written from the top of the tree ("agent/wire/frame.h").
function(joulespool_room name)
  cmake_parse_arguments(room "" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  add_library(joulespool_${name} STATIC ${room_SOURCES})
  add_library(joulespool::${name} ALIAS joulespool_${name})
  target_include_directories(joulespool_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(joulespool_${name} PUBLIC ${room_PUBLIC} joulespool_sanitizers
                                           PRIVATE ${room_PRIVATE} joulespool_warnings)
endfunction()

# joulespool_program(NAME SOURCES ... LINK targets ...)
function(joulespool_program name)
  cmake_parse_arguments(program "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${program_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${program_LINK} joulespool_warnings joulespool_sanitizers)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# joulespool_test(NAME SOURCES ... LINK targets ... [ENVIRONMENT ...]): a doctest program, one ctest test, label unit.
function(joulespool_test name)
  cmake_parse_arguments(test "" "" "SOURCES;LINK;ENVIRONMENT" ${ARGN})
  add_executable(test_${name} ${test_SOURCES})
  target_link_libraries(test_${name} PRIVATE ${test_LINK} joulespool_doctest joulespool_warnings joulespool_sanitizers)
  set_target_properties(test_${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME unit.${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 900 ENVIRONMENT "${test_ENVIRONMENT};${JOULESPOOL_TEST_ENVIRONMENT}")
endfunction()
