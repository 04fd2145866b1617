// idx and idx.gz from memory: the first and the last element are touched.
#include "io/data/idx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  try {
    const IdxFile idx = read_idx({std::as_bytes(std::span(data, size)), {}, "fuzz"});
    if (idx.elements.empty()) return 0;
    volatile auto sum = static_cast<int>(idx.elements.front()) + static_cast<int>(idx.elements.back());
    static_cast<void>(sum);
  } catch (const Error&) {
  }
  return 0;
}
