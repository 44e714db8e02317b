# Everything that libthaw links, as one interface target: thaw_dependencies.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenCL REQUIRED)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(TURBOJPEG REQUIRED IMPORTED_TARGET libturbojpeg)
pkg_check_modules(EXIF REQUIRED IMPORTED_TARGET libexif)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_path(CLBLAST_INCLUDE_DIR clblast_c.h REQUIRED)
find_library(CLBLAST_LIBRARY clblast REQUIRED)
find_program(PROTOC_C NAMES protoc-c REQUIRED)

add_library(thaw_dependencies INTERFACE)
target_include_directories(thaw_dependencies SYSTEM INTERFACE ${CLBLAST_INCLUDE_DIR})
target_compile_definitions(thaw_dependencies INTERFACE CL_TARGET_OPENCL_VERSION=120)
target_link_libraries(thaw_dependencies INTERFACE ${CLBLAST_LIBRARY} OpenCL::OpenCL PkgConfig::PROTOBUF_C PkgConfig::JANSSON
                      PkgConfig::PNG PkgConfig::TURBOJPEG PkgConfig::EXIF PkgConfig::XXHASH Threads::Threads m)

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
