# What every folder's CMakeLists.txt uses: flags, one library per folder, catalogues made from file names.

find_package(Threads REQUIRED)

# Paths below the checkout are made relative before hashing, so that clones and worktrees share what ccache holds.
if(CMAKE_CXX_COMPILER_LAUNCHER STREQUAL "ccache")
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${bitwright_SOURCE_DIR} ccache)
endif()

add_library(bw_flags INTERFACE)
target_compile_options(bw_flags INTERFACE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion
                       -Wno-missing-field-initializers -Werror -ffp-contract=off -fno-math-errno
                       # g++ 12 reports overlaps in std::string that are not there (GCC bug 105651).
                       $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(BITWRIGHT_SANITIZE)
  target_compile_options(bw_flags INTERFACE -fsanitize=${BITWRIGHT_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(bw_flags INTERFACE -fsanitize=${BITWRIGHT_SANITIZE})
endif()

# bw_folder(io/onnx USES core graph): the library bw_io_onnx of all .cpp files of src/io/onnx.
# A header is visible only to folders that name its folder under USES, because the include path of each library holds
# nothing but a link to its own folder.
function(bw_folder FOLDER)
  cmake_parse_arguments(ARG "" "" "USES;EXCLUDE" ${ARGN})
  string(REPLACE "/" "_" NAME ${FOLDER})
  set(DIR ${bitwright_SOURCE_DIR}/src/${FOLDER})
  file(GLOB SOURCES CONFIGURE_DEPENDS ${DIR}/*.cpp)
  foreach(PATTERN ${ARG_EXCLUDE})
    list(FILTER SOURCES EXCLUDE REGEX ${PATTERN})
  endforeach()
  list(SORT SOURCES)
  set(VIEW ${bitwright_BINARY_DIR}/include/${NAME}/${FOLDER})
  get_filename_component(VIEW_PARENT ${VIEW} DIRECTORY)
  file(MAKE_DIRECTORY ${VIEW_PARENT})
  file(CREATE_LINK ${DIR} ${VIEW} SYMBOLIC)
  if(SOURCES)
    add_library(bw_${NAME} STATIC ${SOURCES})
    set(SCOPE PUBLIC)
    target_link_libraries(bw_${NAME} PRIVATE bw_flags)
  else()
    add_library(bw_${NAME} INTERFACE)
    set(SCOPE INTERFACE)
  endif()
  target_include_directories(bw_${NAME} ${SCOPE} $<BUILD_INTERFACE:${bitwright_BINARY_DIR}/include/${NAME}>)
  set_property(GLOBAL APPEND PROPERTY BITWRIGHT_LIBRARIES bw_${NAME})
  foreach(USED ${ARG_USES})
    string(REPLACE "/" "_" USED_NAME ${USED})
    target_link_libraries(bw_${NAME} ${SCOPE} bw_${USED_NAME})
  endforeach()
endfunction()

# bw_catalogue(ops DIR ops/catalogue): writes ops_catalogue.inc with one line BW_ITEM(stem) per .cpp file of the folder,
# sorted, and adds these files to the library bw_ops. Adding one item is adding one file.
function(bw_catalogue NAME)
  cmake_parse_arguments(ARG "" "DIR" "" ${ARGN})
  file(GLOB FILES CONFIGURE_DEPENDS ${bitwright_SOURCE_DIR}/src/${ARG_DIR}/*.cpp)
  list(SORT FILES)
  set(TEXT "")
  foreach(FILE ${FILES})
    get_filename_component(STEM ${FILE} NAME_WE)
    string(APPEND TEXT "BW_ITEM(${STEM})\n")
  endforeach()
  string(REPLACE "/" "_" FLAT ${NAME})
  get_filename_component(LAST ${ARG_DIR} NAME)
  set(OUT ${bitwright_BINARY_DIR}/generated/${FLAT}/${FLAT}_${LAST}.inc)
  file(CONFIGURE OUTPUT ${OUT} CONTENT "${TEXT}")
  target_sources(bw_${FLAT} PRIVATE ${FILES})
  target_include_directories(bw_${FLAT} PRIVATE ${bitwright_BINARY_DIR}/generated/${FLAT})
endfunction()

# bw_isa_flags(FILE avx512): FILE is compiled for that instruction set, with -O2 (see kernels/attributes.hpp).
function(bw_isa_flags FILE ISA)
  set(avx2 -mavx2 -mfma)
  set(avxvnni -mavx2 -mfma -mavxvnni)
  set(avx512 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512vnni -mprefer-vector-width=512)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    list(APPEND avx512 -Wno-maybe-uninitialized -Wno-uninitialized)  # g++ 12's own avx512fintrin.h
  endif()
  set(avx512vbmi ${avx512} -mavx512vbmi)
  set(amx ${avx512vbmi} -mamx-tile -mamx-int8)
  set_source_files_properties(${FILE} PROPERTIES COMPILE_OPTIONS "-O2;-fno-exceptions;${${ISA}}")
endfunction()

# bw_kernels(conv USES core dot): the family src/kernels/conv. A file named *_avx2.cpp, *_avxvnni.cpp, *_avx512.cpp,
# *_avx512vbmi.cpp or *_amx.cpp gets that instruction set's flags; on other processors it is left out, as in kernels.inc.
function(bw_kernels FAMILY)
  set(EXCLUDE "")
  if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set(EXCLUDE EXCLUDE "_avx" "_amx")
  endif()
  bw_folder(kernels/${FAMILY} ${ARGN} ${EXCLUDE})
  foreach(ISA avx2 avxvnni avx512 avx512vbmi amx)
    file(GLOB FILES ${bitwright_SOURCE_DIR}/src/kernels/${FAMILY}/*_${ISA}.cpp)
    foreach(FILE ${FILES})
      bw_isa_flags(${FILE} ${ISA})
    endforeach()
  endforeach()
endfunction()

# What a script calls to run a program: itself, or, built for another processor, a script that starts the emulator.
function(bw_runnable TARGET OUT)
  if(CMAKE_CROSSCOMPILING_EMULATOR)
    list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " EMULATOR)
    set(SCRIPT ${bitwright_BINARY_DIR}/emulated/${TARGET})
    get_property(KNOWN GLOBAL PROPERTY bw_runnable_${TARGET})
    set_property(GLOBAL PROPERTY bw_runnable_${TARGET} yes)
    set(${OUT} ${SCRIPT} PARENT_SCOPE)
    if(KNOWN)
      return()
    endif()
    file(GENERATE OUTPUT ${SCRIPT} CONTENT "#!/bin/sh\nexec ${EMULATOR} $<TARGET_FILE:${TARGET}> \"$@\"\n"
         FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  else()
    set(${OUT} $<TARGET_FILE:${TARGET}> PARENT_SCOPE)
  endif()
endfunction()
