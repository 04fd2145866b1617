// Every operator whose form changed between opset 7 and 12, written in each of these opsets: what is read again computes the
// same, and below the first opset that has a form it is refused. With BITWRIGHT_KEEP the files stay for
// tests/referee/onnx_roundtrip.py, which has ONNX Runtime compute both: old_forms_<name>.onnx and old_forms_<name>_<opset>.onnx.
#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "graph/text.hpp"
#include "io/onnx/onnx.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace {

struct Form {
  const char* name;
  int least;         // opset
  const char* text;  // of the graph: x is f32[2,3,4,4]
};

const Form kForms[] = {
    {"batch_norm", 7, "const p: f32[3] = {1, 2, 3}\n y: f32[2,3,4,4] = BatchNormalization(x, p, p, p, p) epsilon=0.5"},
    {"clip", 7, "const l: f32[] = {-0.5}\n const h: f32[] = {0.75}\n y: f32[2,3,4,4] = Clip(x, l, h)"},
    {"clip_above", 7, "const h: f32[] = {0.75}\n y: f32[2,3,4,4] = Clip(x, _, h)"},
    {"clip_computed", 11, "const h: f32[] = {0.75}\n h2: f32[] = Neg(h)\n y: f32[2,3,4,4] = Clip(x, h2)"},
    {"softmax", 7, "y: f32[2,3,4,4] = Softmax(x) axis=-1"},
    {"softmax_channels", 7, "y: f32[2,3,4,4] = Softmax(x) axis=1"},
    {"log_softmax_channels", 7, "y: f32[2,3,4,4] = LogSoftmax(x) axis=-3"},
    {"hardmax", 7, "y: f32[2,3,4,4] = Hardmax(x) axis=2"},
    {"squeeze", 7, "const a: i64[1] = {-1}\n r: f32[2,3,4,1] = ReduceMax(x, a) keepdims=1\n y: f32[2,3,4] = Squeeze(r, a)"},
    {"unsqueeze", 7, "const a: i64[2] = {0, -1}\n y: f32[1,2,3,4,4,1] = Unsqueeze(x, a)"},
    {"reduce_sum", 7, "const a: i64[2] = {-1, 1}\n y: f32[2,4] = ReduceSum(x, a) keepdims=0"},
    {"reduce_mean", 7, "const a: i64[1] = {-2}\n y: f32[2,3,1,4] = ReduceMean(x, a) keepdims=1"},
    {"pad", 7, "const p: i64[8] = {0, 0, 1, 2, 0, 0, 0, 1}\n const v: f32[] = {0.25}\n y: f32[2,3,5,7] = Pad(x, p, v)"},
    {"pad_reflect", 7, "const p: i64[8] = {0, 0, 1, 2, 0, 0, 0, 1}\n y: f32[2,3,5,7] = Pad(x, p) mode=\"reflect\""},
    {"slice", 7, "const s: i64[2] = {1, 0}\n const e: i64[2] = {-1, 2}\n const a: i64[2] = {-1, 1}\n y: f32[2,2,4,2] = Slice(x, s, e, a)"},
    {"slice_steps", 7, "const s: i64[2] = {1, 0}\n const e: i64[2] = {100, -1}\n const a: i64[2] = {3, -2}\n const t: i64[2] = {2, 2}\n"
                       " y: f32[2,3,2,2] = Slice(x, s, e, a, t)"},
    {"slice_steps_of_one", 7, "const s: i64[1] = {1}\n const e: i64[1] = {3}\n const a: i64[1] = {0}\n const t: i64[1] = {1}\n"
                              " y: f32[1,3,4,4] = Slice(x, s, e, a, t)"},
    {"slice_steps_of_channels", 10, "const s: i64[1] = {0}\n const e: i64[1] = {3}\n const a: i64[1] = {1}\n const t: i64[1] = {2}\n"
                                    " y: f32[2,2,4,4] = Slice(x, s, e, a, t)"},
    {"slice_backwards", 10, "const s: i64[1] = {-1}\n const e: i64[1] = {-9}\n const a: i64[1] = {3}\n const t: i64[1] = {-1}\n"
                            " y: f32[2,3,4,4] = Slice(x, s, e, a, t)"},
    {"split", 7, "const s: i64[2] = {1, 2}\n a: f32[2,1,4,4], y: f32[2,2,4,4] = Split(x, s) axis=-3"},
    {"split_evenly", 7, "a: f32[2,3,2,4], y: f32[2,3,2,4] = Split(x) axis=2 num_outputs=2"},
    {"split_unevenly", 7, "a: f32[2,2,4,4], y: f32[2,1,4,4] = Split(x) axis=1 num_outputs=2"},
    {"dropout", 7, "const r: f32[] = {0.25}\n y: f32[2,3,4,4] = Dropout(x, r)"},
    {"top_k", 7, "const k: i64[1] = {2}\n y: f32[2,3,4,2], i: i64[2,3,4,2] = TopK(x, k) axis=-1"},
    {"top_k_least", 11, "const k: i64[1] = {2}\n y: f32[2,3,4,2], i: i64[2,3,4,2] = TopK(x, k) largest=0"},
    {"upsample", 7, "const s: f32[4] = {1, 1, 2, 2}\n y: f32[2,3,8,8] = Resize(x, _, s) mode=\"nearest\" nearest_mode=\"floor\" "
                    "coordinate_transformation_mode=\"asymmetric\""},
    {"upsample_linear", 7, "const s: f32[4] = {1, 1, 2, 2}\n y: f32[2,3,8,8] = Resize(x, _, s) mode=\"linear\" "
                           "coordinate_transformation_mode=\"asymmetric\""},
    {"shrink", 11, "const s: f32[4] = {1, 1, 0.5, 0.5}\n y: f32[2,3,2,2] = Resize(x, _, s) mode=\"nearest\" nearest_mode=\"floor\" "
                   "coordinate_transformation_mode=\"asymmetric\""},
    {"resize", 11, "const s: i64[4] = {2, 3, 6, 8}\n y: f32[2,3,6,8] = Resize(x, _, _, s) mode=\"linear\""},
    {"max_pool", 7, "y: f32[2,3,2,2] = MaxPool(x) kernel_shape=i[2, 2] strides=i[2, 2]"},
    {"max_pool_indices", 8, "y: f32[2,3,2,2], i: i64[2,3,2,2] = MaxPool(x) kernel_shape=i[2, 2] strides=i[2, 2]"},
    {"max_pool_ceil", 10, "y: f32[2,3,2,2] = MaxPool(x) kernel_shape=i[3, 3] strides=i[2, 2] ceil_mode=1"},
    {"average_pool", 7, "y: f32[2,3,3,3] = AveragePool(x) kernel_shape=i[2, 2]"},
    {"prelu", 7, "const s: f32[3,1,1] = {0.5, 0.25, 2}\n y: f32[2,3,4,4] = PRelu(x, s)"},
    {"max", 7, "n: f32[2,3,4,4] = Neg(x)\n y: f32[2,3,4,4] = Max(x, n)"},
    {"max_broadcast", 8, "const z: f32[] = {0.5}\n y: f32[2,3,4,4] = Max(x, z)"},
    {"sum", 7, "n: f32[2,3,4,4] = Exp(x)\n y: f32[2,3,4,4] = Sum(x, n, x)"},
    {"gemm", 7, "const w: f32[48,2] = #\n f: f32[2,48] = Flatten(x) axis=1\n y: f32[2,2] = Gemm(f, w)"},
    {"concat", 7, "y: f32[2,3,4,8] = Concat(x, x) axis=-1"},
    {"arg_max", 7, "y: i64[2,3,4,1] = ArgMax(x) axis=-1"},
    {"flatten", 7, "y: f32[24,4] = Flatten(x) axis=-1"},
    {"reshape", 7, "const s: i64[2] = {0, -1}\n y: f32[2,48] = Reshape(x, s)"},
};

