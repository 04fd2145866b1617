#include "io/data/png_check.hpp"

namespace bitwright {

std::string_view png_fault(Bytes file) {
  for (size_t at = 8; at < file.size();) {
    if (file.size() - at < 12) return "a chunk is cut short";
    const size_t length = big_endian32(file, at);
    if (length > file.size() - at - 12) return "a chunk is cut short";
    if (text_of(file.subspan(at + 4, 4)) == "IEND") break;
    at += 12 + length;
  }
  return {};
}

}  // namespace bitwright
