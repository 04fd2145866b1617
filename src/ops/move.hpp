// Moving elements without looking at them: what Transpose, Concat, Slice, Gather and their like share. Elements are
// copied as units of their size; sub-byte types are unpacked before and packed after; strings are copied as strings.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// One element of N bytes, copied as such.
template <size_t N>
struct alignas(N < 8 ? N : 8) Unit {
  std::byte bytes[N];
};

/// A tensor of a sub-byte type with one code per byte (u8); any other tensor unchanged.
Tensor unpacked(const Tensor& tensor);
/// The inverse: writes one-byte codes into the packed tensor `to`.
void pack_into(const Tensor& codes, Tensor& to);

template <class U>
const U* units(const Tensor& tensor) {
  if constexpr (std::is_same_v<U, std::string>) {
    return tensor.strings().data();
  } else {
    return reinterpret_cast<const U*>(tensor.raw());
  }
}
template <class U>
U* units(Tensor& tensor) {
  if constexpr (std::is_same_v<U, std::string>) {
    return tensor.strings().data();
  } else {
    return reinterpret_cast<U*>(tensor.raw());
  }
}

/// f(const U* from, U* to) with the elements of two tensors of one type. `to` keeps the elements that f leaves alone.
template <class F>
void move_elements(const Tensor& from, Tensor& to, F f) {
  BW_CHECK(from.dtype() == to.dtype());
  if (from.dtype() == DType::string) return f(units<std::string>(from), units<std::string>(to));
  switch (bits_of(from.dtype())) {
    case 8: return f(units<Unit<1>>(from), units<Unit<1>>(to));
    case 16: return f(units<Unit<2>>(from), units<Unit<2>>(to));
    case 32: return f(units<Unit<4>>(from), units<Unit<4>>(to));
    case 64: return f(units<Unit<8>>(from), units<Unit<8>>(to));
    case 128: return f(units<Unit<16>>(from), units<Unit<16>>(to));
    default: break;
  }
  const Tensor codes = unpacked(from);
  Tensor target = unpacked(to);
  f(units<Unit<1>>(codes), units<Unit<1>>(target));
  pack_into(target, to);
}

/// Where the elements of a block lie inside a tensor: position of the first, stride per dimension (any sign, or 0).
struct Walk {
  int64_t offset = 0;
  Shape strides;
};

/// to[to_walk(i)] = from[from_walk(i)] for all i in the block `extent`. Contiguous runs are copied whole; a transposition
/// goes in tiles that fit the cache. Places of `to` must differ from each other.
void copy_strided(const OpContext& c, const Shape& extent, const Tensor& from, const Walk& from_walk, Tensor& to,
                  const Walk& to_walk);

/// extent[0..axis), extent[axis], extent(axis..] multiplied up.
struct AxisSplit {
  int64_t outer = 1, size = 1, inner = 1;
  AxisSplit(const Shape& shape, int64_t axis);
};

/// Calls f(position) for every index of `extent` in row-major order, position = sum of index * stride.
template <class F>
void for_each_position(const Shape& extent, const Shape& strides, F f) {
  const int64_t count = elements_of(extent);
  Shape index(extent.size(), 0);
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    f(at);
    for (size_t d = extent.size(); d-- > 0;) {
      at += strides[d];
      if (++index[d] < extent[d]) break;
      at -= strides[d] * extent[d];
      index[d] = 0;
    }
  }
}

}  // namespace bitwright
