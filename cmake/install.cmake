# Installs the shared library, its headers, the command and a package, so that another project says
#
#   find_package(vitrail 0.1 REQUIRED)
#   target_link_libraries(app PRIVATE vitrail::vitrail)
#
# libtorch is not installed: the package finds it through Python, as this build does, and the
# installed files remember where it was.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/vitrail")

if(TARGET vitrail_cli)
  install(TARGETS vitrail_cli)
endif()
install(TARGETS vitrail EXPORT vitrail)
install(DIRECTORY include/vitrail TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE TYPE DOC)
install(EXPORT vitrail NAMESPACE vitrail:: FILE vitrailTargets.cmake DESTINATION "${package_dir}")

configure_package_config_file(cmake/vitrailConfig.cmake.in vitrailConfig.cmake INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(vitrailConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/vitrailConfig.cmake" "${CMAKE_CURRENT_BINARY_DIR}/vitrailConfigVersion.cmake"
              cmake/FindLibtorch.cmake
        DESTINATION "${package_dir}")
