// The .npy header: a magic, a version, a length and a Python dictionary with descr, fortran_order and shape.
#include <charconv>

#include "io/data/array_file.hpp"

namespace bitwright {
namespace {

/// Reads the few Python literals that the header may hold.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  void read(std::string& descr, bool& fortran, Shape& shape) {
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        descr = quoted();
      } else if (key == "fortran_order") {
        fortran = boolean();
      } else if (key == "shape") {
        shape = tuple();
        has_shape_ = true;
      } else {
        refuse();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (descr.empty() || !has_shape_) refuse();
  }

 private:
  [[noreturn]] void refuse() const { fail(ErrorCode::malformed, where_, ": the npy header is damaged"); }
  void skip_spaces() {
    while (!text_.empty() && (text_[0] == ' ' || text_[0] == '\n' || text_[0] == '\t')) text_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_spaces();
    if (text_.empty() || text_[0] != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) refuse();
  }
  std::string quoted() {
    skip_spaces();
    if (!text_.empty() && text_[0] == '[')
      fail(ErrorCode::unsupported, where_, ": structured arrays are not read; save plain ones");
    const char quote = accept('"') ? '"' : (expect('\''), '\'');
    const size_t end = text_.find(quote);
    if (end == std::string_view::npos) refuse();
    const std::string out(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return out;
  }
  bool boolean() {
    skip_spaces();
    const bool yes = text_.substr(0, 4) == "True";
    if (!yes && text_.substr(0, 5) != "False") refuse();
    text_.remove_prefix(yes ? 4 : 5);
    return yes;
  }
  Shape tuple() {
    constexpr size_t kMostAxes = 32;
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_spaces();
      int64_t extent = -1;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (error != std::errc() || extent < 0 || shape.size() == kMostAxes) refuse();
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  const std::string& where_;
  bool has_shape_ = false;
};

DType type_of(const std::string& descr, const std::string& where) {
  struct Name {
    std::string_view descr;
    DType type;
  };
  static constexpr Name names[] = {{"f4", DType::f32}, {"f8", DType::f64}, {"f2", DType::f16}, {"i8", DType::i64},
                                   {"i4", DType::i32}, {"i2", DType::i16}, {"i1", DType::i8},  {"u8", DType::u64},
                                   {"u4", DType::u32}, {"u2", DType::u16}, {"u1", DType::u8},  {"b1", DType::boolean}};
  if (descr[0] == '>')
    fail(ErrorCode::unsupported, where, ": is big-endian (", descr, "); save a.astype(a.dtype.newbyteorder('<'))");
  for (const Name& name : names)
    if ((descr[0] == '<' || descr[0] == '|' || descr[0] == '=') && std::string_view(descr).substr(1) == name.descr)
      return name.type;
  fail(ErrorCode::unsupported, where, ": elements of NumPy type '", descr, "' are not read");
}

}  // namespace

Array parse_npy(Bytes file, std::shared_ptr<const void> keep, const std::string& where) {
  const std::string_view text = text_of(file);
  if (text.substr(0, 6) != "\x93NUMPY" || text.size() < 10) fail(ErrorCode::malformed, where, ": is not an npy file");
  const int version = text[6];
  if (version < 1 || version > 3) fail(ErrorCode::unsupported, where, ": npy version ", version, " is not known");
  const size_t start = version == 1 ? 10 : 12;
  if (text.size() < start) fail(ErrorCode::malformed, where, ": ends inside the npy header");
  const size_t length = version == 1 ? little_endian<uint16_t>(file, 8) : little_endian<uint32_t>(file, 8);
  if (length > text.size() - start) fail(ErrorCode::malformed, where, ": ends inside the npy header");
  std::string descr;
  bool fortran = false;
  Array array;
  HeaderParser(text.substr(start, length), where).read(descr, fortran, array.shape);
  if (fortran && array.shape.size() > 1)
    fail(ErrorCode::unsupported, where, ": is in Fortran order; save numpy.ascontiguousarray(a)");
  array.type = type_of(descr, where);
  array.elements = file.subspan(start + length);
  array.keep = std::move(keep);
  unsigned __int128 wanted = static_cast<unsigned>(bits_of(array.type) / 8);
  for (const int64_t extent : array.shape) {
    wanted *= static_cast<uint64_t>(extent);
    if (wanted > UINT64_MAX) break;  // later extents of 0 do not make it a sane file
  }
  if (wanted != array.elements.size())
    fail(ErrorCode::malformed, where, ": an array of shape ", to_string(array.shape), " and type ",
         name_of(array.type), " does not take the ", array.elements.size(), " bytes that are there");
  return array;
}

}  // namespace bitwright
