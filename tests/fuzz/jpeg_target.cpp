// JPEG files.

#include "fuzz/image_target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vitrail::testing::decode(vitrail::decode_jpeg, data, size);
  return 0;
}
