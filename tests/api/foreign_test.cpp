// The QDQ file of another tool in ../shared. Its signed activations are badly calibrated, so that one step of
// difference somewhere changes most outputs: equal hashes mean equal arithmetic in all 65 operators.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "api/api.hpp"

namespace bitwright {
namespace {

const std::string kModel = BW_SOURCE_DIR "/../shared/data/onnx/mobilenet_v2_ort_qdq.onnx";

Tensor pattern() {
  Tensor x(DType::f32, {1, 3, 224, 224});
  float* to = x.values<float>().data();
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < 224; ++i)
      for (int j = 0; j < 224; ++j)
        *to++ = static_cast<float>((c * 37 + i / 56 * 29 + j / 56 * 53 + i + j) % 97) / 32 - 1.5f;
  return x;
}

uint32_t hash_of(Target target, Isa isa = isa_cap(), int threads = 1) {
  bitwright::Run run(Program::compile(load(kModel), {.target = target, .isa = isa}), {.threads = threads});
  uint32_t hash = 0;
  for (const float value : run({pattern()})[0].values<float>()) {
    uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    hash = hash * 31 + bits;
  }
  return hash;
}

// Hashes of the outputs of ONNX Runtime 1.31.1 on x86-64 (AVX-512 VNNI; 1 and 2 threads), h = h * 31 + bits mod 2^32:
// with its default options, which leave 15 convolutions and 10 additions in float, and with session.qdqisint8allowed=1.
TEST(ForeignQdq, EveryOutputEqualsOnnxRuntime) {
  if (!std::filesystem::exists(kModel)) GTEST_SKIP() << kModel << " is not there";
  EXPECT_EQ(hash_of(Target::onnxruntime), 507521183u);
  EXPECT_EQ(hash_of(Target::onnxruntime, Isa::avx2, 3), 507521183u);
  EXPECT_EQ(hash_of(Target::integer), 345462090u);
  EXPECT_EQ(hash_of(Target::integer, Isa::avx2, 2), 345462090u);
}

}  // namespace
}  // namespace bitwright
