#include "runtime/dynamic.hpp"

#include "kernels/elementwise/select.hpp"
#include "runtime/linear.hpp"
#include "runtime/ranges.hpp"

namespace bitwright {
namespace {

/// f32 [m, k] -> u8 codes [m, k], scale and zero point [m] (per row) or [1].
class DynamicQuantizeStep : public Step {
 public:
  int64_t m = 0, k = 0;
  bool per_row = false;
  ElementwiseKernel<RangeArgs> range = nullptr;
  ElementwiseKernel<QuantizeArgs> quantize = nullptr;

  void run(StepContext& context) const override {
    const float* src = context.at(reads[0]).values<float>().data();
    uint8_t* codes = context.at(writes[0]).values<uint8_t>().data();
    float* scale = context.at(writes[1]).values<float>().data();
    int32_t* zero = context.at(writes[2]).values<int32_t>().data();
    const int64_t rows = per_row ? m : 1, length = per_row ? k : m * k;
    const int64_t grain = std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, length));
    context.rows(rows, grain, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t r = begin; r < end; ++r) {
        float lo = 0, hi = 0;
        range({src + r * length, &lo, &hi}, 0, length);
        const Affine q = dynamic_codes(lo, hi);
        scale[r] = q.scale, zero[r] = q.zero;
        if (per_row) quantize({src + r * length, codes + r * length, DType::u8, q, 0, 255}, 0, length);
      }
    });
    if (per_row) return;
    const QuantizeArgs args{src, codes, DType::u8, {scale[0], zero[0]}, 0, 255};
    context.rows(length, 1 << 15, [&](int64_t begin, int64_t end, std::byte*) { quantize(args, begin, end); });
  }
};

/// What operators without a form on codes read instead: the same codes as floats. Shapes are the run's.
class DynamicFakeQuantizeStep : public Step {
 public:
  DynamicFakeQuantizeStep(BufferId src, BufferId dst, bool per_row, Isa isa)
      : per_row_(per_row), range_(select_elementwise(elementwise_kernels().range, true, isa).row->kernel),
        quantize_(select_elementwise(elementwise_kernels().quantize, true, isa).row->kernel),
        dequantize_(select_elementwise(elementwise_kernels().dequantize, true, isa).row->kernel) {
    info.kernel = per_row ? "fake-quantize at run, per row" : "fake-quantize at run, per tensor";
    reads = {src};
    writes = {dst};
  }

  void run(StepContext& context) const override {
    const Tensor& src = context.at(reads[0]);
    if (src.dtype() != DType::f32)
      fail(ErrorCode::unsupported, "values of type ", name_of(src.dtype()), " cannot be quantized at run time, only float32 can");
    Tensor& dst = context.at(writes[0]);
    if (dst.shape() != src.shape() || !dst.has_data()) dst = Tensor(DType::f32, src.shape());
    const float* from = src.values<float>().data();
    float* to = dst.values<float>().data();
    if (!per_row_) {
      const Affine q = grid(from, src.elements());
      context.rows(src.elements(), kGrain, [&](int64_t begin, int64_t end, std::byte*) { round(from, to, q, begin, end); });
      return;
    }
    const int64_t length = src.rank() > 0 ? src.dim(-1) : 1, rows = length > 0 ? src.elements() / length : 0;
    context.rows(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, length)), [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t r = begin; r < end; ++r) round(from, to, grid(from + r * length, length), r * length, (r + 1) * length);
    });
  }

 private:
  static constexpr int64_t kGrain = 1 << 15, kBlock = 1024;

  Affine grid(const float* src, int64_t elements) const {
    float lo = 0, hi = 0;
    range_({src, &lo, &hi}, 0, elements);
    return dynamic_codes(lo, hi);
  }
  void round(const float* src, float* dst, const Affine& q, int64_t begin, int64_t end) const {
    uint8_t codes[kBlock];
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t count = std::min(kBlock, end - i);
      quantize_({src + i, codes, DType::u8, q, 0, 255}, 0, count);
      dequantize_({codes, dst + i, DType::u8, q}, 0, count);
    }
  }

  bool per_row_;
  ElementwiseKernel<RangeArgs> range_;
  ElementwiseKernel<QuantizeArgs> quantize_;
  ElementwiseKernel<DequantizeArgs> dequantize_;
};

}  // namespace

std::unique_ptr<Step> fake_quantize_at_run_step(BufferId src, BufferId dst, bool per_row, Isa isa) {
  return std::make_unique<DynamicFakeQuantizeStep>(src, dst, per_row, isa);
}

BufferId make_range(Lowering& lowering, ValueId value) {
  if (lowering.output_entry(value) || lowering.options().target == Target::floating) return kNoBuffer;
  for (const Use& use : lowering.uses().of(value)) {
    const Entry* entry = use.node == NodeId::none || use.nested ? nullptr : lowering.table().find({use.node, Side::input, use.index});
    if (!is_at_run(entry) || entry->per_row) continue;
    const BufferId made = lowering.make(DType::f32, {2});
    lowering.define_range(value, made);
    return made;
  }
  return kNoBuffer;
}

RunTimeCodes quantize_at_run(Lowering& lowering, const Node& node, Order order, bool per_row) {
  const Shape& plain = lowering.known(node.input(0))->shape();
  const Shape shape = order == Order::plain ? plain : channels_last_shape(plain);
  const Isa isa = lowering.simulated() ? Isa::ref : lowering.options().isa;
  auto step = std::make_unique<DynamicQuantizeStep>();
  step->k = shape.back();
  step->m = rows_of(shape);
  step->per_row = per_row;
  step->range = select_elementwise(elementwise_kernels().range, true, isa).row->kernel;
  step->quantize = select_elementwise(elementwise_kernels().quantize, true, isa).row->kernel;
  step->info.node = node.id;
  step->info.kernel = per_row ? "quantize at run, per row" : "quantize at run, per tensor";
  const int64_t parameters = per_row ? step->m : 1;
  const RunTimeCodes made{lowering.make(DType::u8, shape), lowering.make(DType::f32, {parameters}),
                          lowering.make(DType::i32, {parameters})};
  step->reads = {lowering.before_entry(node, 0, order)};
  step->writes = {made.codes, made.scale, made.zero};
  lowering.add(std::move(step));
  return made;
}

}  // namespace bitwright
