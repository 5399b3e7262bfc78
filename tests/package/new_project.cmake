# Installs BUILD into an empty prefix, has `mobula new` make a project, and does what the README of
# that project says: builds it, runs it alone, and runs it on a head made from its head.yaml. Of the
# commands only the prefix is filled in, and of the node only the port: the kernel chooses one.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE ${SCRATCH})
set(prefix ${SCRATCH}/prefix)
set(project ${SCRATCH}/hello)
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${prefix}
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# A user's shell, with a home and nodes of its own.
file(MAKE_DIRECTORY ${SCRATCH}/home)
set(ENV{HOME} ${SCRATCH}/home)
execute_process(COMMAND mktemp -d OUTPUT_VARIABLE sessions  # short: sockets lie there
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
set(ENV{MOBULA_SESSIONS} ${sessions})
set(ENV{PATH} ${prefix}/bin:$ENV{PATH})
set(ENV{CXX} ${COMPILER})
set(ENV{CMAKE_GENERATOR} ${GENERATOR})
unset(ENV{MOBULA_ADDRESS})

execute_process(COMMAND mobula new ${project} COMMAND_ERROR_IS_FATAL ANY)
file(READ ${project}/head.yaml yaml)
string(REPLACE "port: 6379" "port: 0" yaml "${yaml}")
if(NOT yaml MATCHES "port: 0")
  message(FATAL_ERROR "head.yaml names no port: ${yaml}")
endif()
file(WRITE ${project}/head.yaml "${yaml}")
file(STRINGS ${project}/README.md commands REGEX "^    ")
file(STRINGS ${project}/README.md promise REGEX "^It prints `.*`\\.$")
string(REGEX REPLACE "^It prints `(.*)`\\.$" "\\1" promise "${promise}")

set(runs 0)
set(complaint "")
foreach(command IN LISTS commands)
  string(STRIP "${command}" command)
  string(REPLACE /where/mobula/is/installed ${prefix} command "${command}")
  execute_process(COMMAND sh -c ${command} WORKING_DIRECTORY ${project} COMMAND_ECHO STDOUT
    OUTPUT_VARIABLE output ERROR_VARIABLE output RESULT_VARIABLE code)
  message("${output}")
  if(NOT code EQUAL 0)
    string(APPEND complaint "'${command}' ended with ${code}\n")
  endif()
  if(command MATCHES "build/hello$")
    math(EXPR runs "${runs} + 1")
    string(STRIP "${output}" output)
    if(NOT output STREQUAL promise)
      string(APPEND complaint "'${command}' printed '${output}', not '${promise}'\n")
    endif()
  endif()
endforeach()

# Whatever happened, no node of ours stays behind; what the README says has left none.
execute_process(COMMAND mobula stop OUTPUT_VARIABLE output)
file(REMOVE_RECURSE ${sessions})
if(NOT output MATCHES "nothing to stop")
  string(APPEND complaint "the commands of the README leave a node behind\n")
endif()
if(NOT runs EQUAL 2)
  string(APPEND complaint "the README runs the program ${runs} times, not twice\n")
endif()
if(complaint)
  message(FATAL_ERROR "${complaint}")
endif()
