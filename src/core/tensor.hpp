// A Tensor is a dtype, a shape and contiguous row-major memory that is owned, shared or mapped from a file.
// Copies share the memory; clone() copies it. Whoever made a tensor fills it; afterwards it is read only.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/dtype.hpp"
#include "core/error.hpp"

namespace bitwright {

/// Extents, outermost first. In a Graph a negative extent is a symbol (see graph.hpp); in a Tensor all are >= 0.
using Shape = std::vector<int64_t>;

/// Product of the extents; throws Error{resource} when it does not fit 63 bits or an extent is negative.
int64_t elements_of(std::span<const int64_t> shape);
/// "[2,3,32,32]"
std::string to_string(std::span<const int64_t> shape);
/// Row-major strides in elements.
Shape strides_of(std::span<const int64_t> shape);

/// Thrown where a tensor is read as a type that it does not have: a file may give an operator anything. Operators are run
/// through run_operator (ops/op.hpp), which names the node.
struct WrongElementType : Error {
  using Error::Error;
};

class Tensor {
 public:
  Tensor() = default;
  /// Owned, zero-filled memory, 64-byte aligned. Throws Error{resource} if it cannot be had.
  Tensor(DType type, Shape shape);
  /// Memory of someone else; `keep` (may be empty) keeps it alive.
  static Tensor view(DType type, Shape shape, const void* data, std::shared_ptr<const void> keep = {});
  /// What make() gives, of this type and shape; called once, by whoever reads it first. Copies share it.
  static Tensor deferred(DType type, Shape shape, std::function<Tensor()> make);
  template <class T>
  static Tensor of(Shape shape, std::span<const T> values);
  template <class T>
  static Tensor scalar(T value) { return of<T>({}, std::span<const T>(&value, 1)); }
  static Tensor of_strings(Shape shape, std::vector<std::string> values);
  /// A type and a shape without memory: what shape inference passes around.
  static Tensor described(DType type, Shape shape);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return static_cast<int64_t>(shape_.size()); }
  int64_t dim(int64_t axis) const { return shape_[static_cast<size_t>(axis < 0 ? axis + rank() : axis)]; }
  int64_t elements() const { return elements_; }
  size_t bytes() const { return (static_cast<size_t>(elements_) * static_cast<size_t>(bits_of(dtype_)) + 7) / 8; }
  /// False for Tensor() and for a described tensor.
  bool has_data() const { return data_ != nullptr || deferred_ || strings_ != nullptr || (elements_ == 0 && owned_); }
  bool empty() const { return dtype_ == DType::none; }

  template <class T>
  std::span<const T> values() const {  // throws WrongElementType
    if (dtype_of<T> != dtype_) refuse(dtype_of<T>);
    return {static_cast<const T*>(data()), static_cast<size_t>(elements_)};
  }
  template <class T>
  std::span<T> values() {
    if (dtype_of<T> != dtype_) refuse(dtype_of<T>);
    return {static_cast<T*>(const_cast<void*>(data())), static_cast<size_t>(elements_)};
  }
  std::span<const std::string> strings() const;  // throws WrongElementType
  std::span<std::string> strings();
  const std::byte* raw() const { return static_cast<const std::byte*>(data()); }
  std::byte* raw() { return static_cast<std::byte*>(const_cast<void*>(data())); }

  Tensor clone() const;
  /// The same memory under another shape with as many elements.
  Tensor reshaped(Shape shape) const;

 private:
  [[noreturn]] void refuse(DType wanted) const;
  const void* data() const { return deferred_ ? make_deferred() : data_; }
  const void* make_deferred() const;

  DType dtype_ = DType::none;
  Shape shape_;
  int64_t elements_ = 0;
  const void* data_ = nullptr;
  bool owned_ = false;
  bool deferred_ = false;  // keep_ knows how to make the data
  std::shared_ptr<const void> keep_;
  std::shared_ptr<std::vector<std::string>> strings_;
};

/// Calls f with a null pointer of the C++ type of `type` (bool, integers, f16, bf16, f32, f64); throws
/// Error{unsupported} for the others: dispatch(t.dtype(), [&]<class T>(T*) { ... }).
template <class F>
decltype(auto) dispatch(DType type, F&& f);

/// Element i as a double or an int64, whatever the (non-string) type; slow, for parameters and shapes.
double value_as_double(const Tensor& tensor, int64_t i);
int64_t value_as_int(const Tensor& tensor, int64_t i);
/// All elements as int64 (shape and axes inputs).
std::vector<int64_t> values_as_int(const Tensor& tensor);
/// All elements as float32, whatever the numeric type (exact for every type of at most 24 significant bits).
Tensor to_f32(const Tensor& tensor);
/// Same type, shape and bytes (strings: contents).
bool identical(const Tensor& a, const Tensor& b);

// ---- templates

template <class T>
Tensor Tensor::of(Shape shape, std::span<const T> values) {
  Tensor tensor(dtype_of<T>, std::move(shape));
  BW_CHECK(values.size() == static_cast<size_t>(tensor.elements()));
  std::copy(values.begin(), values.end(), tensor.values<T>().begin());
  return tensor;
}

template <class F>
decltype(auto) dispatch(DType type, F&& f) {
  switch (type) {
    case DType::f32: return f(static_cast<float*>(nullptr));
    case DType::f64: return f(static_cast<double*>(nullptr));
    case DType::f16: return f(static_cast<Half*>(nullptr));
    case DType::bf16: return f(static_cast<BFloat16*>(nullptr));
    case DType::i8: return f(static_cast<int8_t*>(nullptr));
    case DType::u8: return f(static_cast<uint8_t*>(nullptr));
    case DType::i16: return f(static_cast<int16_t*>(nullptr));
    case DType::u16: return f(static_cast<uint16_t*>(nullptr));
    case DType::i32: return f(static_cast<int32_t*>(nullptr));
    case DType::u32: return f(static_cast<uint32_t*>(nullptr));
    case DType::i64: return f(static_cast<int64_t*>(nullptr));
    case DType::u64: return f(static_cast<uint64_t*>(nullptr));
    case DType::boolean: return f(static_cast<bool*>(nullptr));
    default: fail(ErrorCode::unsupported, "element type ", name_of(type), " cannot be computed with here");
  }
}

}  // namespace bitwright
