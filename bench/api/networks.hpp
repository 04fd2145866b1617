// The networks of the microbenchmarks: the two of this repository, those of ../shared that are there, and all .onnx files of the
// folder that BITWRIGHT_NETWORKS names; quantized on noise, or dynamically where inputs are no floats.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "noise_data.hpp"

namespace bitwright {

struct NetworkFile {
  std::string name;
  std::string path;
};

inline std::vector<NetworkFile> network_files() {
  const std::string own = BW_SOURCE_DIR "/examples/models/";
  const char* set = std::getenv("BITWRIGHT_SHARED");
  const std::string shared = std::string(set ? set : BW_SOURCE_DIR "/../shared") + "/data/";
  std::vector<NetworkFile> files = {{"fashion_mlp", own + "fashion_mlp.onnx"},           {"fashion_cnn", own + "fashion_cnn.onnx"},
                                    {"resnet20", shared + "cifar10/resnet20_cifar10.onnx"}, {"squeezenet", shared + "onnx/squeezenet1_1.onnx"},
                                    {"mobilenet_v2", shared + "onnx/mobilenet_v2.onnx"},    {"fastestdet", shared + "onnx/FastestDet.onnx"},
                                    {"yunet", shared + "onnx/yunet_n_320_320.onnx"}};
  std::erase_if(files, [](const NetworkFile& file) { return !std::filesystem::exists(file.path); });
  if (const char* folder = std::getenv("BITWRIGHT_NETWORKS"))
    for (const auto& entry : std::filesystem::directory_iterator(folder))
      if (entry.path().extension() == ".onnx") files.push_back({entry.path().stem().string(), entry.path().string()});
  return files;
}

inline bool takes_floats(const Model& model) {
  const auto ports = input_ports(model.graph);
  return std::all_of(ports.begin(), ports.end(), [](const Port& port) { return port.dtype == DType::f32; });
}

inline Model quantized_network(const NetworkFile& file) {
  const Model model = load(file.path);
  return quantized_on_noise(model, takes_floats(model) ? Method::static_ranges : Method::dynamic);
}

/// Outputs of one run, copied.
inline std::vector<Tensor> outputs_of(const Model& model, const CompileOptions& options, std::span<const Tensor> inputs, int threads) {
  Run run(Program::compile(model, options), {.threads = threads});
  std::vector<Tensor> outputs;
  for (const Tensor& y : run(inputs)) outputs.push_back(y.clone());
  return outputs;
}

inline bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) { return identical(x, y); });
}

/// Benchmarks `run(state, file)` for each network, as "NAME/network".
inline void for_each_network(const std::string& name, void (*run)(benchmark::State&, NetworkFile)) {
  for (const NetworkFile& file : network_files())
    benchmark::RegisterBenchmark(str(name, "/", file.name).c_str(), run, file)->Unit(benchmark::kMillisecond)->UseRealTime();
}

}  // namespace bitwright
