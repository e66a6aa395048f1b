# Finds oneDNN 3 with its headers, where the Python that has torch has it (packages onednn-cpu-gomp and
# onednn-devel-cpu-gomp), or on the system, and offers it as the imported target OneDNN::dnnl. Optional: without it
# plans call oneDNN through libtorch's operators, which takes longer a call.
#
# Sets OneDNN_FOUND, OneDNN_VERSION, OneDNN_LIBRARY_DIR. Call it after Libtorch, which finds VITRAIL_PYTHON.

# Where the packages have their files, wherever they are installed.
set(_onednn_query "
import importlib.metadata as metadata
def folder(package, name):
    return next(str(f.locate().resolve().parent) for f in metadata.files(package) if f.name == name)
print(folder('onednn-devel-cpu-gomp', 'dnnl.hpp'), folder('onednn-cpu-gomp', 'libdnnl.so.3'), sep=';', end='')")
execute_process(COMMAND "${VITRAIL_PYTHON}" -c "${_onednn_query}" OUTPUT_VARIABLE _onednn_folders ERROR_QUIET)
find_path(OneDNN_INCLUDE_DIR dnnl.hpp HINTS ${_onednn_folders} NO_CMAKE_FIND_ROOT_PATH)
find_library(OneDNN_LIBRARY NAMES libdnnl.so.3 HINTS ${_onednn_folders} NO_CMAKE_FIND_ROOT_PATH)
mark_as_advanced(OneDNN_INCLUDE_DIR OneDNN_LIBRARY)

set(_onednn_numbers "${OneDNN_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h")
if(EXISTS "${_onednn_numbers}")
  file(READ "${_onednn_numbers}" _onednn_text)
  string(REGEX MATCH "DNNL_VERSION_MAJOR ([0-9]+)" _ "${_onednn_text}")
  set(OneDNN_VERSION "${CMAKE_MATCH_1}")
  string(REGEX MATCH "DNNL_VERSION_MINOR ([0-9]+)" _ "${_onednn_text}")
  string(APPEND OneDNN_VERSION ".${CMAKE_MATCH_1}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OneDNN REQUIRED_VARS OneDNN_LIBRARY OneDNN_INCLUDE_DIR VERSION_VAR OneDNN_VERSION)

if(OneDNN_FOUND AND NOT TARGET OneDNN::dnnl)
  get_filename_component(OneDNN_LIBRARY_DIR "${OneDNN_LIBRARY}" DIRECTORY)
  add_library(OneDNN::dnnl SHARED IMPORTED)
  set_target_properties(OneDNN::dnnl PROPERTIES IMPORTED_LOCATION "${OneDNN_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES
                                                                                      "${OneDNN_INCLUDE_DIR}")
endif()
