#include "ops/move.hpp"

#include <algorithm>

namespace bitwright {
namespace {

struct Dim {
  int64_t extent, from, to;
};

// Drops extents of 1 and joins neighbours that are one run in both tensors.
std::vector<Dim> joined(const Shape& extent, const Shape& from, const Shape& to) {
  std::vector<Dim> dims;
  for (size_t d = 0; d < extent.size(); ++d) {
    if (extent[d] == 1) continue;
    const Dim next{extent[d], from[d], to[d]};
    if (!dims.empty() && dims.back().from == next.from * next.extent && dims.back().to == next.to * next.extent) {
      dims.back() = {dims.back().extent * next.extent, next.from, next.to};
    } else {
      dims.push_back(next);
    }
  }
  if (dims.empty()) dims.push_back({1, 1, 1});
  return dims;
}

struct Place {
  int64_t from, to;
};

Place place_of(int64_t row, std::span<const Dim> dims) {
  Place at{0, 0};
  for (size_t d = dims.size(); d-- > 0; row /= dims[d].extent) {
    at.from += row % dims[d].extent * dims[d].from;
    at.to += row % dims[d].extent * dims[d].to;
  }
  return at;
}

int64_t rows_of(std::span<const Dim> dims) {
  int64_t rows = 1;
  for (const Dim& d : dims) rows *= d.extent;
  return rows;
}

constexpr int64_t kGrain = 1 << 14;  // elements per chunk

template <class U>
void copy_rows(const OpContext& c, std::span<const Dim> dims, const U* from, U* to) {
  const Dim inner = dims.back();
  const auto outer = dims.first(dims.size() - 1);
  c.parallel(rows_of(outer), std::max<int64_t>(1, kGrain / inner.extent), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const Place at = place_of(row, outer);
      const U* x = from + at.from;
      U* y = to + at.to;
      if (inner.from == 1 && inner.to == 1) {
        std::copy(x, x + inner.extent, y);
      } else if (inner.from == 0 && inner.to == 1) {
        std::fill(y, y + inner.extent, *x);
      } else {
        for (int64_t i = 0; i < inner.extent; ++i) y[i * inner.to] = x[i * inner.from];
      }
    }
  });
}

// The source is contiguous along `across`, the target along the last dimension: squares that stay in the first cache.
template <class U>
void copy_tiles(const OpContext& c, std::vector<Dim> dims, size_t across, const U* from, U* to) {
  constexpr int64_t kTile = 32;
  const Dim inner = dims.back(), other = dims[across];
  dims.pop_back();
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(across));
  const int64_t stripes = (other.extent + kTile - 1) / kTile;
  const int64_t grain = std::max<int64_t>(1, kGrain / (inner.extent * kTile));
  c.parallel(rows_of(dims) * stripes, grain, [&](int64_t begin, int64_t end) {
    for (int64_t s = begin; s < end; ++s) {
      const Place at = place_of(s / stripes, dims);
      const int64_t first = s % stripes * kTile, last = std::min(other.extent, first + kTile);
      for (int64_t tile = 0; tile < inner.extent; tile += kTile)
        for (int64_t j = first; j < last; ++j) {
          const U* x = from + at.from + j;
          U* y = to + at.to + j * other.to;
          for (int64_t i = tile; i < std::min(inner.extent, tile + kTile); ++i) y[i] = x[i * inner.from];
        }
    }
  });
}

}  // namespace

Tensor unpacked(const Tensor& tensor) {
  const int bits = bits_of(tensor.dtype());
  if (bits == 0 || bits >= 8) return tensor;
  Tensor codes(DType::u8, tensor.shape());
  const int per_byte = 8 / bits;
  const auto to = codes.values<uint8_t>();
  for (size_t i = 0; i < to.size(); ++i) {
    const auto byte = static_cast<unsigned>(tensor.raw()[i / static_cast<size_t>(per_byte)]);
    to[i] = static_cast<uint8_t>((byte >> (static_cast<int>(i) % per_byte * bits)) & ((1u << bits) - 1));
  }
  return codes;
}

void pack_into(const Tensor& codes, Tensor& to) {
  const int bits = bits_of(to.dtype()), per_byte = 8 / bits;
  const auto from = codes.values<uint8_t>();
  std::fill(to.raw(), to.raw() + to.bytes(), std::byte{0});
  for (size_t i = 0; i < from.size(); ++i) {
    const int shift = static_cast<int>(i % static_cast<size_t>(per_byte)) * bits;
    to.raw()[i / static_cast<size_t>(per_byte)] |= static_cast<std::byte>(from[i] << shift);
  }
}

void copy_strided(const OpContext& c, const Shape& extent, const Tensor& from, const Walk& from_walk, Tensor& to,
                  const Walk& to_walk) {
  if (elements_of(extent) == 0) return;
  const std::vector<Dim> dims = joined(extent, from_walk.strides, to_walk.strides);
  size_t across = dims.size();
  if (dims.back().to == 1 && dims.back().from != 1)
    for (size_t d = 0; d + 1 < dims.size(); ++d)
      if (dims[d].from == 1) across = d;
  move_elements(from, to, [&]<class U>(const U* x, U* y) {
    x += from_walk.offset;
    y += to_walk.offset;
    if (across < dims.size()) return copy_tiles(c, dims, across, x, y);
    copy_rows<U>(c, dims, x, y);
  });
}

AxisSplit::AxisSplit(const Shape& shape, int64_t axis) {
  for (size_t d = 0; d < shape.size(); ++d) {
    const auto at = static_cast<int64_t>(d);
    (at < axis ? outer : at == axis ? size : inner) *= shape[d];
  }
}

}  // namespace bitwright
