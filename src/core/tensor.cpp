#include "core/tensor.hpp"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>

namespace bitwright {
namespace {

std::shared_ptr<void> allocate(size_t bytes) {
  constexpr size_t kAlignment = 64, kMost = size_t{1} << 40;  // allocators of sanitizers complain aloud of more
  const size_t rounded = (bytes + kAlignment) / kAlignment * kAlignment;  // never zero
  void* memory = bytes < kMost ? std::aligned_alloc(kAlignment, rounded) : nullptr;
  if (!memory) fail(ErrorCode::resource, "cannot allocate ", human_bytes(static_cast<double>(bytes)), " for a tensor");
  std::memset(memory, 0, rounded);
  return {memory, [](void* p) { std::free(p); }};
}

// Packed 2- and 4-bit integers, lowest bits first.
int64_t packed_value(const Tensor& tensor, int64_t i) {
  const int bits = bits_of(tensor.dtype());
  const int per_byte = 8 / bits;
  const auto byte = static_cast<unsigned>(tensor.raw()[i / per_byte]);
  const unsigned code = (byte >> (static_cast<int>(i % per_byte) * bits)) & ((1u << bits) - 1);
  const bool negative = is_signed(tensor.dtype()) && (code >> (bits - 1));
  return static_cast<int64_t>(code) - (negative ? (1 << bits) : 0);
}

bool is_packed_integer(DType type) { return is_integer(type) && bits_of(type) < 8; }

}  // namespace

int64_t elements_of(std::span<const int64_t> shape) {
  int64_t product = 1;  // of the extents that are not zero: strides must be possible too
  bool none = false;
  for (const int64_t extent : shape) {
    none = none || extent == 0;
    if (extent < 0 || __builtin_mul_overflow(product, std::max<int64_t>(extent, 1), &product))
      fail(ErrorCode::resource, "a tensor of shape ", to_string(shape), " is not possible");
  }
  return none ? 0 : product;
}

std::string to_string(std::span<const int64_t> shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += str(i ? "," : "", shape[i]);
  return out + "]";
}

Shape strides_of(std::span<const int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

Tensor::Tensor(DType type, Shape shape) : Tensor(described(type, std::move(shape))) {
  owned_ = true;
  if (type == DType::string) {
    strings_ = std::make_shared<std::vector<std::string>>(static_cast<size_t>(elements_));
    return;
  }
  const auto memory = allocate(bytes());
  data_ = memory.get();
  keep_ = memory;
}

Tensor Tensor::view(DType type, Shape shape, const void* data, std::shared_ptr<const void> keep) {
  Tensor tensor = described(type, std::move(shape));
  tensor.data_ = data;
  tensor.owned_ = true;
  tensor.keep_ = std::move(keep);
  return tensor;
}

namespace {

struct Deferred {
  std::function<Tensor()> make;
  mutable std::once_flag once;
  mutable Tensor made;
};

}  // namespace

Tensor Tensor::deferred(DType type, Shape shape, std::function<Tensor()> make) {
  Tensor tensor = described(type, std::move(shape));
  auto later = std::make_shared<Deferred>();
  later->make = std::move(make);
  tensor.deferred_ = true;
  tensor.keep_ = std::move(later);
  return tensor;
}

const void* Tensor::make_deferred() const {
  const auto& later = *static_cast<const Deferred*>(keep_.get());
  std::call_once(later.once, [&] {
    later.made = later.make();
    BW_CHECK(later.made.dtype() == dtype_ && later.made.elements() == elements_);
  });
  return later.made.raw();
}

Tensor Tensor::of_strings(Shape shape, std::vector<std::string> values) {
  Tensor tensor = described(DType::string, std::move(shape));
  BW_CHECK(values.size() == static_cast<size_t>(tensor.elements_));
  tensor.owned_ = true;
  tensor.strings_ = std::make_shared<std::vector<std::string>>(std::move(values));
  return tensor;
}

Tensor Tensor::described(DType type, Shape shape) {
  Tensor tensor;
  tensor.dtype_ = type;
  tensor.shape_ = std::move(shape);
  tensor.elements_ = elements_of(tensor.shape_);
  if (static_cast<double>(tensor.elements_) * bits_of(type) > 8e14)  // so byte counts do not overflow either
    fail(ErrorCode::resource, "a tensor of shape ", to_string(tensor.shape_), " is larger than any memory");
  return tensor;
}

std::span<const std::string> Tensor::strings() const {
  if (!strings_) refuse(DType::string);
  return *strings_;
}

std::span<std::string> Tensor::strings() {
  if (!strings_) refuse(DType::string);
  return *strings_;
}

void Tensor::refuse(DType wanted) const {
  throw WrongElementType(ErrorCode::malformed, str("a tensor is ", name_of(dtype_), ", wanted ", name_of(wanted)));
}

Tensor Tensor::clone() const {
  Tensor copy(dtype_, shape_);
  if (strings_) {
    *copy.strings_ = *strings_;
  } else if (bytes() > 0) {
    std::memcpy(copy.raw(), raw(), bytes());
  }
  return copy;
}

Tensor Tensor::reshaped(Shape shape) const {
  Tensor result = *this;
  BW_CHECK(elements_of(shape) == elements_);
  result.shape_ = std::move(shape);
  return result;
}

namespace {

void check_index(const Tensor& tensor, int64_t i) {
  if (i < 0 || i >= tensor.elements())
    fail(ErrorCode::malformed, "a tensor of shape ", to_string(tensor.shape()), " has no element ", i);
}

}  // namespace

double value_as_double(const Tensor& tensor, int64_t i) {
  check_index(tensor, i);
  if (is_packed_integer(tensor.dtype())) return static_cast<double>(packed_value(tensor, i));
  return dispatch(tensor.dtype(), [&]<class T>(T*) {
    const T value = tensor.values<T>()[static_cast<size_t>(i)];
    if constexpr (std::is_arithmetic_v<T>) {
      return static_cast<double>(value);
    } else {
      return static_cast<double>(static_cast<float>(value));
    }
  });
}

int64_t value_as_int(const Tensor& tensor, int64_t i) {
  check_index(tensor, i);
  if (is_packed_integer(tensor.dtype())) return packed_value(tensor, i);
  return dispatch(tensor.dtype(), [&]<class T>(T*) {
    const T value = tensor.values<T>()[static_cast<size_t>(i)];
    if constexpr (std::is_integral_v<T>) {
      return static_cast<int64_t>(value);
    } else {
      return static_cast<int64_t>(static_cast<double>(value));
    }
  });
}

std::vector<int64_t> values_as_int(const Tensor& tensor) {
  std::vector<int64_t> values(static_cast<size_t>(tensor.elements()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = value_as_int(tensor, static_cast<int64_t>(i));
  return values;
}

Tensor to_f32(const Tensor& tensor) {
  if (tensor.dtype() == DType::f32) return tensor;
  Tensor result(DType::f32, tensor.shape());
  const auto out = result.values<float>();
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(value_as_double(tensor, static_cast<int64_t>(i)));
  return result;
}

bool identical(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  if (a.dtype() == DType::string) return std::equal(a.strings().begin(), a.strings().end(), b.strings().begin());
  return a.bytes() == 0 || std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

}  // namespace bitwright