Tensor random_floats(Shape shape) {
  std::mt19937 random(3);
  Tensor t(DType::f32, std::move(shape));
  for (float& v : t.values<float>()) v = std::uniform_real_distribution<float>(-2, 2)(random);
  return t;
}

class OldForms : public testing::TestWithParam<Form> {};

TEST_P(OldForms, ComputeTheSameFromTheFirstOpsetOn) {
  const Form& form = GetParam();
  const Model model = parse_model(str("graph \"g\" {\n input x: f32[2,3,4,4]\n ", form.text, " @\"", form.name, "\"\n output y\n}"),
                                  [](const std::string&) { return random_floats({48, 2}); });
  const std::vector<Tensor> inputs = {random_floats({2, 3, 4, 4})};
  const Tensor wanted = interpret(model.graph, inputs)[0];
  const std::string stem = testing::TempDir() + "old_forms_" + form.name;
  const bool keep = std::getenv("BITWRIGHT_KEEP") != nullptr;
  if (keep) write_onnx(model, stem + ".onnx");
  for (int opset = 7; opset <= 12; ++opset) {
    const std::string file = str(stem, "_", opset, ".onnx");
    if (opset < form.least) {
      EXPECT_THROW(write_onnx(model, file, {.opset = opset, .external_above = SIZE_MAX}), Error) << opset;
      continue;
    }
    ASSERT_NO_THROW(write_onnx(model, file, {.opset = opset, .external_above = SIZE_MAX})) << opset;
    const Model again = read_onnx(file);
    EXPECT_EQ(again.info.opsets.at(""), opset);
    EXPECT_TRUE(identical(interpret(again.graph, inputs)[0], wanted)) << opset;
    if (!keep) std::filesystem::remove(file);
  }
}

INSTANTIATE_TEST_SUITE_P(All, OldForms, testing::ValuesIn(kForms),
                         [](const auto& p) { return std::string(p.param.name); });

}  // namespace
}  // namespace bitwright
