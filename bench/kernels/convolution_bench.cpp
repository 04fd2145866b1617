// B4: single layers of ResNet-20, ResNet-50 and MobileNetV2 (whole networks layer by layer beside their peers:
// bench/peers/layers.py). B6: depthwise convolutions, 3x3 to 7x7, strides 1 and 2.
#include "support.hpp"

namespace bitwright {
namespace {

void convolution(benchmark::State& state, const ConvRow* row, ConvShape s) {
  const int64_t taps = s.kh * s.kw * s.c / s.groups;
  const auto src = random_codes<uint8_t>(s.n * s.h * s.w * s.c, 0, 255);
  const auto weights = random_codes<int8_t>(s.oc * taps, -127, 127);
  SrcCodes codes;
  codes.zero = 100;
  const PackedWeights packed = pack_conv(s, weights.data(), nullptr, codes);
  const RequantizePlan plan = plan_for(taps, packed.reach);
  std::vector<uint8_t> out(static_cast<size_t>(s.rows() * s.oc)), wanted(out.size());
  Tensor scratch(DType::u8, {conv_scratch_bytes(s)});
  ConvArgs args;
  args.shape = s, args.src = src.data(), args.src_zero = 100, args.weights = weights.data(), args.packed = &packed;
  args.scratch = scratch.raw(), args.out = {DType::u8, wanted.data(), s.oc, plan.view(), {}};
  conv_ref(args, 0, s.rows());
  args.out.data = out.data();
  row->kernel(args, 0, s.rows());
  if (out != wanted) return report_wrong(state);
  for (auto _ : state) row->kernel(args, 0, s.rows());
  report_macs(state, row->isa, static_cast<double>(s.rows() * s.oc * taps));
}

ConvShape layer(int64_t size, int64_t c, int64_t oc, int64_t k, int64_t stride) {
  ConvShape s;
  s.h = s.w = size, s.c = c, s.oc = oc, s.kh = s.kw = k, s.stride_h = s.stride_w = stride, s.pad_top = s.pad_left = k / 2;
  s.oh = s.ow = (size + 2 * (k / 2) - k) / stride + 1;
  return s;
}

const struct {
  const char* name;
  ConvShape shape;
} kLayers[] = {
    {"resnet20_first", layer(32, 3, 16, 3, 1)},         {"resnet20_16", layer(32, 16, 16, 3, 1)},
    {"resnet20_32", layer(16, 32, 32, 3, 1)},           {"resnet20_64", layer(8, 64, 64, 3, 1)},
    {"resnet50_first", layer(224, 3, 64, 7, 2)},        {"resnet50_3x3_64", layer(56, 64, 64, 3, 1)},
    {"resnet50_3x3_256", layer(14, 256, 256, 3, 1)},    {"resnet50_1x1_64_256", layer(56, 64, 256, 1, 1)},
    {"mobilenet_first", layer(224, 3, 32, 3, 2)},       {"mobilenet_1x1_96_24", layer(56, 96, 24, 1, 1)},
    {"mobilenet_1x1_160_960", layer(7, 160, 960, 1, 1)},
};

struct Depthwise {
  int64_t size, channels, kernel, stride;
};
const Depthwise kDepthwise[] = {{112, 96, 3, 2}, {56, 144, 3, 1}, {28, 192, 3, 1},  {14, 384, 3, 1}, {14, 576, 3, 2},
                                {7, 960, 3, 1},  {28, 240, 5, 1}, {56, 144, 5, 2}, {14, 480, 5, 1}, {14, 384, 7, 1}};

void add_depthwise(const ConvRow& row, const Depthwise& d) {
  ConvShape s = layer(d.size, d.channels, d.channels, d.kernel, d.stride);
  s.groups = s.c;
  add_benchmark(str("B6_depthwise/", row.name, "/", d.kernel, "x", d.kernel, "_stride_", d.stride, "_", d.size, "x", d.size, "x", d.channels),
                convolution, &row, s);
}

[[maybe_unused]] const bool registered = [] {
  for (const ConvRow& row : conv_kernels()) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    if (row.packing == ConvPacking::dense)
      for (const auto& item : kLayers) add_benchmark(str("B4_layer/", row.name, "/", item.name), convolution, &row, item.shape);
    if (row.packing == ConvPacking::depthwise || row.packing == ConvPacking::depthwise_lines)
      for (const Depthwise& d : kDepthwise) add_depthwise(row, d);
  }
  return true;
}();

}  // namespace
}  // namespace bitwright
