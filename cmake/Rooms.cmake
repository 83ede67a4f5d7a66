# A room: one folder of src/, one static library, whose LINKS state what it may use.
add_library(shardmill_options INTERFACE)
target_compile_options(shardmill_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # False alarms of GCC 12 at -O3 in its own std::string and std::variant (GCC bugs 105651 and 105562).
  target_compile_options(shardmill_options INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
target_link_options(shardmill_options INTERFACE "LINKER:--as-needed")
# DT_RPATH instead of DT_RUNPATH: a compiled model package names libtorch.so without a path, and only DT_RPATH is also
# searched for what is loaded by dlopen from elsewhere.
add_link_options("LINKER:--disable-new-dtags")
if(SHARDMILL_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_compile_options(-g1)  # lines, for stack traces, without variables: compiles a sixth sooner
  add_link_options(-fsanitize=address,undefined)
endif()

function(shardmill_room name)
  cmake_parse_arguments(ARG "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cpp
    ${CMAKE_SOURCE_DIR}/src/${name}/*/*.cpp)
  add_library(shardmill_${name} STATIC ${sources})
  target_include_directories(shardmill_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(shardmill_${name} PRIVATE shardmill_options PUBLIC ${ARG_LINKS})
endfunction()
