# Installing, and the CMake package: outside, `find_package(mobula CONFIG REQUIRED)` and
# `target_link_libraries(app mobula::mobula)` are all there is to say.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mobula)
get_property(libraries GLOBAL PROPERTY MOBULA_LIBRARIES)
install(TARGETS mobula_all ${libraries} EXPORT mobulaTargets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT mobulaTargets NAMESPACE mobula:: DESTINATION ${package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/mobulaConfig.cmake.in
  ${PROJECT_BINARY_DIR}/mobulaConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mobulaConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mobulaConfig.cmake
  ${PROJECT_BINARY_DIR}/mobulaConfigVersion.cmake DESTINATION ${package_dir})

# What programs include, and beside it, not promised to anyone, what that rests on.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mobula DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
file(GLOB base_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/components/base/*.h)
install(FILES ${base_headers}
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mobula_internal/components/base)

# The binaries and the files they are configured with.
foreach(program node mobula mobula_cli)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/node/config/ DESTINATION ${CMAKE_INSTALL_DATADIR}/mobula/config
  FILES_MATCHING PATTERN "*.yaml")
