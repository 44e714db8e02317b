# cmake --install: headers, both libraries, and what pkg-config and CMake need to find them. Static and shared are
# exported apart: those who use the shared one need none of its dependencies' headers.
install(DIRECTORY include/thaw DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS thaw_shared EXPORT ThawShared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS thaw_static thaw_dependencies EXPORT ThawStatic ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES README.md LICENSE CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(thaw_package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/Thaw)
foreach(kind IN ITEMS Shared Static)
  install(EXPORT Thaw${kind} NAMESPACE Thaw:: DESTINATION ${thaw_package_folder})
endforeach()
configure_package_config_file(cmake/ThawConfig.cmake.in ${CMAKE_CURRENT_BINARY_DIR}/ThawConfig.cmake
                              INSTALL_DESTINATION ${thaw_package_folder})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/ThawConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/ThawConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ThawConfigVersion.cmake
              cmake/ThawFindDependencies.cmake DESTINATION ${thaw_package_folder})

# The prefix is told from where thaw.pc lies, so that the installed tree can be moved.
file(RELATIVE_PATH thaw_pc_to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
file(RELATIVE_PATH thaw_pc_libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH thaw_pc_includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
configure_file(cmake/thaw.pc.in ${CMAKE_CURRENT_BINARY_DIR}/thaw.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/thaw.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
