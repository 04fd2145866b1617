#include <cstring>

#include "core/mapped_file.hpp"
#include "io/onnx/onnx.hpp"
#include "io/onnx/proto.hpp"

namespace bitwright::onnx {
namespace {

namespace field = tensor_field;

struct Parts {
  std::vector<int64_t> dims;
  int64_t type = 0, location = 0;
  std::string name;
  protozero::data_view raw;
  bool has_raw = false;
  std::vector<int64_t> int32s, int64s, uint64s;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::string> strings;
  std::vector<std::pair<std::string, std::string>> external;
};

template <class T>
void read_fixed(protozero::pbf_reader& message, std::vector<T>& out) {
  if (message.has_wire_type(protozero::pbf_wire_type::length_delimited)) {
    const auto view = message.get_view();
    if (view.size() % sizeof(T) != 0) fail(ErrorCode::malformed, "a packed field has a torn element");
    const size_t old = out.size();
    out.resize(old + view.size() / sizeof(T));
    if (view.size() > 0) std::memcpy(out.data() + old, view.data(), view.size());
  } else if constexpr (sizeof(T) == 4) {
    out.push_back(message.get_float());
  } else {
    out.push_back(message.get_double());
  }
}

std::pair<std::string, std::string> read_entry(protozero::pbf_reader message) {
  std::pair<std::string, std::string> entry;
  while (message.next()) {
    switch (message.tag()) {
      case entry_field::key: entry.first = text(message); break;
      case entry_field::value: entry.second = text(message); break;
      default: message.skip();
    }
  }
  return entry;
}

Parts read_parts(protozero::pbf_reader& message) {
  Parts p;
  while (message.next()) {
    switch (message.tag()) {
      case field::dims: read_ints(message, p.dims); break;
      case field::data_type: p.type = message.get_int32(); break;
      case field::name: p.name = text(message); break;
      case field::raw_data: p.raw = message.get_view(), p.has_raw = true; break;
      case field::float_data: read_fixed(message, p.floats); break;
      case field::double_data: read_fixed(message, p.doubles); break;
      case field::int32_data: read_ints(message, p.int32s); break;
      case field::int64_data: read_ints(message, p.int64s); break;
      case field::uint64_data: read_ints(message, p.uint64s); break;
      case field::string_data: p.strings.push_back(text(message)); break;
      case field::external_data: p.external.push_back(read_entry(message.get_message())); break;
      case field::data_location: p.location = message.get_int32(); break;
      case field::segment: fail(ErrorCode::unsupported, "segmented tensors are not supported");
      default: message.skip();
    }
  }
  return p;
}

[[noreturn]] void bad(const Parts& p, std::string_view what) {
  fail(ErrorCode::malformed, "tensor '", p.name, "' ", to_string(p.dims), ": ", what);
}

int64_t checked_elements(const Parts& p, DType type) {
  try {
    return Tensor::described(type, p.dims).elements();
  } catch (const Error& e) {
    bad(p, e.what());
  }
}

constexpr size_t kLarge = size_t{256} << 10;  // bytes: worth pages of a file

Tensor from_bytes(const Parts& p, DType type, const std::byte* data, size_t size, const std::shared_ptr<const void>& keep,
                  SpillFile& copies) {
  const int64_t elements = checked_elements(p, type);
  const size_t bytes = (static_cast<size_t>(elements) * static_cast<size_t>(bits_of(type)) + 7) / 8;
  if (size != bytes)
    bad(p, str("has ", size, " bytes of data, its shape needs ", bytes));
  const size_t element_bytes = std::max<size_t>(1, static_cast<size_t>(bits_of(type)) / 8);
  const size_t alignment = element_bytes > 8 ? 8 : element_bytes;
  const bool aligned = reinterpret_cast<uintptr_t>(data) % alignment == 0;
  if (aligned && type != DType::boolean && elements > 0) return Tensor::view(type, p.dims, data, keep);
  if (bytes >= kLarge && type != DType::boolean)
    if (Tensor copy = copies.add(type, p.dims, data); copy.has_data()) return copy;
  Tensor tensor(type, p.dims);
  if (bytes > 0) std::memcpy(tensor.raw(), data, bytes);
  if (type == DType::boolean)  // any other byte than 0 or 1 would be undefined as a bool
    for (std::byte* at = tensor.raw(); at != tensor.raw() + bytes; ++at) *at = *at != std::byte{0} ? std::byte{1} : *at;
  return tensor;
}

Tensor from_external(const Parts& p, DType type, const Source& source) {
  ExternalBytes found;
  try {
    found = source.external->find(p.name, p.external);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::io) throw;
    bad(p, e.what());
  }
  return from_bytes(p, type, found.bytes.data(), found.bytes.size(), found.keep, *source.copies);
}

/// Elements given in the typed fields; types of at most 32 bits travel in int32_data, 4-bit types two in each entry.
Tensor from_typed(const Parts& p, DType type) {
  const int64_t elements = checked_elements(p, type);
  auto need = [&](size_t have) {
    if (have != static_cast<size_t>(elements)) bad(p, str("has ", have, " values"));
  };
  auto copy = [&]<class T>(T*, const auto& from) {
    need(from.size());
    Tensor tensor(type, p.dims);
    auto to = tensor.values<T>();
    for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<T>(from[i]);
    return tensor;
  };
  switch (type) {
    case DType::f32: return copy(static_cast<float*>(nullptr), p.floats);
    case DType::f64: return copy(static_cast<double*>(nullptr), p.doubles);
    case DType::i64: return copy(static_cast<int64_t*>(nullptr), p.int64s);
    case DType::u64: return copy(static_cast<uint64_t*>(nullptr), p.uint64s);
    case DType::u32: return copy(static_cast<uint32_t*>(nullptr), p.uint64s);
    case DType::i32: return copy(static_cast<int32_t*>(nullptr), p.int32s);
    case DType::i16: return copy(static_cast<int16_t*>(nullptr), p.int32s);
    case DType::u16: return copy(static_cast<uint16_t*>(nullptr), p.int32s);
    case DType::i8: return copy(static_cast<int8_t*>(nullptr), p.int32s);
    case DType::u8: return copy(static_cast<uint8_t*>(nullptr), p.int32s);
    case DType::boolean: {
      need(p.int32s.size());
      Tensor tensor(type, p.dims);
      for (size_t i = 0; i < p.int32s.size(); ++i) tensor.values<bool>()[i] = p.int32s[i] != 0;
      return tensor;
    }
    case DType::string:
      need(p.strings.size());
      return Tensor::of_strings(p.dims, p.strings);
    case DType::c64:
    case DType::c128: bad(p, "complex numbers in typed fields are not supported");
    default: break;
  }
  // 16-bit floats, 8-bit floats and packed types: the bits themselves.
  const size_t unit = bits_of(type) == 16 ? 2 : 1;
  const size_t bytes = (static_cast<size_t>(elements) * static_cast<size_t>(bits_of(type)) + 7) / 8;
  if (p.int32s.size() * unit != bytes) bad(p, str("has ", p.int32s.size(), " entries of int32_data"));
  Tensor tensor(type, p.dims);
  for (size_t i = 0; i < p.int32s.size(); ++i) {
    const auto bits = static_cast<uint16_t>(p.int32s[i]);
    std::memcpy(tensor.raw() + i * unit, &bits, unit);
  }
  return tensor;
}

}  // namespace

