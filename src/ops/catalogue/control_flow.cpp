// If, Loop and Scan: whoever executes the node runs their sub-graphs. Output shapes depend on data, so a Program that
// holds one of these is dynamic.
#include <algorithm>

#include "ops/move.hpp"

namespace bitwright {
namespace {

const Graph& sub_graph(const OpContext& c, const std::string& key) {
  const auto at = c.node().attributes.find(key);
  const auto* graph = at == c.node().attributes.end() ? nullptr : std::get_if<std::shared_ptr<Graph>>(&at->second);
  if (!graph || !*graph) c.malformed(str("has no sub-graph '", key, "'"));
  if (c.shape_only()) throw DataNeeded();
  if (!c.run_nested) c.unsupported("sub-graphs cannot be run here");
  return **graph;
}

bool truth(const OpContext& c, const Tensor& t) {
  if (t.dtype() != DType::boolean || t.elements() != 1)
    c.malformed(str("the condition is ", name_of(t.dtype()), " ", to_string(t.shape()), ", wanted one bool"));
  return t.values<bool>()[0];
}

void run_if(OpContext& c) {
  const bool condition = truth(c, c.data(0));
  const Graph& branch = sub_graph(c, condition ? "then_branch" : "else_branch");
  const auto results = c.run_nested(branch, {});
  if (results.size() < c.node().outputs.size())
    c.malformed(str("the branch gives ", results.size(), " outputs, wanted ", c.node().outputs.size()));
  for (size_t i = 0; i < c.node().outputs.size(); ++i) c.forward(i, results[i]);
}

// Items of one shape side by side along a new axis.
Tensor stacked(const OpContext& c, const Graph& body, size_t output, const std::vector<Tensor>& items, int64_t axis,
               bool reversed) {
  if (items.empty()) {  // the type and shape that the body declares
    const ValueId id = body.outputs[output];
    Shape shape = body.has_value(id) ? body.value(id).shape : Shape();
    for (int64_t& extent : shape) extent = std::max<int64_t>(extent, 0);
    shape.insert(shape.begin(), 0);
    const DType type = body.has_value(id) ? body.value(id).dtype : DType::none;
    return Tensor(type == DType::none ? DType::f32 : type, shape);
  }
  const Shape& item = items[0].shape();
  Shape shape = item;
  const int64_t at = normal_axis(c, axis, static_cast<int64_t>(item.size()) + 1);
  shape.insert(shape.begin() + at, static_cast<int64_t>(items.size()));
  Tensor y(items[0].dtype(), shape);
  Walk to{0, strides_of(shape)};
  const int64_t step = to.strides[static_cast<size_t>(at)];
  to.strides.erase(to.strides.begin() + at);
  for (size_t i = 0; i < items.size(); ++i) {
    const Tensor& from = items[reversed ? items.size() - 1 - i : i];
    if (from.shape() != item || from.dtype() != y.dtype()) c.malformed(str("the body's output ", output, " changes its shape"));
    to.offset = static_cast<int64_t>(i) * step;
    copy_strided(c, item, from, {0, strides_of(item)}, y, to);
  }
  return y;
}

void run_loop(OpContext& c) {
  const Graph& body = sub_graph(c, "body");
  const int64_t limit = c.has(0) ? value_as_int(c.data(0), 0) : INT64_MAX;
  bool going = !c.has(1) || truth(c, c.data(1));
  const size_t carried = c.input_count() > 2 ? c.input_count() - 2 : 0;
  if (body.outputs.size() < 1 + carried || body.inputs.size() != 2 + carried || body.outputs.size() - 1 < c.node().outputs.size())
    c.malformed(str("the body has ", body.inputs.size(), " inputs and ", body.outputs.size(), " outputs for ", carried,
                    " carried values"));
  std::vector<Tensor> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(c.data(2 + i));
  std::vector<std::vector<Tensor>> collected(body.outputs.size() - 1 - carried);
  for (int64_t step = 0; step < limit && going; ++step) {
    std::vector<Tensor> args = {Tensor::scalar(step), Tensor::scalar(going)};
    args.insert(args.end(), state.begin(), state.end());
    auto results = c.run_nested(body, args);
    going = truth(c, results[0]);
    for (size_t i = 0; i < carried; ++i) state[i] = results[1 + i];
    for (size_t i = 0; i < collected.size(); ++i) collected[i].push_back(results[1 + carried + i]);
  }
  for (size_t i = 0; i < c.node().outputs.size(); ++i) {
    if (i < carried) c.forward(i, state[i]);
    else c.forward(i, stacked(c, body, 1 + i, collected[i - carried], 0, false));
  }
}

int64_t nth(const OpContext& c, const std::string& key, size_t i) {
  const auto values = c.node().attr_ints(key);
  return i < values.size() ? values[i] : 0;
}

Tensor slice_at(const OpContext& c, const Tensor& x, int64_t axis, int64_t index) {
  Shape shape = x.shape();
  Walk from{0, strides_of(shape)};
  from.offset = index * from.strides[static_cast<size_t>(axis)];
  from.strides.erase(from.strides.begin() + axis);
  shape.erase(shape.begin() + axis);
  Tensor y(x.dtype(), shape);
  copy_strided(c, shape, x, from, y, {0, strides_of(shape)});
  return y;
}

struct Scanned {
  Tensor values;
  int64_t axis;
  bool reversed;
};

std::vector<Scanned> read_scanned(const OpContext& c, size_t carried) {
  std::vector<Scanned> scanned;
  for (size_t i = 0; carried + i < c.input_count(); ++i) {
    const Tensor& x = c.data(carried + i);
    const int64_t axis = normal_axis(c, nth(c, "scan_input_axes", i), x.rank());
    scanned.push_back({x, axis, nth(c, "scan_input_directions", i) != 0});
    if (x.dim(axis) != scanned[0].values.dim(scanned[0].axis)) c.malformed("the scanned inputs differ in length");
  }
  return scanned;
}

void run_scan(OpContext& c) {
  const Graph& body = sub_graph(c, "body");
  const int64_t scan_inputs = c.node().attr_int("num_scan_inputs", 0);
  if (scan_inputs < 1 || scan_inputs > static_cast<int64_t>(c.input_count())) c.malformed(str("num_scan_inputs is ", scan_inputs));
  const size_t carried = c.input_count() - static_cast<size_t>(scan_inputs);
  if (body.outputs.size() < carried || body.inputs.size() != c.input_count() || body.outputs.size() < c.node().outputs.size())
    c.malformed(str("the body has ", body.inputs.size(), " inputs and ", body.outputs.size(), " outputs"));
  const auto scanned = read_scanned(c, carried);
  std::vector<Tensor> state;
  for (size_t i = 0; i < carried; ++i) state.push_back(c.data(i));
  std::vector<std::vector<Tensor>> collected(body.outputs.size() - carried);
  const int64_t length = scanned[0].values.dim(scanned[0].axis);
  for (int64_t step = 0; step < length; ++step) {
    std::vector<Tensor> args = state;
    for (const Scanned& s : scanned) args.push_back(slice_at(c, s.values, s.axis, s.reversed ? length - 1 - step : step));
    auto results = c.run_nested(body, args);
    for (size_t i = 0; i < carried; ++i) state[i] = results[i];
    for (size_t i = 0; i < collected.size(); ++i) collected[i].push_back(results[carried + i]);
  }
  for (size_t i = 0; i < c.node().outputs.size(); ++i) {
    const size_t k = i - carried;
    if (i < carried) c.forward(i, state[i]);
    else c.forward(i, stacked(c, body, i, collected[k], nth(c, "scan_output_axes", k), nth(c, "scan_output_directions", k) != 0));
  }
}

// Opset 8 scanned batches, with lengths as first input: another operator.
void upgrade_scan(UpgradeContext& u) {
  if (u.opset < 9) fail(ErrorCode::unsupported, display_name(u.node), ": Scan of opset 8 is not supported");
}

const Op kOps[] = {
    {.name = "If", .min_outputs = 0, .max_outputs = -1, .run = run_if},
    {.name = "Loop", .min_inputs = 0, .max_inputs = -1, .min_outputs = 0, .max_outputs = -1, .run = run_loop},
    {.name = "Scan", .max_inputs = -1, .max_outputs = -1, .since = 9, .run = run_scan, .upgrade = upgrade_scan},
};

}  // namespace

std::span<const Op> ops_control_flow() { return kOps; }

}  // namespace bitwright
