// Steps that change the form of a value: quantize, dequantize, fake-quantize, reorder.
#include <cstring>

#include "runtime/lowering.hpp"

namespace bitwright {

void StepContext::rows(int64_t count, int64_t grain, const std::function<void(int64_t, int64_t, std::byte*)>& body) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (count + grain - 1) / grain;
  threads_.run(chunks, [&](int64_t chunk) {
    body(chunk * grain, std::min(count, (chunk + 1) * grain), scratch(threads_.worker()));
  });
}

namespace {

constexpr int64_t kGrain = 1 << 15;

template <class F>
void with_code_type(DType type, F&& f) {
  switch (type) {
    case DType::u8: return f(static_cast<uint8_t*>(nullptr));
    case DType::u16: return f(static_cast<uint16_t*>(nullptr));
    case DType::i16: return f(static_cast<int16_t*>(nullptr));
    default: BW_CHECK(!"engine codes are u8, u16 or i16");
  }
}

class QuantizeStep : public Step {
 public:
  QuantizeStep(BufferId src, BufferId dst, EngineGrid grid) : grid_(grid) {
    info.kernel = "quantize";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    Tensor& dst = context.at(writes[0]);
    with_code_type(grid_.type, [&]<class T>(T*) {
      const float* from = src.values<float>().data();
      T* to = dst.values<T>().data();
      context.rows(src.elements(), kGrain, [&](int64_t begin, int64_t end, std::byte*) { convert(from, to, begin, end); });
    });
  }

 private:
  /// The magic number rounds half to even for |v| < 2^22; limits are integers, so cutting first changes nothing.
  template <class T>
  void convert(const float* from, T* to, int64_t begin, int64_t end) const {
    constexpr float kMagic = 12582912.0f;
    const float least = static_cast<float>(grid_.lo - grid_.zero), most = static_cast<float>(grid_.hi - grid_.zero);
    for (int64_t i = begin; i < end; ++i) {
      float v = from[i] / grid_.scale;
      v = v == v ? v : 0.0f;
      v = v < least ? least : v;
      v = v > most ? most : v;
      to[i] = static_cast<T>(static_cast<int32_t>((v + kMagic) - kMagic) + grid_.zero);
    }
  }
  EngineGrid grid_;
};

class DequantizeStep : public Step {
 public:
  DequantizeStep(BufferId src, BufferId dst, EngineGrid grid) : grid_(grid) {
    info.kernel = "dequantize";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    float* to = context.at(writes[0]).values<float>().data();
    with_code_type(grid_.type, [&]<class T>(T*) {
      const T* from = src.values<T>().data();
      context.rows(src.elements(), kGrain, [&](int64_t begin, int64_t end, std::byte*) {
        for (int64_t i = begin; i < end; ++i) to[i] = static_cast<float>(from[i] - grid_.zero) * grid_.scale;
      });
    });
  }

 private:
  EngineGrid grid_;
};

class FakeQuantizeStep : public Step {
 public:
  FakeQuantizeStep(BufferId src, BufferId dst, const Grid& grid) : grid_(grid) {
    info.kernel = str("fake-quantize ", grid.format->name);
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    Tensor& dst = context.at(writes[0]);
    if (dst.shape() != src.shape() || !dst.has_data()) dst = Tensor(DType::f32, src.shape());
    const Tensor result = fake_quantize(src, grid_);
    if (result.bytes() > 0) std::memcpy(dst.raw(), result.raw(), result.bytes());
  }

 private:
  Grid grid_;
};

template <class T>
void transpose_planes(const std::byte* src, std::byte* dst, int64_t rows, int64_t cols) {
  const T* from = reinterpret_cast<const T*>(src);
  T* to = reinterpret_cast<T*>(dst);
  constexpr int64_t kTile = 32;
  for (int64_t r0 = 0; r0 < rows; r0 += kTile)
    for (int64_t c0 = 0; c0 < cols; c0 += kTile)
      for (int64_t r = r0; r < std::min(rows, r0 + kTile); ++r)
        for (int64_t c = c0; c < std::min(cols, c0 + kTile); ++c) to[c * rows + r] = from[r * cols + c];
}

/// [N, C, P] <-> [N, P, C]: per image a matrix is transposed.
class ReorderStep : public Step {
 public:
  ReorderStep(BufferId src, BufferId dst, bool to_channels_last) : to_channels_last_(to_channels_last) {
    info.kernel = to_channels_last ? "to channels last" : "to channels first";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    Tensor& dst = context.at(writes[0]);
    if (src.elements() == 0) return;
    const int64_t images = src.dim(0), channels = to_channels_last_ ? src.dim(1) : src.dim(-1);
    const int64_t plane = src.elements() / images / channels;
    const int64_t rows = to_channels_last_ ? channels : plane, cols = to_channels_last_ ? plane : channels;
    const int64_t size = bits_of(src.dtype()) / 8, step = rows * cols * size;
    context.rows(images, 1, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t i = begin; i < end; ++i) {
        const std::byte* from = src.raw() + i * step;
        std::byte* to = dst.raw() + i * step;
        if (size == 1) transpose_planes<uint8_t>(from, to, rows, cols);
        if (size == 2) transpose_planes<uint16_t>(from, to, rows, cols);
        if (size == 4) transpose_planes<uint32_t>(from, to, rows, cols);
      }
    });
  }

 private:
  bool to_channels_last_;
};

}  // namespace

std::unique_ptr<Step> quantize_step(BufferId src, BufferId dst, const EngineGrid& grid) {
  return std::make_unique<QuantizeStep>(src, dst, grid);
}
std::unique_ptr<Step> dequantize_step(BufferId src, BufferId dst, const EngineGrid& grid) {
  return std::make_unique<DequantizeStep>(src, dst, grid);
}
std::unique_ptr<Step> fake_quantize_step(BufferId src, BufferId dst, const Grid& grid) {
  return std::make_unique<FakeQuantizeStep>(src, dst, grid);
}
std::unique_ptr<Step> reorder_step(BufferId src, BufferId dst, bool to_channels_last) {
  return std::make_unique<ReorderStep>(src, dst, to_channels_last);
}

}  // namespace bitwright
