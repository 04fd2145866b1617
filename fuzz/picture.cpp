// JPEG and PNG from memory, small ones also resized and cropped.
#include "io/data/image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  try {
    Image image = decode_image(std::as_bytes(std::span(data, size)), "fuzz");
    Preprocess how;
    how.resize_short = 16;
    how.crop_height = how.crop_width = 16;
    if (image.pixels.size() < 100000) prepared(std::move(image), how, "fuzz");
  } catch (const Error&) {
  }
  return 0;
}
