# Everything that libthaw links, as one interface target: thaw_dependencies. It is exported without its content: the
# installed package fills it (cmake/ThawConfig.cmake.in) with what it finds where it is used.
set(thaw_need REQUIRED)
include(ThawFindDependencies)
find_program(PROTOC_C NAMES protoc-c REQUIRED)

add_library(thaw_dependencies INTERFACE)
set_target_properties(thaw_dependencies PROPERTIES EXPORT_NAME dependencies)
target_include_directories(thaw_dependencies SYSTEM INTERFACE $<BUILD_INTERFACE:${CLBLAST_INCLUDE_DIR}>)
target_compile_definitions(thaw_dependencies INTERFACE $<BUILD_INTERFACE:CL_TARGET_OPENCL_VERSION=120>)
target_link_libraries(thaw_dependencies INTERFACE "$<BUILD_INTERFACE:${thaw_libraries}>")

# thaw_protobuf(OUT FILE.proto): C sources made by protobuf-c, in generated/.
function(thaw_protobuf out file)
  get_filename_component(name ${file} NAME_WE)
  get_filename_component(folder ${file} DIRECTORY)
  set(made ${CMAKE_CURRENT_BINARY_DIR}/generated)
  file(MAKE_DIRECTORY ${made})
  add_custom_command(
    OUTPUT ${made}/${name}.pb-c.c ${made}/${name}.pb-c.h
    COMMAND ${PROTOC_C} --proto_path=${CMAKE_CURRENT_SOURCE_DIR}/${folder} --c_out=${made} ${name}.proto
    DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} VERBATIM)
  set_source_files_properties(${made}/${name}.pb-c.c PROPERTIES COMPILE_OPTIONS "-w")
  set(${out} ${made}/${name}.pb-c.c ${made}/${name}.pb-c.h PARENT_SCOPE)
endfunction()
