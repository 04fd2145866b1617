#include "io/data/picture_check.hpp"

namespace bitwright {
namespace {

enum Marker : unsigned { kSof2 = 0xc2, kDht = 0xc4, kStart = 0xd8, kEnd = 0xd9, kSos = 0xda };

class JpegWalk {
 public:
  explicit JpegWalk(Bytes file) : file_(file) {}

  std::string_view fault() {
    at_ = 2;
    while (next_marker()) {
      if (marker_ == kEnd) return {};
      const size_t left = file_.size() - at_;
      if (left < 2) return "a segment is cut short";
      const size_t length = byte(at_) * 256 + byte(at_ + 1);
      if (length < 2 || length > left) return "a segment is cut short";
      const Bytes segment = file_.subspan(at_ + 2, length - 2);
      at_ += length;
      std::string_view fault;
      if (marker_ == kSof2) progressive_ = true;
      if (marker_ == kDht) fault = tables_fault(segment);
      if (marker_ == kSos) fault = scan_fault(segment);
      if (!fault.empty()) return fault;
    }
    return {};
  }

 private:
  unsigned byte(size_t i) const { return static_cast<unsigned>(file_[i]); }

  /// Moves behind the next marker; entropy-coded data with their stuffed zeros and restart markers are passed over.
  bool next_marker() {
    for (; at_ + 1 < file_.size(); ++at_) {
      marker_ = byte(at_ + 1);
      const bool is_restart = marker_ >= 0xd0 && marker_ <= 0xd7;
      if (byte(at_) != 0xff || marker_ == 0 || marker_ == 0xff || is_restart || marker_ == kStart) continue;
      at_ += 2;
      return true;
    }
    return false;
  }

  std::string_view tables_fault(Bytes segment) {
    while (segment.size() >= 17) {
      const auto head = static_cast<unsigned>(segment[0]);
      const unsigned kind = head >> 4, index = head & 15;
      size_t symbols = 0;
      for (size_t i = 1; i <= 16; ++i) symbols += static_cast<size_t>(segment[i]);
      if (kind > 1 || index > 3 || symbols > 256 || 17 + symbols > segment.size()) return "bad Huffman table";
      for (size_t i = 0; kind == 0 && i < symbols; ++i)
        if (static_cast<unsigned>(segment[17 + i]) > 15) return "bad Huffman table";  // bits of a difference
      defined_[kind][index] = symbols > 0;
      segment = segment.subspan(17 + symbols);
    }
    return segment.empty() ? "" : "bad Huffman table";
  }

  std::string_view scan_fault(Bytes segment) const {
    const size_t components = segment.empty() ? 0 : static_cast<size_t>(segment[0]);
    if (components < 1 || components > 4 || segment.size() != 4 + 2 * components) return "bad scan header";
    const bool has_dc = !progressive_ || segment[1 + 2 * components] == std::byte{0};
    const bool has_ac = !progressive_ || !has_dc;
    for (size_t i = 0; i < components; ++i) {
      const auto tables = static_cast<unsigned>(segment[2 + 2 * i]);
      if ((tables >> 4) > 3 || (tables & 15) > 3) return "bad scan header";
      if ((has_dc && !defined_[0][tables >> 4]) || (has_ac && !defined_[1][tables & 15]))
        return "a scan uses a Huffman table that is not there";
    }
    return {};
  }

  Bytes file_;
  size_t at_ = 0;
  unsigned marker_ = 0;
  bool progressive_ = false;
  bool defined_[2][4] = {};
};

std::string_view png_fault(Bytes file) {
  for (size_t at = 8; file.size() - at >= 12;) {
    const size_t length = big_endian32(file, at);
    if (length > file.size() - at - 12) return "a chunk is cut short";
    if (text_of(file.subspan(at + 4, 4)) == "IEND") break;
    at += 12 + length;
  }
  return {};
}

}  // namespace

std::string_view picture_fault(Bytes file) {
  const std::string_view head = text_of(file).substr(0, 8);
  if (head.substr(0, 2) == "\xff\xd8") return JpegWalk(file).fault();
  return head == "\x89PNG\r\n\x1a\n" ? png_fault(file) : std::string_view{};
}

}  // namespace bitwright
