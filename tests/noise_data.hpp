// Quantizing a network without data of its own: for tests and benchmarks to which only the arithmetic matters.
#pragma once

#include "api/api.hpp"
#include "noise.hpp"

namespace bitwright {

/// Records of normal numbers for every input.
class NoiseData : public Dataset {
 public:
  explicit NoiseData(const Model& model) {
    for (const Port& port : input_ports(model.graph)) shapes_.push_back(port.shape), names_.push_back(port.name);
  }
  int64_t size() const override { return 4; }
  Task task() const override { return Task::none; }
  std::string description() const override { return "noise"; }
  std::vector<std::string> input_names() const override { return names_; }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = std::ssize(records);
    for (Shape shape : shapes_) {
      shape[0] = batch.records;
      batch.inputs.push_back(noise(shape, 1, static_cast<uint32_t>(records[0]) + 1));
    }
    return batch;
  }

 private:
  std::vector<Shape> shapes_;
  std::vector<std::string> names_;
};

inline Model quantized_on_noise(const Model& model, Method method = Method::static_ranges) {
  Recipe recipe;
  recipe.rules.method = method;
  if (method == Method::dynamic) return quantize(model, recipe).model;
  recipe.samples = 2;
  recipe.batch = 1;
  const NoiseData data(model);
  return quantize(model, recipe, &data).model;
}

}  // namespace bitwright
