// Every ONNX model in ../shared/data is read and well formed.
#include <gtest/gtest.h>

#include <filesystem>

#include "io/onnx/onnx.hpp"

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

}  // namespace
}  // namespace bitwright
