// Steps that change the form of a value: quantize, dequantize, fake-quantize.
#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/elementwise/select.hpp"
#include "kernels/movement/movement.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {

void StepContext::rows(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, std::byte*)> body) {
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (count + grain - 1) / grain;
  threads_.run(chunks, [&](int64_t chunk) {
    body(chunk * grain, std::min(count, (chunk + 1) * grain), scratch(threads_.worker()));
  });
}

void StepContext::spread(int64_t count, int64_t least, FunctionRef<void(int64_t, int64_t, std::byte*)> body) {
  constexpr int64_t kLine = 64;  // long pieces begin where a cache line does, if the first does
  const int64_t threads = threads_.count(), most = threads == 1 ? 1 : count / std::max<int64_t>(1, least);
  const int64_t pieces = most >= 2 * threads ? 2 * threads : most >= threads ? threads : std::max<int64_t>(1, most);
  const int64_t grain = (count + pieces - 1) / pieces;
  rows(count, grain < 16 * kLine ? grain : (grain + kLine - 1) / kLine * kLine, body);
}

void StepContext::pieces(const ProductSize& size, FunctionRef<void(const Piece&, std::byte*)> body) {
  const Cut cut(size, threads_.count());
  threads_.run(cut.pieces(), [&](int64_t i) {
    if (const Piece piece = cut[i]; !piece.empty()) body(piece, scratch(threads_.worker()));
  });
}

namespace {

constexpr int64_t kLeast = 1 << 13;  // elements: less is not worth another thread

bool is_u8(const EngineGrid& grid) { return grid.type == DType::u8; }

class QuantizeStep : public Step {
 public:
  QuantizeStep(BufferId src, BufferId dst, EngineGrid grid)
      : grid_(grid), kernel_(select_elementwise(elementwise_kernels().quantize, is_u8(grid)).row->kernel) {
    info.kernel = "quantize";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    const QuantizeArgs args{src.values<float>().data(), context.at(writes[0]).raw(), grid_.type,
                            {grid_.scale, grid_.zero}, grid_.lo, grid_.hi};
    context.spread(src.elements(), kLeast, [&](int64_t begin, int64_t end, std::byte*) { kernel_(args, begin, end); });
  }

 private:
  EngineGrid grid_;
  ElementwiseKernel<QuantizeArgs> kernel_;
};

/// Floats [N, C, pixels] to codes [N, pixels, C]: as many pixels as stay in the first-level cache are quantized plane by plane,
/// then transposed.
class QuantizePixelsStep : public Step {
 public:
  QuantizePixelsStep(BufferId src, BufferId dst, EngineGrid grid, const Shape& plain, Isa isa)
      : images_(plain[0]), channels_(plain[1]), pixels_(elements_of(std::span(plain).subspan(2))), grid_(grid),
        kernel_(select_elementwise(elementwise_kernels().quantize, is_u8(grid), isa).row->kernel),
        transpose_(select_move(MoveForm::transpose, isa).kernel) {
    constexpr int64_t kTile = 1 << 14, kStep = 64;
    size_ = bits_of(grid.type) / 8;
    tile_ = std::max(kStep, kTile / std::max<int64_t>(1, channels_ * size_) / kStep * kStep);
    scratch_bytes = channels_ * tile_ * size_;
    info.kernel = "quantize to channels last";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const float* src = context.at(reads[0]).values<float>().data();
    std::byte* dst = context.at(writes[0]).raw();
    const int64_t tiles = (pixels_ + tile_ - 1) / tile_;
    context.rows(images_ * tiles, 1, [&](int64_t begin, int64_t end, std::byte* scratch) {
      for (; begin < end; ++begin) {
        const int64_t image = begin / tiles, first = begin % tiles * tile_, count = std::min(tile_, pixels_ - first);
        const float* planes = src + image * channels_ * pixels_ + first;
        for (int64_t c = 0; c < channels_; ++c)
          kernel_({planes + c * pixels_, scratch + c * tile_ * size_, grid_.type, {grid_.scale, grid_.zero}, grid_.lo, grid_.hi}, 0, count);
        transpose_({.src = reinterpret_cast<const uint8_t*>(scratch),
                    .dst = reinterpret_cast<uint8_t*>(dst + (image * pixels_ + first) * channels_ * size_),
                    .rows = count, .cols = channels_, .dst_row = channels_ * size_, .src_col = tile_ * size_, .size = size_});
      }
    });
  }

 private:
  int64_t images_, channels_, pixels_, tile_ = 0, size_ = 1;
  EngineGrid grid_;
  ElementwiseKernel<QuantizeArgs> kernel_;
  MoveKernel transpose_;
};

class DequantizeStep : public Step {
 public:
  DequantizeStep(BufferId src, BufferId dst, EngineGrid grid)
      : grid_(grid), kernel_(select_elementwise(elementwise_kernels().dequantize, is_u8(grid)).row->kernel) {
    info.kernel = "dequantize";
    reads = {src};
    writes = {dst};
  }
  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    const DequantizeArgs args{src.raw(), context.at(writes[0]).values<float>().data(), grid_.type, {grid_.scale, grid_.zero}};
    context.spread(src.elements(), kLeast, [&](int64_t begin, int64_t end, std::byte*) { kernel_(args, begin, end); });
  }

 private:
  EngineGrid grid_;
  ElementwiseKernel<DequantizeArgs> kernel_;
};

/// NaN has no code: at run time it becomes qmin (Q2), as minus infinity does. Formats of floats keep theirs.
Tensor without_nan(const Tensor& x, const Grid& grid) {
  if (!grid.format->is_integer || x.dtype() != DType::f32) return x;
  const auto is_nan = [](float v) { return v != v; };
  const auto values = x.values<float>();
  if (std::none_of(values.begin(), values.end(), is_nan)) return x;
  Tensor clean = x.clone();
  std::ranges::replace_if(clean.values<float>(), is_nan, -std::numeric_limits<float>::infinity());
  return clean;
}

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
    const Tensor result = fake_quantize(without_nan(src, grid_), grid_);
    if (result.bytes() > 0) std::memcpy(dst.raw(), result.raw(), result.bytes());
  }

 private:
  Grid grid_;
};

}  // namespace

std::unique_ptr<Step> quantize_step(BufferId src, BufferId dst, const EngineGrid& grid) {
  return std::make_unique<QuantizeStep>(src, dst, grid);
}
std::unique_ptr<Step> quantize_pixels_step(BufferId src, BufferId dst, const EngineGrid& grid, const Shape& plain, Isa isa) {
  return std::make_unique<QuantizePixelsStep>(src, dst, grid, plain, isa);
}
std::unique_ptr<Step> dequantize_step(BufferId src, BufferId dst, const EngineGrid& grid) {
  return std::make_unique<DequantizeStep>(src, dst, grid);
}
std::unique_ptr<Step> fake_quantize_step(BufferId src, BufferId dst, const Grid& grid) {
  return std::make_unique<FakeQuantizeStep>(src, dst, grid);
}
}  // namespace bitwright
