# The target bw_onednn: oneDNN 3.2 or newer for float operators, or an empty interface when there is none. Code asks
# `#ifdef BITWRIGHT_WITH_ONEDNN`. It is searched in BITWRIGHT_CACHE/onednn (where `./dev setup` unpacks the PyPI wheels), then
# in the system. The library's own needs are libgomp and the C and C++ runtimes; programs in build/ find it by rpath.

# Downloads lie in .cache of the checkout; worktrees of one repository share the cache of the first.
set(DEFAULT_CACHE ${bitwright_SOURCE_DIR}/.cache)
execute_process(COMMAND git -C ${bitwright_SOURCE_DIR} rev-parse --path-format=absolute --git-common-dir
                OUTPUT_VARIABLE GIT_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(GIT_DIR MATCHES "^(.*)/[.]git$")
  set(DEFAULT_CACHE ${CMAKE_MATCH_1}/.cache)
endif()
if(DEFINED ENV{BITWRIGHT_CACHE})
  set(DEFAULT_CACHE $ENV{BITWRIGHT_CACHE})
endif()
set(BITWRIGHT_CACHE ${DEFAULT_CACHE} CACHE PATH "Where ./dev keeps what it downloads")

add_library(bw_onednn INTERFACE)
if(BITWRIGHT_ONEDNN)
  find_package(dnnl 3.2 CONFIG QUIET HINTS ${BITWRIGHT_CACHE}/onednn)
endif()
if(TARGET DNNL::dnnl)
  target_link_libraries(bw_onednn INTERFACE DNNL::dnnl gomp)
  target_compile_definitions(bw_onednn INTERFACE BITWRIGHT_WITH_ONEDNN)
  message(STATUS "oneDNN ${dnnl_VERSION}: ${dnnl_DIR}")
elseif(BITWRIGHT_ONEDNN)
  message(STATUS "oneDNN 3.2 not found: float operators use our own loops (./dev setup fetches it)")
else()
  message(STATUS "oneDNN is switched off: float operators use our own loops")
endif()