void read_ints(protozero::pbf_reader& message, std::vector<int64_t>& out) {
  if (message.has_wire_type(protozero::pbf_wire_type::length_delimited)) {
    for (const int64_t value : message.get_packed_int64()) out.push_back(value);
  } else {
    out.push_back(message.get_int64());
  }
}

Tensor read_tensor(protozero::pbf_reader message, const Source& source, std::string* name) {
  const Parts p = read_parts(message);
  if (name) *name = p.name;
  if (p.type <= 0 || p.type >= kDTypeCount) bad(p, str("has unknown element type ", p.type));
  const auto type = static_cast<DType>(p.type);
  if (p.location == 1) return from_external(p, type, source);
  if (p.has_raw && type != DType::string)
    return from_bytes(p, type, reinterpret_cast<const std::byte*>(p.raw.data()), p.raw.size(), source.keep, *source.copies);
  // A typed field is as long as its data, so nothing is allocated that the file did not pay for.
  return from_typed(p, type);
}

Tensor read_sparse_tensor(protozero::pbf_reader message, const Source& source, std::string* name) {
  Tensor values, indices;
  std::vector<int64_t> dims;
  while (message.next()) {
    switch (message.tag()) {
      case sparse_field::values: values = read_tensor(message.get_message(), source, name); break;
      case sparse_field::indices: indices = read_tensor(message.get_message(), source); break;
      case sparse_field::dims: read_ints(message, dims); break;
      default: message.skip();
    }
  }
  const int64_t elements = elements_of(dims);
  const int64_t count = values.elements();
  if (elements > (int64_t{1} << 28) || indices.dtype() != DType::i64 || bits_of(values.dtype()) < 8 ||
      (indices.elements() != count && indices.elements() != count * static_cast<int64_t>(dims.size())))
    fail(ErrorCode::malformed, "a sparse tensor ", to_string(dims), " has values and indices that do not fit");
  Tensor dense(values.dtype(), dims);
  const Shape strides = strides_of(dims);
  const auto index = indices.values<int64_t>();
  const auto size = static_cast<size_t>(bits_of(values.dtype())) / 8;
  const auto rank = static_cast<int64_t>(dims.size());
  for (int64_t i = 0; i < count; ++i) {
    int64_t at = indices.rank() == 2 ? 0 : index[static_cast<size_t>(i)];
    if (indices.rank() == 2)
      for (int64_t d = 0; d < rank; ++d) at += index[static_cast<size_t>(i * rank + d)] * strides[static_cast<size_t>(d)];
    if (at < 0 || at >= elements) fail(ErrorCode::malformed, "a sparse tensor ", to_string(dims), " has an index outside");
    std::memcpy(dense.raw() + static_cast<size_t>(at) * size, values.raw() + static_cast<size_t>(i) * size, size);
  }
  return dense;
}

Tensor read_tensor_file(const std::string& path) {
  const MappedFile file = MappedFile::open(path);
  try {
    return read_tensor(protozero::pbf_reader(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()),
                       {file.keep, std::make_shared<ExternalData>(""), path});
  } catch (const protozero::exception& e) {
    fail(ErrorCode::malformed, path, ": is not an ONNX tensor: ", e.what());
  } catch (const Error& e) {
    throw e.within(path);
  }
}

}  // namespace bitwright::onnx
