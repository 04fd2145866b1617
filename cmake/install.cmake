# cmake --install: the program, the static libraries, the headers as they lie in src/, and what find_package(bitwright) reads.
# A program that uses the library is shown in ../examples/library.
include(CMakePackageConfigHelpers)
get_property(LIBRARIES GLOBAL PROPERTY BITWRIGHT_LIBRARIES)
install(TARGETS bitwright RUNTIME DESTINATION bin)
install(DIRECTORY examples/models DESTINATION share/bitwright FILES_MATCHING PATTERN "*.onnx")
install(TARGETS ${LIBRARIES} bw_flags bw_onednn bw_libjpeg bitwright_library EXPORT bitwright ARCHIVE DESTINATION lib/bitwright)
install(DIRECTORY include/bitwright DESTINATION include)
install(DIRECTORY src/ DESTINATION include/bitwright/src FILES_MATCHING PATTERN "*.hpp")
install(EXPORT bitwright NAMESPACE bitwright:: FILE targets.cmake DESTINATION lib/cmake/bitwright)

set(CONFIG "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\n")
if(TARGET DNNL::dnnl)
  install(FILES $<TARGET_FILE:DNNL::dnnl> DESTINATION lib/bitwright RENAME libdnnl.so.3)  # the program's rpath points there
  string(APPEND CONFIG "find_dependency(dnnl 3.2 CONFIG HINTS \"${dnnl_DIR}\")\n")
endif()
string(APPEND CONFIG "include(\${CMAKE_CURRENT_LIST_DIR}/targets.cmake)\n")
file(CONFIGURE OUTPUT ${bitwright_BINARY_DIR}/bitwright-config.cmake CONTENT "${CONFIG}" @ONLY)
write_basic_package_version_file(${bitwright_BINARY_DIR}/bitwright-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${bitwright_BINARY_DIR}/bitwright-config.cmake ${bitwright_BINARY_DIR}/bitwright-config-version.cmake
        DESTINATION lib/cmake/bitwright)
