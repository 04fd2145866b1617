// B9: what the certificate costs: channels per second for which a step is proved equal to the profile on every accumulator in
// reach, and the share that one float product serves. The checks: the proof's word against the definition on accumulators drawn
// from all of the reach. Whole networks on every instruction set: ../api/exactness_bench.cpp.
#include "support.hpp"

namespace bitwright {
namespace {

constexpr int64_t kChannels = 256, kReach = 300000;

RequantizeSpec spec_of(RequantizeProfile profile) {
  RequantizeSpec spec;
  std::mt19937 engine(3);
  std::uniform_real_distribution<float> scale(0.0005f, 0.01f);
  spec.profile = profile, spec.src_scale = 0.0173f, spec.dst_scale = 0.0411f, spec.zero_point = 121;
  for (int64_t c = 0; c < kChannels; ++c) spec.weight_scale.push_back(scale(engine));
  return spec;
}

bool proof_holds(const RequantizePlan& plan) {
  std::mt19937 engine(5);
  std::uniform_int_distribution<int64_t> acc(-kReach, kReach);
  for (int64_t c = 0; c < kChannels; ++c)
    for (int i = 0; i < 1000; ++i)
      if (const int64_t a = acc(engine); requantize(plan.view(), a, c) != requantize_exact(plan.view(), a, c)) return false;
  return true;
}

void proof(benchmark::State& state, RequantizeProfile profile) {
  const RequantizeSpec spec = spec_of(profile);
  const std::vector<Reach> reach(kChannels, Reach{-kReach, kReach});
  const RequantizePlan plan = plan_requantize(spec, reach);
  if (!proof_holds(plan)) return state.SkipWithError("the chosen step differs from the definition");
  for (auto _ : state) benchmark::DoNotOptimize(plan_requantize(spec, reach));
  int64_t by_float = 0;
  for (int64_t c = 0; c < kChannels; ++c) {
    Requantize single = plan.view();
    single.step = RequantizeStep::f32;
    by_float += prove_requantize(single, c, reach[0]).equal;
  }
  report_rate(state, "channels/s", kChannels);
  state.counters["by_float"] = static_cast<double>(by_float) / kChannels;
}

[[maybe_unused]] const bool registered = [] {
  for (const auto& [name, profile] : {std::pair{"ort", RequantizeProfile::ort}, std::pair{"real", RequantizeProfile::real},
                                      std::pair{"tflite", RequantizeProfile::tflite}})
    add_benchmark(str("B9_proof/", name), proof, profile);
  return true;
}();

}  // namespace
}  // namespace bitwright
