# thaw_embed_kernels(OUT): turns cl/*.cl and cl/common.clh into a C table, thaw_kernel_sources (see src/device/kernel_sources.h). Nothing but CMake is needed.
function(thaw_embed_kernels out)
  file(GLOB kernels CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/cl/*.cl ${CMAKE_CURRENT_SOURCE_DIR}/cl/*.clh)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/generated/kernel_sources.c)
  add_custom_command(
    OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -DOUT=${made} "-DKERNELS=${kernels}" -P ${CMAKE_CURRENT_SOURCE_DIR}/cmake/EmbedKernels.cmake
    DEPENDS ${kernels} ${CMAKE_CURRENT_SOURCE_DIR}/cmake/EmbedKernels.cmake VERBATIM)
  set(${out} ${made} PARENT_SCOPE)
endfunction()
