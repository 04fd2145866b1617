// Changes protobuf messages as messages: fields are dropped, doubled, swapped, taken over from another message, numbers
// and words replaced, and the lengths around them stay right. Without this nearly every mutation of an ONNX file breaks
// a length and ends in the reader.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/onnx/protozero.hpp"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace bitwright {

class ProtobufMutator {
 public:
  /// `words` replace short texts; there must be at least one.
  ProtobufMutator(unsigned seed, std::span<const std::string_view> words) : random_(seed), words_(words) {}

  void mutate(std::string& message, int depth = 0) {
    std::vector<Field> fields = parse(message);
    if (fields.empty() || (depth > 0 && chance(6))) return mutate_leaf(message);
    const size_t at = below(fields.size());
    Field& field = fields[at];
    switch (below(8)) {
      case 0: fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(at)); break;
      case 1: fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(below(fields.size())), Field(field)); break;
      case 2: std::swap(field, fields[below(fields.size())]); break;
      default: field.nested() ? mutate(field.bytes, depth + 1) : mutate_number(field);
    }
    message = encode(fields);
  }

  /// One field of `b`, or of a message inside it, becomes a field of the message at the same place of `a`.
  void cross(std::string& a, std::string_view b) {
    std::vector<Field> mine = parse(a), theirs = parse(b);
    if (theirs.empty()) return;
    const Field& taken = theirs[below(theirs.size())];
    std::vector<Field*> same;
    for (Field& field : mine)
      if (field.key == taken.key && field.nested()) same.push_back(&field);
    if (!same.empty() && !chance(3)) {
      cross(same[below(same.size())]->bytes, taken.bytes);
    } else {
      mine.insert(mine.begin() + static_cast<std::ptrdiff_t>(below(mine.size() + 1)), taken);
    }
    a = encode(mine);
  }

 private:
  struct Field {
    uint32_t key = 0;   // number and wire type
    std::string bytes;  // of the value, without its length
    bool nested() const { return (key & 7) == static_cast<uint32_t>(protozero::pbf_wire_type::length_delimited); }
    bool is_varint() const { return (key & 7) == static_cast<uint32_t>(protozero::pbf_wire_type::varint); }
  };

  size_t below(size_t n) { return random_() % n; }
  bool chance(size_t one_in) { return below(one_in) == 0; }

  /// Empty if these bytes are no message.
  static std::vector<Field> parse(std::string_view bytes) {
    std::vector<Field> fields;
    try {
      for (protozero::pbf_reader reader(bytes.data(), bytes.size()); reader.next();) {
        Field field{(static_cast<uint32_t>(reader.tag()) << 3) | static_cast<uint32_t>(reader.wire_type()), {}};
        const char* begin = reader.data().data();
        if (field.nested()) {
          const auto view = reader.get_view();
          field.bytes.assign(view.data(), view.size());
        } else {
          reader.skip();
          field.bytes.assign(begin, reader.data().data());
        }
        fields.push_back(std::move(field));
      }
    } catch (const protozero::exception&) {
      return {};
    }
    return fields;
  }

  static std::string encode(const std::vector<Field>& fields) {
    std::string out;
    for (const Field& field : fields) {
      protozero::add_varint_to_buffer(&out, field.key);
      if (field.nested()) protozero::add_varint_to_buffer(&out, field.bytes.size());
      out += field.bytes;
    }
    return out;
  }

  void mutate_number(Field& field) {
    if (!field.is_varint()) return mutate_bytes(field.bytes, field.bytes.size());
    uint64_t value = random_() % 20;
    if (chance(4)) value = uint64_t{1} << below(64);
    if (chance(4)) value = ~value + 1;
    field.bytes.clear();
    protozero::add_varint_to_buffer(&field.bytes, value);
  }

  void mutate_leaf(std::string& bytes) {
    if (bytes.size() < 32 && chance(2)) {
      bytes = words_[below(words_.size())];
    } else {
      mutate_bytes(bytes, bytes.size() + 16);
    }
  }

  static void mutate_bytes(std::string& bytes, size_t most) {
    const size_t size = bytes.size();
    bytes.resize(std::max<size_t>(most, 1));
    bytes.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t*>(bytes.data()), size, bytes.size()));
  }

  std::minstd_rand random_;
  std::span<const std::string_view> words_;
};

}  // namespace bitwright
