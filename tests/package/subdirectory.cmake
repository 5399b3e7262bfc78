# Configures the project SOURCE, which has MOBULA as a folder, from nothing; builds its program and
# runs it. Not optimized: it is built to be linked, and takes long enough.
execute_process(COMMAND ${CMAKE_COMMAND} --fresh -S ${SOURCE} -B ${SCRATCH} -G ${GENERATOR}
  -DMOBULA=${MOBULA} -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_FLAGS_DEBUG=-O0
  -DCMAKE_BUILD_TYPE=Debug COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build ${SCRATCH} --parallel 2 --target app
  COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${SCRATCH}/app COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
