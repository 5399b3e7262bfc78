# Compiles SOURCE. Passes if the output matches every "// expect:" line of the file and there is
# exactly one error, or as many as "// expect-errors:" says (at least one, unless EXACT: other
# compilers go on after a failed assertion). With "// never-includes:", no header matches that.
execute_process(COMMAND ${COMPILER} -std=c++23 -fsyntax-only -fdiagnostics-color=never
    -I${ROOT}/include -I${ROOT} ${SOURCE}
  OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REGEX MATCHALL " error: " errors "${output}")
list(LENGTH errors count)
file(STRINGS ${SOURCE} lines REGEX "^// expect")
set(wanted 1)
foreach(line IN LISTS lines)
  if(line MATCHES "^// expect-errors: ([0-9]+)")
    set(wanted ${CMAKE_MATCH_1})
  elseif(line MATCHES "^// expect: (.*)" AND NOT output MATCHES "${CMAKE_MATCH_1}")
    message(FATAL_ERROR "no such message: ${line}\n${output}")
  endif()
endforeach()
if(NOT count EQUAL wanted AND (EXACT OR count EQUAL 0 OR wanted EQUAL 0))
  message(FATAL_ERROR "${count} errors instead of ${wanted}:\n${output}")
endif()

file(STRINGS ${SOURCE} never REGEX "^// never-includes: ")
if(never)
  string(REPLACE "// never-includes: " "" never "${never}")
  execute_process(COMMAND ${COMPILER} -std=c++23 -M -I${ROOT}/include -I${ROOT} ${SOURCE}
    OUTPUT_VARIABLE headers)
  if(NOT headers MATCHES "mobula.h" OR headers MATCHES "${never}")
    message(FATAL_ERROR "a user's program includes ${CMAKE_MATCH_0}")
  endif()
endif()
