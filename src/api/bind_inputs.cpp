// From records to what a network is fed: which input gets which tensor, in the shape and type that it wants.
#include <limits>
#include <type_traits>

#include "api/metric.hpp"
#include "graph/state.hpp"

namespace bitwright {
namespace {

/// The tensor in the port's shape, axes of extent 1 added or dropped; false where it cannot be.
bool fit(const Port& port, Tensor& tensor) {
  if (!port.has_shape) return true;
  Shape shape;
  size_t d = 0;
  const Shape& given = tensor.shape();
  for (size_t p = 0; p < port.shape.size();) {
    const bool takes = d < given.size() && (port.shape[p] < 0 || port.shape[p] == given[d]);
    if (takes && (port.shape[p] != 1 || given.size() - d >= port.shape.size() - p)) {
      shape.push_back(given[d++]), ++p;
    } else if (port.shape[p] == 1) {
      shape.push_back(1), ++p;
    } else if (d < given.size() && given[d] == 1) {
      ++d;
    } else {
      return false;
    }
  }
  while (d < given.size() && given[d] == 1) ++d;
  if (d < given.size()) return false;
  if (shape != given) tensor = tensor.reshaped(shape);
  return true;
}

[[noreturn]] void nothing_for(const Graph& graph, const Port& port, const Dataset& data) {
  const std::vector<std::string> outputs = state_candidates(graph, port.name);
  std::string hint = "; a number that never changes is given by constants = { NAME = NUMBER } in data.toml or --data-options";
  if (!outputs.empty()) hint = str("; if it is state: --state ", port.name, "=", join(outputs, " or "));
  fail(ErrorCode::mismatch, "the data (", data.description(), ") give nothing for the network's input '", port.name, "'", hint);
}

/// x86 has 64 bits of mantissa there, others 113: every element type fits exactly.
template <class T>
long double wide(T value) {
  if constexpr (std::is_arithmetic_v<T>) return static_cast<long double>(value);
  else return static_cast<long double>(static_cast<float>(value));
}

/// The nearest number of type T; false where it is not an integer that T has.
template <class T>
bool narrow(long double value, T& to) {
  if constexpr (std::is_integral_v<T>) {
    using Limits = std::numeric_limits<T>;
    if (!(value >= wide(Limits::min()) && value <= wide(Limits::max()))) return false;
    to = static_cast<T>(value);
    return wide(to) == value;
  } else if constexpr (std::is_arithmetic_v<T>) {
    to = static_cast<T>(value);
  } else {
    to = static_cast<T>(static_cast<float>(value));
  }
  return true;
}

bool has_numbers(DType type) {
  return (is_float(type) && bits_of(type) >= 16) || (is_integer(type) && bits_of(type) >= 8) || type == DType::boolean;
}

/// Floats are rounded to the wanted float type; all other changes of type must keep every value. False where one does not.
bool convert(Tensor& tensor, DType wanted) {
  const DType given = tensor.dtype();
  if (given == wanted || !has_numbers(given) || !has_numbers(wanted)) return true;
  const bool rounded = is_float(given) && is_float(wanted);
  Tensor made(wanted, tensor.shape());
  bool all = true;
  dispatch(given, [&]<class S>(S*) {
    dispatch(wanted, [&]<class T>(T*) {
      T* to = made.values<T>().data();
      for (const S value : tensor.values<S>()) {
        all = all && narrow(wide(value), *to) && (rounded || wide(*to) == wide(value));
        ++to;
      }
    });
  });
  if (all) tensor = std::move(made);
  return all;
}

}  // namespace

int64_t batch_of(std::span<const Port> inputs, int64_t wanted) {
  for (const Port& port : inputs)
    if (port.has_shape && !port.shape.empty()) return port.shape[0] < 0 ? wanted : std::max<int64_t>(1, port.shape[0]);
  return wanted;
}

std::vector<Tensor> bind_inputs(const Graph& graph, std::span<const Port> inputs, const Dataset& data, const Batch& batch) {
  const std::vector<std::string> names = data.input_names();
  std::vector<Tensor> bound;
  for (size_t i = 0; i < inputs.size(); ++i) {
    size_t at = batch.inputs.size();
    for (size_t k = 0; k < names.size() && k < batch.inputs.size(); ++k)
      if (!names[k].empty() && names[k] == inputs[i].name) at = k;
    const bool by_position = i < batch.inputs.size() && (i >= names.size() || names[i].empty());
    if (at == batch.inputs.size() && by_position) at = i;
    if (at == batch.inputs.size() && inputs.size() == 1 && batch.inputs.size() == 1) at = 0;
    if (at == batch.inputs.size()) nothing_for(graph, inputs[i], data);
    Tensor tensor = batch.inputs[at];
    if (!fit(inputs[i], tensor))
      fail(ErrorCode::mismatch, "the network's input '", inputs[i].name, "' wants ", graph.shape_text(inputs[i].shape),
           ", the data give ", to_string(tensor.shape()), "; resize and crop are said in data.toml or --data-options");
    if (!convert(tensor, inputs[i].dtype))
      fail(ErrorCode::mismatch, "the network's input '", inputs[i].name, "' wants ", name_of(inputs[i].dtype), ", the data give ",
           name_of(tensor.dtype()), " with values that it cannot hold exactly");
    bound.push_back(std::move(tensor));
  }
  return bound;
}

}  // namespace bitwright
