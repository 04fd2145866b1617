// Whole networks give the same bits on every instruction set, with any number of threads, alone and in a batch, fused and with
// every code looked at. oneDNN is off: its sums change with the instruction set, ours do not. Larger networks: `./dev results engine
// --only bits` (bench/api/exactness_bench.cpp).
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "core/sha256.hpp"
#include "noise_data.hpp"

namespace bitwright {
namespace {

struct Net {
  const char* name;
  const char* path;  // from the source folder
  Method method = Method::static_ranges;
};
const Net kNets[] = {
    {"fashion_mlp", "examples/models/fashion_mlp.onnx"},
    {"fashion_cnn", "examples/models/fashion_cnn.onnx"},
    {"resnet20", "../shared/data/cifar10/resnet20_cifar10.onnx"},
    {"squeezenet", "../shared/data/onnx/squeezenet1_1.onnx"},
    {"mobilenet_v2", "../shared/data/onnx/mobilenet_v2.onnx"},
    {"fastestdet", "../shared/data/onnx/FastestDet.onnx"},
    {"yunet", "../shared/data/onnx/yunet_n_320_320.onnx"},
    {"dtln_1", "../shared/data/lstm/dtln/model_1.onnx", Method::dynamic},
    {"dtln_2", "../shared/data/lstm/dtln/model_2.onnx", Method::dynamic},
    {"char_lstm", "../shared/data/lstm/char_lstm/char_lstm.onnx", Method::dynamic},
};

std::vector<Tensor> run(const Model& model, const CompileOptions& options, const std::vector<Tensor>& inputs, int threads) {
  bitwright::Run run(Program::compile(model, options), {.threads = threads});
  run.set_tap([](ValueId, const Tensor&) {});
  std::vector<Tensor> outputs;
  for (const Tensor& y : run(inputs)) outputs.push_back(y.clone());
  return outputs;
}

std::string hash_of(const std::vector<Tensor>& tensors) {
  std::string bytes;
  for (const Tensor& t : tensors) bytes += to_string(t.shape()) + std::string(reinterpret_cast<const char*>(t.raw()), t.bytes());
  return sha256({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

/// Values that are codes: fused or not, what lies there is the same.
std::vector<ValueId> quantized_values(const Model& model) {
  std::vector<ValueId> ids;
  for (const Node& node : model.graph.nodes)
    if (model.quantization.find({node.id, Side::output, 0})) ids.push_back(node.output());
  return ids;
}

class Hash : public testing::TestWithParam<Net> {};

TEST_P(Hash, SameBitsEverywhere) {
  const Net& net = GetParam();
  const std::string path = std::string(BW_SOURCE_DIR "/") + net.path;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const Model model = quantized_on_noise(load(path), net.method);
  const auto inputs = random_inputs(*Program::compile(model), 1, 7);
  const auto hash = [&](Isa isa, int threads) { return hash_of(run(model, {.isa = isa, .onednn = false}, inputs, threads)); };
  const std::string wanted = hash(isa_cap(), 1);
  for (const int threads : {2, 3}) EXPECT_EQ(hash(isa_cap(), threads), wanted) << threads << " threads";
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi, Isa::amx}) {
    if (isa_refuses(isa, isa_cap())) continue;
    EXPECT_EQ(hash(isa, 2), wanted) << name_of(isa);
  }
  EXPECT_EQ(hash_of(run(model, {.taps = quantized_values(model), .onednn = false}, inputs, 2)), wanted) << "every code a value of its own";
}

/// Record i of a tensor whose records lie along the first axis.
Tensor record(const Tensor& batch, int64_t i) {
  Shape shape = batch.shape();
  shape[0] = 1;
  Tensor one(batch.dtype(), shape);
  std::memcpy(one.raw(), batch.raw() + static_cast<int64_t>(one.bytes()) * i, one.bytes());
  return one;
}

TEST_P(Hash, ARecordInABatchIsTheRecordAlone) {
  const Net& net = GetParam();
  const std::string path = std::string(BW_SOURCE_DIR "/") + net.path;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const Model float_model = load(path);
  const auto ports = input_ports(float_model.graph);
  if (net.method == Method::dynamic || ports[0].shape[0] >= 0) GTEST_SKIP() << "the batch is fixed, or its range is everybody's";
  const Model model = quantized_on_noise(float_model, net.method);
  const auto program = Program::compile(model, {.onednn = false});
  const auto inputs = random_inputs(*program, 8, 7);
  const auto together = run(model, {.onednn = false}, inputs, 3);
  for (const int64_t i : {0, 5, 7}) {
    std::vector<Tensor> mine, wanted;
    for (const Tensor& input : inputs) mine.push_back(record(input, i));
    for (const Tensor& output : together) wanted.push_back(record(output, i));
    EXPECT_EQ(hash_of(run(model, {.onednn = false}, mine, 1)), hash_of(wanted)) << "record " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, Hash, testing::ValuesIn(kNets), [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace bitwright
