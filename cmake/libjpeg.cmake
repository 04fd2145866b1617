# The target bw_libjpeg: libjpeg-turbo as a static library, so that programs still link nothing but the C and C++ runtime.
# Debian's package libjpeg62-turbo-dev has it; ./dev unpacks the one of the other processor into BITWRIGHT_CACHE/aarch64
# for the cross build. Linked statically, its symbols stay inside (oneDNN and other libraries do not see them).
find_library(BITWRIGHT_LIBJPEG libjpeg.a HINTS ${BITWRIGHT_CACHE}/${CMAKE_SYSTEM_PROCESSOR}/usr
             PATH_SUFFIXES lib/${CMAKE_SYSTEM_PROCESSOR}-linux-gnu NO_CMAKE_FIND_ROOT_PATH)
find_path(BITWRIGHT_LIBJPEG_INCLUDE jpeglib.h HINTS ${BITWRIGHT_CACHE}/${CMAKE_SYSTEM_PROCESSOR}/usr/include
          NO_CMAKE_FIND_ROOT_PATH)
find_path(BITWRIGHT_LIBJPEG_CONFIG jconfig.h HINTS ${BITWRIGHT_CACHE}/${CMAKE_SYSTEM_PROCESSOR}/usr/include
          PATH_SUFFIXES ${CMAKE_SYSTEM_PROCESSOR}-linux-gnu NO_CMAKE_FIND_ROOT_PATH)
if(NOT BITWRIGHT_LIBJPEG OR NOT BITWRIGHT_LIBJPEG_INCLUDE OR NOT BITWRIGHT_LIBJPEG_CONFIG)
  message(FATAL_ERROR "libjpeg.a, jpeglib.h and jconfig.h were not found: install libjpeg62-turbo-dev (./dev setup does)")
endif()
add_library(bw_libjpeg INTERFACE)
target_link_libraries(bw_libjpeg INTERFACE ${BITWRIGHT_LIBJPEG})
target_include_directories(bw_libjpeg SYSTEM INTERFACE $<BUILD_INTERFACE:${BITWRIGHT_LIBJPEG_INCLUDE}>
                           $<BUILD_INTERFACE:${BITWRIGHT_LIBJPEG_CONFIG}>)
