// The few messages of onnx.proto that a small model takes, with their field numbers: for what no writer of ours makes.
#pragma once

#include "core/error.hpp"
#include "io/onnx/onnx.hpp"

namespace bitwright::model_bytes {

inline std::string varint(uint64_t n) {
  std::string out;
  for (; n > 127; n >>= 7) out += static_cast<char>((n & 127) | 128);
  return out + static_cast<char>(n);
}
inline std::string field(int number, uint64_t n) { return varint(static_cast<uint64_t>(number) << 3) + varint(n); }
inline std::string field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
inline std::string int_attribute(const std::string& name, int64_t i) { return field(5, field(1, name) + field(3, static_cast<uint64_t>(i)) + field(20, 2)); }
inline std::string text_attribute(const std::string& name, const std::string& s) { return field(5, field(1, name) + field(4, s) + field(20, 3)); }
inline std::string node(const std::string& op, const std::vector<std::string>& inputs, const std::string& rest) {
  std::string out;
  for (const std::string& input : inputs) out += field(1, input);
  return field(1, out + field(2, "y") + field(3, "n") + field(4, op) + rest);
}
inline std::string tensor(const std::string& name, const Tensor& t) {
  std::string dims;
  for (const int64_t d : t.shape()) dims += field(1, static_cast<uint64_t>(d));
  return field(5, dims + field(2, 1) + field(8, name) + field(9, std::string(reinterpret_cast<const char*>(t.raw()), t.bytes())));
}
inline std::string value(const std::string& name, const Shape& shape) {
  std::string dims;
  for (const int64_t d : shape) dims += field(1, field(1, static_cast<uint64_t>(d)));
  return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)));
}
inline std::string model(int opset, const std::string& nodes, const Shape& x, const std::string& tensors) {
  return field(1, 3) + field(7, nodes + field(2, "g") + tensors + field(11, value("x", x)) + field(12, field(1, "y"))) +
         field(8, field(1, "") + field(2, static_cast<uint64_t>(opset)));
}

/// The bytes must outlive the model.
inline Model read(const std::string& bytes) { return read_onnx(std::as_bytes(std::span(bytes.data(), bytes.size())), "old.onnx"); }
inline std::string refusal(const std::string& bytes) {
  try {
    read(bytes);
  } catch (const Error& e) {
    return e.what();
  }
  return "read";
}

}  // namespace bitwright::model_bytes
