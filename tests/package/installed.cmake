# Installs BUILD into an empty prefix, then builds the project SOURCE against it and runs that.
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT RESULT_VARIABLE code)
  if(code)
    message(FATAL_ERROR "failed: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${SCRATCH})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${SCRATCH}/prefix)

# The tests have libraries of their own, which are nobody else's.
file(GLOB_RECURSE test_files ${SCRATCH}/prefix/*test*)
if(test_files)
  message(FATAL_ERROR "installed, but only for tests: ${test_files}")
endif()

# A package that names the tree it came from works here and nowhere else.
file(GLOB_RECURSE package ${SCRATCH}/prefix/*.cmake)
foreach(file IN LISTS package)
  file(READ ${file} text)
  foreach(place ${BUILD} ${SOURCE})
    string(FIND "${text}" "${place}" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} names ${place}")
    endif()
  endforeach()
endforeach()

run(${CMAKE_COMMAND} -S ${SOURCE} -B ${SCRATCH}/build -G ${GENERATOR}
  -DCMAKE_PREFIX_PATH=${SCRATCH}/prefix -DCMAKE_CXX_COMPILER=${COMPILER}
  -DCMAKE_BUILD_TYPE=Debug)
run(${CMAKE_COMMAND} --build ${SCRATCH}/build)
run(${SCRATCH}/build/app)
