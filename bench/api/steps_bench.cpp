// B7: what a step costs when there is next to nothing to do in it: a network of 50 products of 16 x 16 codes, each with its codes,
// and one of 50 float steps on 4 numbers. The tiny network beside other engines: `./dev peers tiny`.
#include "graph/text.hpp"
#include "networks.hpp"

namespace bitwright {
namespace {

constexpr int kSteps = 50;

Model chain(const std::string& op, int64_t width) {
  std::string text = str("graph \"chain\" {\n  input v0: f32[N,", width, "]\n");
  if (op == "Gemm") text += str("  const w: f32[", width, ",", width, "] = #\n");
  for (int i = 0; i < kSteps; ++i) text += str("  v", i + 1, " = ", op, "(v", i, op == "Gemm" ? ", w" : "", ") @\"step ", i, "\"\n");
  text += str("  output v", kSteps, "\n}\n");
  return parse_model(text, [&](const std::string&) { return noise({width, width}, 0.3f, 1); });
}

void steps(benchmark::State& state, bool products, int threads) {
  const Model model = products ? quantized_on_noise(chain("Gemm", 16)) : chain("Neg", 4);
  const auto program = Program::compile(model);
  const auto inputs = random_inputs(*program, 1, 7);
  if (!same_bits(outputs_of(model, {.target = Target::simulated}, inputs, 1), outputs_of(model, {}, inputs, threads)))
    return state.SkipWithError("other bits than simulated");
  Run run(program, {.threads = threads});
  for (auto _ : state) benchmark::DoNotOptimize(run(inputs).data());
  state.counters["steps"] = static_cast<double>(program->steps(program->default_shapes()).size());
  state.counters["s/step"] = benchmark::Counter(kSteps, benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

[[maybe_unused]] const bool registered = [] {
  for (const bool products : {true, false})
    for (const int threads : {1, 2})
      benchmark::RegisterBenchmark(str("B7_steps/", products ? "products_16x16" : "float_neg_4", "/threads_", threads).c_str(), steps, products, threads)
          ->UseRealTime();
  return true;
}();

}  // namespace
}  // namespace bitwright
