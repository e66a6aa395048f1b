// PNG files. Their chunks carry checksums, which are set right after most changes: libpng reads little of a chunk whose
// sum is wrong.

#include <zlib.h>

#include <random>

#include "fuzz/image_target.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace {

/// A chunk: length, name, data, checksum of name and data; numbers are big-endian, of 4 bytes.
void correct_checksums(std::span<uint8_t> file) {
  constexpr size_t kSignature = 8, kNumber = 4;
  for (size_t at = kSignature; file.size() >= at + 3 * kNumber;) {
    size_t length = 0;
    for (size_t i = 0; i < kNumber; ++i) length = length << 8 | file[at + i];
    if (length > file.size() - at - 3 * kNumber) return;
    const uLong sum = crc32(0, file.data() + at + kNumber, static_cast<uInt>(kNumber + length));
    at += 2 * kNumber + length;
    for (size_t i = 0; i < kNumber; ++i) file[at + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    at += kNumber;
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (std::minstd_rand(seed)() % 16 != 0) correct_checksums({data, size});
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  vitrail::testing::decode(vitrail::decode_png, data, size);
  return 0;
}
