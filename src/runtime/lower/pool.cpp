// Pooling on codes, channels last. Maximum: the greatest code. Average: the exact sum, requantized once.
#include "kernels/elementwise/select.hpp"
#include "kernels/requantize/proof.hpp"
#include "ops/window.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

class PoolStep : public Step {
 public:
  PoolArgs args;
  RequantizePlan plan;
  ElementwiseKernel<PoolArgs> kernel = nullptr;

  void run(StepContext& context) const override {
    PoolArgs mine = args;
    mine.src = context.at(reads[0]).raw();
    mine.dst = context.at(writes[0]).raw();
    if (plan.channels > 0) mine.requantize = plan.view();
    const int64_t pixels = mine.n * mine.oh * mine.ow;
    // Few large windows (a global mean) are cut by channels.
    const int64_t parts = pixels < 4 * context.threads().count() ? (mine.c + kChannels - 1) / kChannels : 1;
    const int64_t work = std::max<int64_t>(1, mine.kh * mine.kw * mine.c / parts);
    context.spread(pixels * parts, std::max<int64_t>(1, (1 << 14) / work), [&](int64_t begin, int64_t end, std::byte*) {
      if (parts == 1) return kernel(mine, begin, end);
      PoolArgs part = mine;
      for (int64_t i = begin; i < end; ++i) {
        part.channel0 = i % parts * kChannels;
        part.channel1 = part.channel0 + kChannels;
        kernel(part, i / parts, i / parts + 1);
      }
    });
  }

 private:
  static constexpr int64_t kChannels = 64;
};

void set_window(const Node& node, const Tensor& x, PoolArgs& p) {
  const bool global = node.is("GlobalAveragePool") || node.is("GlobalMaxPool");
  const Shape kernel = global ? Shape(x.shape().begin() + 2, x.shape().end()) : Shape(node.attr_ints("kernel_shape"));
  const Window v = read_window(OpContext(node, {}, true), x.shape(), kernel);
  p.n = x.dim(0), p.c = x.dim(1), p.h = v.in[1], p.w = v.in[2];
  p.oh = v.out[1], p.ow = v.out[2];
  p.kh = v.kernel[1], p.kw = v.kernel[2];
  p.stride_h = v.stride[1], p.stride_w = v.stride[2];
  p.dilation_h = v.dilation[1], p.dilation_w = v.dilation[2];
  p.pad_top = v.pad[1], p.pad_left = v.pad[2];
  p.pad_bottom = v.pad_end[1], p.pad_right = v.pad_end[2];
  p.count_padding = node.attr_int("count_include_pad", 0) != 0;
}

Reason lower_pool(Lowering& lowering, const Node& node) {
  const bool average = node.is("AveragePool") || node.is("GlobalAveragePool");
  const Tensor &x = *lowering.known(node.input(0)), &y = *lowering.known(node.output());
  const auto src = lowering.input_grid(node, 0), dst = lowering.output_grid(node.output());
  if (!src) return "its input is float";
  if (!dst) return "its result is float";
  if (!average && *src != *dst) return "input and result have different grids";
  if (node.outputs.size() > 1) return "it also returns indices";
  if (src->type != dst->type) return "input and result have different code types";
  auto step = std::make_unique<PoolStep>();
  PoolArgs& p = step->args;
  if (x.rank() < 3 || x.rank() > 4) return str("pools over ", x.rank() - 2, " dimensions");
  set_window(node, x, p);
  p.type = src->type;
  p.src_zero = src->zero;
  p.requantize.lo = dst->lo, p.requantize.hi = dst->hi;
  const auto& table = elementwise_kernels();
  if (average) {
    if (p.count_padding && node.attr_int("ceil_mode", 0)) return "counts padding with ceil_mode";
    const int64_t most = p.kh * p.kw;
    RequantizeSpec spec{.src_scale = src->scale, .dst_scale = dst->scale, .weight_scale = {1.0f},
                        .zero_point = dst->zero, .lo = dst->lo, .hi = dst->hi};
    spec.profile = lowering.table().profile == Profile::real     ? RequantizeProfile::real
                   : lowering.table().profile == Profile::tflite ? RequantizeProfile::tflite
                                                                 : RequantizeProfile::ort;
    const bool padded = p.pad_top || p.pad_left || p.pad_bottom || p.pad_right || node.attr_int("ceil_mode", 0);
    p.first_count = padded && !p.count_padding ? 1 : most;
    step->plan = plan_mean(spec, p.first_count, most, src->zero, src->hi);
  }
  const auto choice = select_elementwise(average ? table.average_pool : table.max_pool, src->type == DType::u8,
                                         lowering.simulated() ? Isa::ref : lowering.options().isa);
  step->kernel = choice.row->kernel;
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = choice.row->name;
  step->reads = {lowering.codes(node, 0, Order::channels_last)};
  const BufferId out = lowering.make(dst->type, channels_last_shape(y.shape()));
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_codes(node.output(), out, Order::channels_last);
  return {};
}

const LoweringRule kRules[] = {{"MaxPool", lower_pool},
                               {"AveragePool", lower_pool},
                               {"GlobalAveragePool", lower_pool},
                               {"GlobalMaxPool", lower_pool}};

}  // namespace

std::span<const LoweringRule> lowerings_pool() { return kRules; }

}  // namespace bitwright
