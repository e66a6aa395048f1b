# The official ONNX schema, compiled from the onnx-ml.proto that the pinned `onnx` package ships.
# Debian's protobuf headers must come before torch's include folder, which carries an older copy.
execute_process(
  COMMAND "${VITRAIL_PYTHON}" -c "import importlib.util, pathlib; print(pathlib.Path(importlib.util.find_spec('onnx').origin).parent / 'onnx-ml.proto', end='')"
  OUTPUT_VARIABLE onnx_proto RESULT_VARIABLE onnx_proto_status ERROR_QUIET)
if(NOT onnx_proto_status EQUAL 0 OR NOT EXISTS "${onnx_proto}")
  message(FATAL_ERROR "${VITRAIL_PYTHON} has no onnx package (its onnx-ml.proto is the schema). Run scripts/setup.")
endif()
set(onnx_schema_dir "${CMAKE_BINARY_DIR}/onnx_schema")
file(MAKE_DIRECTORY "${onnx_schema_dir}")
configure_file("${onnx_proto}" "${onnx_schema_dir}/onnx-ml.proto" COPYONLY)
add_custom_command(
  OUTPUT "${onnx_schema_dir}/onnx-ml.pb.cc" "${onnx_schema_dir}/onnx-ml.pb.h"
  COMMAND protobuf::protoc --proto_path "${onnx_schema_dir}" --cpp_out "${onnx_schema_dir}" "${onnx_schema_dir}/onnx-ml.proto"
  DEPENDS "${onnx_schema_dir}/onnx-ml.proto"
  COMMENT "Compiling the ONNX schema")
add_library(vitrail_onnx_schema STATIC "${onnx_schema_dir}/onnx-ml.pb.cc")
target_include_directories(vitrail_onnx_schema BEFORE PUBLIC "${onnx_schema_dir}" ${Protobuf_INCLUDE_DIRS})
target_compile_options(vitrail_onnx_schema PRIVATE -w)
target_link_libraries(vitrail_onnx_schema PUBLIC protobuf::libprotobuf)
