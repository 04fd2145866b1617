// Every ONNX model in ../shared/data is read and well formed.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "core/mapped_file.hpp"
#include "core/spill.hpp"
#include "model_bytes.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace {

const std::string kShared = BW_SOURCE_DIR "/../shared/data/";

class SharedModel : public testing::TestWithParam<const char*> {};

TEST_P(SharedModel, IsRead) {
  const std::string path = kShared + GetParam();
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "../shared/data is absent";
  const Model model = read_onnx(path);
  EXPECT_FALSE(model.graph.nodes.empty());
  verify(model);
}

INSTANTIATE_TEST_SUITE_P(All, SharedModel,
                         testing::Values("cifar10/resnet20_cifar10.onnx", "cifar10/resnet32_cifar10.onnx",
                                         "onnx/mobilenet_v2.onnx", "onnx/squeezenet1_1.onnx",
                                         "onnx/mobilenet_v2_ort_qdq.onnx", "onnx/FastestDet.onnx",
                                         "onnx/yunet_n_320_320.onnx", "lstm/silero_vad/silero_vad_16k_op15.onnx",
                                         "lstm/dtln/model_1.onnx", "lstm/dtln/model_2.onnx",
                                         "lstm/char_lstm/char_lstm.onnx"));

TEST(Import, ACutOffFileIsOneClearError) {
  const std::byte bytes[] = {std::byte{0x3a}, std::byte{0x7f}, std::byte{0x01}};
  try {
    read_onnx(bytes, "cut.onnx");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::malformed);
    EXPECT_EQ(std::string(e.what()), "cut.onnx: is not an ONNX model or is cut off: end of buffer exception");
  }
}

TEST(Import, AFieldOfAnotherTypeIsTheFilesFault) {
  const std::byte bytes[] = {std::byte{0x38}, std::byte{0x01}};  // field 7, the graph, as a number
  try {
    read_onnx(bytes, "odd.onnx");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()),
              "odd.onnx: is not an ONNX model or is cut off: a field has another type than ONNX gives it");
  }
}

// y = Clip(x, low, high) as a function; a call may leave `low` out, by an empty name or, at the end, by none.
// Names of four lengths: in three of the files the large tensor does not lie aligned.
TEST(Import, LargeTensorsLieAlignedWhereverTheFileHasThem) {
  using namespace model_bytes;
  Tensor w(DType::f32, {300, 400});
  for (size_t i = 0; i < 120000; ++i) w.values<float>()[i] = static_cast<float>(i) / 7;
  for (const std::string name : {"w", "ww", "www", "wwww"}) {
    const std::string path = ::testing::TempDir() + "bitwright_aligned.onnx";
    std::ofstream(path, std::ios::binary) << model(13, node("MatMul", {"x", name}, ""), {1, 300}, tensor(name, w));
    const Model read = read_onnx(path);
    for (const auto& [id, value] : read.graph.values()) {
      if (!value.is_constant()) continue;
      EXPECT_EQ(reinterpret_cast<uintptr_t>(value.constant.raw()) % 4, 0u);
      forget_pages(value.constant);
      EXPECT_TRUE(identical(value.constant, w));
    }
    std::filesystem::remove(path);
  }
}

TEST(Import, CallsOfFunctionsMayLeaveInputsOut) {
  using namespace model_bytes;
  const std::string clip = field(7, field(1, "a") + field(1, "low") + field(1, "high") + field(2, "b") + field(4, "Clip"));
  const std::string function = field(25, field(1, "Limit") + field(4, "a") + field(4, "high") + field(4, "low") + field(5, "b") + clip +
                                             field(9, field(1, "") + field(2, 17)) + field(10, "my"));
  const Tensor x = Tensor::of<float>({3}, std::vector<float>{-1, 1, 5}), two = Tensor::of<float>({}, std::vector<float>{2});
  const auto call = [&](const std::vector<std::string>& inputs) {
    const std::string bytes = model(17, node("Limit", inputs, field(7, "my")), x.shape(), tensor("two", two)) + function + field(8, field(1, "my") + field(2, 1));
    const Model m = read(bytes);
    return interpret(m.graph, {{x}})[0].clone();
  };
  const Tensor below = Tensor::of<float>({3}, std::vector<float>{-1, 1, 2}), above = Tensor::of<float>({3}, std::vector<float>{2, 2, 5});
  EXPECT_TRUE(identical(call({"x", "two"}), below));
  EXPECT_TRUE(identical(call({"x", "two", ""}), below));
  EXPECT_TRUE(identical(call({"x", "", "two"}), above));
  EXPECT_TRUE(identical(call({"x"}), x));
}

TEST(Import, WhatPeopleWroteIntoTheFileIsWrittenAgain) {
  using namespace model_bytes;
  const std::string doc = "made by hand", key = "gk", value_of_key = "gv";
  const std::string bytes = field(1, 8) + field(7, node("Relu", {"x"}, field(6, "of a node") + field(9, field(1, "nk") + field(2, "nv"))) + field(2, "g") +
                                                       field(10, "of a graph") + field(16, field(1, key) + field(2, value_of_key)) +
                                                       field(11, value("x", {2})) + field(12, field(1, "y"))) +
                            field(6, doc) + field(8, field(1, "") + field(2, 17));
  const std::string file = testing::TempDir() + "bitwright_docs.onnx";
  write_onnx(read(bytes), file);
  const MappedFile written = MappedFile::open(file);
  const std::string_view all(reinterpret_cast<const char*>(written.bytes.data()), written.bytes.size());
  for (const std::string text : {"made by hand", "of a node", "nk", "of a graph", "gk", "gv"}) EXPECT_NE(all.find(text), all.npos) << text;
}

}  // namespace
}  // namespace bitwright
