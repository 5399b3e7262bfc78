# Compiles SOURCE. Passes if there is exactly one error (or as many as "// expect-errors:" says) and
# the output matches every "// expect:" line of the file.
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
if(NOT count EQUAL wanted)
  message(FATAL_ERROR "${count} errors instead of ${wanted}:\n${output}")
endif()
