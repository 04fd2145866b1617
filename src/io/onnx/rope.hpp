// A protobuf message under construction whose large tensors are not copied: pieces of encoded text alternate with views
// of tensors, and only their lengths are added up (protobuf wants the length of a message before its contents).
#pragma once

#include "core/mapped_file.hpp"
#include "core/spill.hpp"
#include "core/tensor.hpp"
#include "io/onnx/protozero.hpp"

namespace bitwright::onnx {

class Rope {
 public:
  /// The small fields go here: writer().add_string(tag, text).
  protozero::pbf_writer writer() { return protozero::pbf_writer(open_text()); }
  void append(std::string_view encoded) { open_text().append(encoded); }
  /// A length-delimited field that holds the tensor's memory.
  void add_tensor(uint32_t tag, const Tensor& tensor) {
    head(tag, tensor.bytes());
    pieces_.push_back({{}, tensor});
  }
  void add_message(uint32_t tag, Rope&& message) {
    head(tag, message.size());
    for (Piece& piece : message.pieces_) {
      if (piece.tensor.empty()) {
        open_text() += piece.text;
      } else {
        pieces_.push_back(std::move(piece));
      }
    }
  }
  size_t size() const {
    size_t bytes = 0;
    for (const Piece& piece : pieces_) bytes += piece.tensor.empty() ? piece.text.size() : piece.tensor.bytes();
    return bytes;
  }
  void write_to(FileWriter& file) const {
    for (const Piece& piece : pieces_) {
      if (piece.tensor.empty()) {
        file.write(piece.text);
      } else {
        write_tensor(piece.tensor, file);
      }
    }
  }
  /// In slices, so that neither the writer's buffer nor the pages of a mapped tensor ever hold a whole one.
  static void write_tensor(const Tensor& tensor, FileWriter& file) {
    constexpr size_t kSlice = size_t{1} << 20;
    for (size_t at = 0; at < tensor.bytes(); at += kSlice) {
      const size_t bytes = std::min(kSlice, tensor.bytes() - at);
      file.write(tensor.raw() + at, bytes);
      forget_pages(tensor.raw() + at, bytes);
    }
  }

 private:
  struct Piece {
    std::string text;
    Tensor tensor;
  };
  std::vector<Piece> pieces_;

  std::string& open_text() {
    if (pieces_.empty() || !pieces_.back().tensor.empty()) pieces_.emplace_back();
    return pieces_.back().text;
  }
  void head(uint32_t tag, size_t length) {
    constexpr uint32_t kLengthDelimited = 2;
    std::string& text = open_text();
    protozero::add_varint_to_buffer(&text, (tag << 3) | kLengthDelimited);
    protozero::add_varint_to_buffer(&text, length);
  }
};

}  // namespace bitwright::onnx
