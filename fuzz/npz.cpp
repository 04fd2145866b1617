// .npz and .npy from memory: every array read whole.
#include <numeric>

#include "io/data/array_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  const Bytes bytes = std::as_bytes(std::span(data, size));
  try {
    const bool npy = size > 0 && data[0] == 0x93;
    auto arrays = npy ? std::vector<Array>{parse_npy(bytes, {}, "fuzz")} : parse_npz({bytes, {}, "fuzz"});
    const auto set = array_dataset(std::move(arrays), {}, "fuzz");
    if (set->size() == 0) return 0;
    set->batch(0, set->size());
    set->batch(set->size() - 1, 1);
  } catch (const Error&) {
  }
  return 0;
}
