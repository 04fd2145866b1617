// An .npz is a zip of .npy files: local headers with the data, then the directory (PKWARE APPNOTE 6.3), nothing compressed.
#include "io/data/array_file.hpp"
#include "io/data/inflate.hpp"

namespace bitwright {
namespace {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);  // every machine this builds for is little-endian
}

std::string_view descr_of(DType type) {
  switch (type) {
    case DType::f32: return "<f4";
    case DType::f64: return "<f8";
    case DType::f16: return "<f2";
    case DType::i64: return "<i8";
    case DType::i32: return "<i4";
    case DType::i16: return "<i2";
    case DType::i8: return "|i1";
    case DType::u64: return "<u8";
    case DType::u32: return "<u4";
    case DType::u16: return "<u2";
    case DType::u8: return "|u1";
    case DType::boolean: return "|b1";
    default: return {};
  }
}

/// Version 1.0: the data start at a multiple of 64 bytes.
std::string npy_header(const Tensor& tensor) {
  std::string shape;
  for (const int64_t extent : tensor.shape()) shape += str(extent, ",");
  std::string text = str("{'descr': '", descr_of(tensor.dtype()), "', 'fortran_order': False, 'shape': (", shape, "), }");
  constexpr size_t kBefore = 10;
  text.append(63 - (kBefore + text.size()) % 64, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  put(header, static_cast<uint16_t>(text.size()));
  return header + text;
}

struct Member {
  std::string name;
  uint32_t crc = 0, bytes = 0, at = 0;
};

/// What a local header and a directory entry say alike: version 2.0, UTF-8 name, stored, 1 January 1980.
void put_common(std::string& out, const Member& m) {
  put(out, uint16_t{20}), put(out, uint16_t{0x0800}), put(out, uint16_t{0}), put(out, uint16_t{0}), put(out, uint16_t{0x21});
  put(out, m.crc), put(out, m.bytes), put(out, m.bytes);
  put(out, static_cast<uint16_t>(m.name.size())), put(out, uint16_t{0});
}

std::string local_header(const Member& m) {
  std::string out;
  put(out, uint32_t{0x04034b50});
  put_common(out, m);
  return out + m.name;
}

std::string directory_entry(const Member& m) {
  std::string out;
  put(out, uint32_t{0x02014b50}), put(out, uint16_t{20});
  put_common(out, m);
  put(out, uint16_t{0}), put(out, uint16_t{0}), put(out, uint16_t{0}), put(out, uint32_t{0}), put(out, m.at);
  return out + m.name;
}

std::string end_of_directory(size_t members, size_t bytes, size_t at) {
  std::string out;
  put(out, uint32_t{0x06054b50}), put(out, uint16_t{0}), put(out, uint16_t{0});
  put(out, static_cast<uint16_t>(members)), put(out, static_cast<uint16_t>(members));
  put(out, static_cast<uint32_t>(bytes)), put(out, static_cast<uint32_t>(at)), put(out, uint16_t{0});
  return out;
}

Tensor as_numpy_knows(const NamedTensor& array, const std::string& path) {
  if (array.tensor.dtype() == DType::string)
    fail(ErrorCode::unsupported, path, ": array '", array.name, "' holds strings, which are not written");
  return descr_of(array.tensor.dtype()).empty() ? to_f32(array.tensor) : array.tensor;
}

}  // namespace

void write_npz(const std::string& path, std::span<const NamedTensor> arrays) {
  constexpr size_t kMost = 0xffffffff - 0xffff;  // without zip64
  FileWriter file(path);
  std::string directory;
  for (const NamedTensor& array : arrays) {
    const Tensor tensor = as_numpy_knows(array, path);
    std::string bytes = npy_header(tensor);
    if (tensor.bytes() > kMost || file.written() + bytes.size() + tensor.bytes() > kMost)
      fail(ErrorCode::unsupported, path, ": would be larger than 4 GB, which is not written; select fewer records");
    if (tensor.bytes() > 0) bytes.append(reinterpret_cast<const char*>(tensor.raw()), tensor.bytes());
    const Member member{array.name + ".npy", crc32(std::as_bytes(std::span(bytes))), static_cast<uint32_t>(bytes.size()),
                        static_cast<uint32_t>(file.written())};
    file.write(local_header(member));
    file.write(bytes);
    directory += directory_entry(member);
  }
  const size_t at = file.written();
  file.write(directory);
  file.write(end_of_directory(arrays.size(), directory.size(), at));
  file.commit();
}

}  // namespace bitwright
