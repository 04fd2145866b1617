#include <chrono>
#include <random>

#include "api/api.hpp"

namespace bitwright {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void check_any_quantized(const Quantized& result) {
  for (const Decision& decision : result.decisions)
    if (decision.quantized) return;
  if (result.decisions.empty()) fail(ErrorCode::usage, "nothing would be quantized: the network has no operators");
  const Decision* told = &result.decisions.front();  // the operator of which most would expect it
  for (const Decision& decision : result.decisions)
    for (const DynamicChoice& choice : dynamic_operators())
      if (decision.op == choice.op && choice.op != "Gather") told = &decision;
  fail(ErrorCode::usage, "nothing would be quantized; '", told->name, "' (", told->op, "): ", told->why);
}

}  // namespace

Batches batches_of(const Model& model, const Dataset& data, int64_t samples, int64_t batch) {
  const std::vector<Port> ports = input_ports(model.graph);
  const bool steps = !model.graph.state.empty();
  const int64_t size = batch_of(ports, steps ? 1 : batch), records = std::min(samples, data.size()), fixed = batch_of(ports, 0);
  const auto inputs = [graph = model.graph, &data, ports, size, records, fixed](int64_t i) {  // the model may be moved meanwhile
    return bind_inputs(graph, ports, data, data.filled_batch(i * size, std::min(size, records - i * size), fixed));
  };
  const auto begins_sequence = [&data, size](int64_t i) { return data.begins_sequence(i * size); };
  const int64_t count = (records + size - 1) / size, last = records - (count - 1) * size;
  return {count, inputs, begins_sequence, {last, std::max(last, fixed)}};
}

Quantized quantize(const Model& model, const Recipe& recipe, const Dataset* data, Sink* sink, int threads) {
  const auto start = std::chrono::steady_clock::now();
  if (!model.quantization.empty())
    fail(ErrorCode::usage, "the model is quantized already (", model.quantization.at.size(),
         " places); quantize the float model it was made from");
  Quantized result;
  result.recipe = recipe;
  Prepared prepared = fuse(model, recipe);
  result.notes = std::move(prepared.notes);
  Placement placement = set_qconfig(std::move(prepared.model), recipe);
  placement.model.quantization.profile = recipe.profile;
  result.decisions = placement.decisions;
  check_any_quantized(result);
  const CalibrateOptions options{threads, recipe.observer, recipe.weight_observer, sink};
  const bool needs_data = !needs_of(placement).empty();
  if (needs_data && !data)
    fail(ErrorCode::usage, "static quantization needs calibration data; dynamic and weight-only do not");
  Batches batches;
  if (needs_data) {
    batches = batches_of(placement.model, *data, recipe.samples, recipe.batch);
    result.data = str(data->description(), ", first ", std::min(recipe.samples, data->size()), " records");
  }
  result.model = calibrate(std::move(placement), batches, options, &result.calibration);
  for (const SiteRange& range : result.calibration.ranges)
    if (range.dropped > 0)
      result.notes.push_back(str("'", range.name, "' had ", range.dropped, " infinite or NaN values; they were left out"));
  result.seconds = seconds_since(start);
  return result;
}

std::vector<Tensor> random_inputs(const Program& program, int64_t batch, uint64_t seed, int64_t length) {
  std::mt19937_64 engine(seed);
  const auto unit = [&] { return static_cast<float>(engine() >> 40) * 0x1p-24f; };
  std::vector<Tensor> tensors;
  const std::vector<Shape> shapes = program.default_shapes(batch, length);
  for (size_t i = 0; i < shapes.size(); ++i) {
    Tensor tensor(program.inputs()[i].dtype, shapes[i]);
    if (is_float(tensor.dtype()) || is_integer(tensor.dtype()))
      dispatch(tensor.dtype(), [&]<class T>(T*) {
        for (T& v : tensor.values<T>()) {
          const float x = unit() + unit() + unit() + unit() - 2;
          if constexpr (std::is_integral_v<T>) v = static_cast<T>(x > 0);
          else v = static_cast<T>(x);
        }
      });
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

}  // namespace bitwright
