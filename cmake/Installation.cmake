# `cmake --install build/<preset> --prefix DIR` makes a folder that can be moved: the front finds the rank and the
# profiles by their place beside it, so these three destinations are fixed. LibTorch, MPI and HDF5 stay where they are
# and are found by the absolute paths that the programs were linked with.
set(_share share/shardmill)
set(_doc share/doc/shardmill)

foreach(program front rank)
  if(TARGET shardmill_${program})
    set_target_properties(shardmill_${program} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
  endif()
endforeach()
if(TARGET shardmill_front)
  install(TARGETS shardmill_front RUNTIME DESTINATION bin)
endif()
if(TARGET shardmill_rank)
  install(TARGETS shardmill_rank RUNTIME DESTINATION libexec/shardmill)
endif()

# Job files name their data relative to the folder that holds jobs/ and data/. What is made on the spot
# (data/generated) is not installed.
file(GLOB _jobs CONFIGURE_DEPENDS jobs/*.yaml)
file(GLOB _data CONFIGURE_DEPENDS data/*.h5 data/*.pt data/*.pt2 data/*.txt data/*.md)
install(FILES ${_jobs} DESTINATION ${_share}/jobs)
install(FILES ${_data} DESTINATION ${_share}/data)
install(DIRECTORY configs/ DESTINATION ${_share}/configs)
if(EXISTS ${PROJECT_SOURCE_DIR}/slurm)
  install(DIRECTORY slurm/ DESTINATION ${_share}/slurm USE_SOURCE_PERMISSIONS)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/docs)
  install(DIRECTORY docs/ DESTINATION ${_doc} FILES_MATCHING PATTERN "*.md" PATTERN "*.svg")
endif()
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${_doc} OPTIONAL)
