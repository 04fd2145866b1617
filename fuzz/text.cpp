// The text form of a Model: what parses prints to a text that parses to the same.
#include "graph/text.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace bitwright;
  const PrintOptions all{.inline_elements = INT64_MAX};
  std::string printed;
  try {
    printed = print(parse_model({reinterpret_cast<const char*>(data), size}), all);
  } catch (const Error&) {
    return 0;
  }
  if (printed.find('#') != std::string::npos) return 0;  // a tensor that is not spelled out
  if (print(parse_model(printed), all) != printed) std::abort();
  return 0;
}
