# Finds libtorch through the Python that has it and offers it as the imported target
# vitrail::torch. torch's own CMake package is not used: it fails for a CUDA build of the
# wheel on a machine without the CUDA toolkit, and drags in flags that we do not need.
#
#   VITRAIL_PYTHON         the interpreter to ask; default: .venv beside the sources, then python3
#   Libtorch_INCLUDE_LINK  optional: a link to make to the headers, and to compile with. Compiler caches then know files
#                          again that are built with another copy of the same torch.
#
# Sets Libtorch_FOUND, Libtorch_VERSION, Libtorch_LIBRARY_DIR, Libtorch_INCLUDE_DIR; and Libtorch_CUDA_INCLUDE_DIRS, the
# headers of CUDA's runtime, where libtorch is a CUDA build and they are all there: in the packages nvidia-cuda-runtime
# and nvidia-cuda-crt beside it, or in the toolkit.

if(NOT VITRAIL_PYTHON)
  find_program(VITRAIL_PYTHON NAMES python3 PATHS "${CMAKE_SOURCE_DIR}/.venv/bin" NO_DEFAULT_PATH)
  find_program(VITRAIL_PYTHON NAMES python3)
endif()

set(_libtorch_query
    "import torch, pathlib; root = pathlib.Path(torch.__file__).parent; print(root, torch.__version__.split('+')[0], int(torch._C._GLIBCXX_USE_CXX11_ABI), sep=';', end='')")
if(VITRAIL_PYTHON)
  execute_process(COMMAND "${VITRAIL_PYTHON}" -c "${_libtorch_query}"
                  OUTPUT_VARIABLE _libtorch_answer RESULT_VARIABLE _libtorch_status ERROR_VARIABLE _libtorch_error)
else()
  set(_libtorch_status "no python3 found")
endif()

if(_libtorch_status EQUAL 0)
  list(GET _libtorch_answer 0 Libtorch_ROOT)
  list(GET _libtorch_answer 1 Libtorch_VERSION)
  list(GET _libtorch_answer 2 _libtorch_abi)
  set(Libtorch_LIBRARY_DIR "${Libtorch_ROOT}/lib")
  set(Libtorch_INCLUDE_DIR "${Libtorch_ROOT}/include")
  if(Libtorch_INCLUDE_LINK)
    file(CREATE_LINK "${Libtorch_INCLUDE_DIR}" "${Libtorch_INCLUDE_LINK}" SYMBOLIC)
    set(Libtorch_INCLUDE_DIR "${Libtorch_INCLUDE_LINK}")
  endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(
  Libtorch
  REQUIRED_VARS Libtorch_LIBRARY_DIR Libtorch_INCLUDE_DIR
  VERSION_VAR Libtorch_VERSION
  REASON_FAILURE_MESSAGE
    "${VITRAIL_PYTHON} has no torch (${_libtorch_status}). Run scripts/setup, or set VITRAIL_PYTHON to a Python that has torch 2.13. ${_libtorch_error}")

if(Libtorch_FOUND AND NOT TARGET vitrail::torch)
  foreach(name c10 torch_cpu)
    add_library(vitrail::${name} SHARED IMPORTED)
    set_target_properties(vitrail::${name} PROPERTIES IMPORTED_LOCATION "${Libtorch_LIBRARY_DIR}/lib${name}.so")
  endforeach()
  add_library(vitrail::torch INTERFACE IMPORTED)
  # After every other folder: the wheel carries an old protobuf that would hide the system's.
  target_compile_options(vitrail::torch INTERFACE "SHELL:-idirafter \"${Libtorch_INCLUDE_DIR}\""
                                                  "SHELL:-idirafter \"${Libtorch_INCLUDE_DIR}/torch/csrc/api/include\"")
  target_compile_definitions(vitrail::torch INTERFACE _GLIBCXX_USE_CXX11_ABI=${_libtorch_abi} FMT_HEADER_ONLY=1
                             AT_PER_OPERATOR_HEADERS)  # else TensorOperators.h draws in every operator
  target_link_libraries(vitrail::torch INTERFACE vitrail::torch_cpu vitrail::c10)
  # A CUDA build registers its kernels when this library is loaded; nothing refers to it by symbol.
  if(EXISTS "${Libtorch_LIBRARY_DIR}/libtorch_cuda.so")
    target_link_libraries(vitrail::torch INTERFACE -Wl,--no-as-needed "${Libtorch_LIBRARY_DIR}/libtorch_cuda.so"
                                                   "${Libtorch_LIBRARY_DIR}/libc10_cuda.so" -Wl,--as-needed)
    file(GLOB _libtorch_cuda "${Libtorch_ROOT}/../nvidia/cu*/include" "${Libtorch_ROOT}/../nvidia/cuda_runtime/include")
    set(_libtorch_places HINTS ${_libtorch_cuda} ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES include)
    find_path(Libtorch_CUDA_RUNTIME_DIR cuda_runtime.h ${_libtorch_places})
    find_path(Libtorch_CUDA_CRT_DIR crt/host_config.h ${_libtorch_places})
    mark_as_advanced(Libtorch_CUDA_RUNTIME_DIR Libtorch_CUDA_CRT_DIR)
    if(Libtorch_CUDA_RUNTIME_DIR AND Libtorch_CUDA_CRT_DIR)
      set(Libtorch_CUDA_INCLUDE_DIRS "${Libtorch_CUDA_RUNTIME_DIR}" "${Libtorch_CUDA_CRT_DIR}")
      list(REMOVE_DUPLICATES Libtorch_CUDA_INCLUDE_DIRS)
    endif()
  endif()
endif()
