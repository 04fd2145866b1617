#include <benchmark/benchmark.h>

#include <map>
#include <random>

#include "kernels/conv/conv.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/peak.hpp"

namespace bitwright {
namespace {

template <class T>
std::vector<T> random_codes(int64_t count, int lo, int hi) {
  std::mt19937 engine(7);
  std::uniform_int_distribution<int> code(lo, hi);
  std::vector<T> out(static_cast<size_t>(count));
  for (T& value : out) value = static_cast<T>(code(engine));
  return out;
}

RequantizePlan plan_for(int64_t channels, int64_t k) {
  RequantizeSpec spec;
  spec.src_scale = 1, spec.dst_scale = 100.0f * static_cast<float>(k),
  spec.weight_scale.assign(static_cast<size_t>(channels), 1.0f), spec.zero_point = 128;
  return plan_requantize(spec, {{0, 0}});
}

void report(benchmark::State& state, Isa isa, double macs) {
  using benchmark::Counter;
  state.counters["MAC/s"] = Counter(macs, Counter::kIsIterationInvariantRate);
  static std::map<Isa, double> peaks;
  if (!peaks.count(isa)) {
    Threads alone(1);
    peaks[isa] = peak_macs(isa, alone);
  }
  if (const double peak = peaks[isa])
    state.counters["of_peak"] = Counter(macs / peak, Counter::kIsIterationInvariantRate);
}

// Verifies against the reference, then times.
void matmul(benchmark::State& state, const MatMulRow* row, int64_t m, int64_t n, int64_t k, int largest) {
  const auto a = random_codes<uint8_t>(m * k, 0, 255);
  const auto b = random_codes<int8_t>(k * n, -largest, largest);
  const RequantizePlan plan = plan_for(n, k);
  const PackedWeights packed = pack_matmul(k, n, b.data(), n, 1, nullptr, {});
  std::vector<uint8_t> out(static_cast<size_t>(m * n)), wanted(out.size());
  MatMulArgs args;
  args.m = m, args.n = n, args.k = k, args.a = a.data(), args.a_stride = k, args.b = b.data(), args.packed = &packed;
  args.out = {DType::u8, wanted.data(), n, plan.view(), {}};
  matmul_ref(args, 0, m);
  args.out.data = out.data();
  row->kernel(args, 0, m);
  if (out != wanted) return state.SkipWithError("differs from the reference");
  for (auto _ : state) row->kernel(args, 0, m);
  report(state, row->isa, static_cast<double>(m * n * k));
}

void conv(benchmark::State& state, const ConvRow* row, ConvShape s) {
  const int64_t taps = s.kh * s.kw * s.c / s.groups;
  const auto src = random_codes<uint8_t>(s.n * s.h * s.w * s.c, 0, 255);
  const auto weights = random_codes<int8_t>(s.oc * taps, -127, 127);
  const RequantizePlan plan = plan_for(s.oc, taps);
  SrcCodes codes;
  codes.zero = 100;
  const PackedWeights packed = pack_conv(s, weights.data(), nullptr, codes);
  std::vector<uint8_t> out(static_cast<size_t>(s.rows() * s.oc)), wanted(out.size());
  Tensor scratch(DType::u8, {conv_scratch_bytes(s)});
  ConvArgs args;
  args.shape = s, args.src = src.data(), args.src_zero = 100, args.weights = weights.data(), args.packed = &packed,
  args.scratch = scratch.raw();
  args.out = {DType::u8, wanted.data(), s.oc, plan.view(), {}};
  conv_ref(args, 0, s.rows());
  args.out.data = out.data();
  row->kernel(args, 0, s.rows());
  if (out != wanted) return state.SkipWithError("differs from the reference");
  for (auto _ : state) row->kernel(args, 0, s.rows());
  report(state, row->isa, static_cast<double>(s.rows() * s.oc * taps));
}

ConvShape layer(int64_t size, int64_t c, int64_t oc, int64_t k, int64_t stride, int64_t pad) {
  ConvShape s;
  s.h = s.w = size, s.c = c, s.oc = oc, s.kh = s.kw = k, s.stride_h = s.stride_w = stride, s.pad_top = s.pad_left = pad;
  s.oh = s.ow = (size + 2 * pad - k) / stride + 1;
  return s;
}

ConvShape depthwise(int64_t size, int64_t c, int64_t stride) {
  ConvShape s = layer(size, c, c, 3, stride, 1);
  s.groups = c;
  return s;
}

const struct {
  const char* name;
  ConvShape shape;
} kLayers[] = {
    {"resnet20_first", layer(32, 3, 16, 3, 1, 1)},
    {"resnet20_16", layer(32, 16, 16, 3, 1, 1)},
    {"resnet20_32", layer(16, 32, 32, 3, 1, 1)},
    {"resnet20_64", layer(8, 64, 64, 3, 1, 1)},
    {"resnet50_first", layer(224, 3, 64, 7, 2, 3)},
    {"resnet50_3x3_64", layer(56, 64, 64, 3, 1, 1)},
    {"resnet50_3x3_256", layer(14, 256, 256, 3, 1, 1)},
    {"resnet50_1x1_64_256", layer(56, 64, 256, 1, 1, 0)},
    {"mobilenet_first", layer(224, 3, 32, 3, 2, 1)},
    {"mobilenet_1x1_96_24", layer(56, 96, 24, 1, 1, 0)},
    {"mobilenet_1x1_160_960", layer(7, 160, 960, 1, 1, 0)},
    {"mobilenet_depthwise_96_s2", depthwise(112, 96, 2)},
    {"mobilenet_depthwise_384", depthwise(14, 384, 1)},
};

[[maybe_unused]] const bool registered = [] {
  for (const MatMulRow& row : matmul_kernels()) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    for (int64_t size : {64, 256, 512, 1024})
      benchmark::RegisterBenchmark((std::string(row.name) + "/" + std::to_string(size)).c_str(), matmul, &row, size,
                                   size, size, 127);
    benchmark::RegisterBenchmark((std::string(row.name) + "/L1_48x64x256").c_str(), matmul, &row, 48, 64, 256, 127);
    benchmark::RegisterBenchmark((std::string(row.name) + "/L1_48x64x256_small_weights").c_str(), matmul, &row, 48, 64,
                                 256, 63);
    benchmark::RegisterBenchmark((std::string(row.name) + "/L1_48x64x1024").c_str(), matmul, &row, 48, 64, 1024, 127);
  }
  for (const ConvRow& row : conv_kernels()) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    for (const auto& item : kLayers)
      if ((row.packing == ConvPacking::depthwise) == (item.shape.groups > 1))
        benchmark::RegisterBenchmark((std::string(row.name) + "/" + item.name).c_str(), conv, &row, item.shape);
  }
  return true;
}();

}  // namespace
}  // namespace bitwright
