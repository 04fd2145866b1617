#include "random_net.hpp"

#include <algorithm>
#include <cmath>

#include "ops/op.hpp"

namespace bitwright {

using Ints = std::vector<int64_t>;

RandomNet::RandomNet(uint32_t seed, Kind kind) : random_(seed) {
  Graph& g = model.graph;
  const bool patterns = kind == Kind::patterns;
  if (patterns) on_grid_ = 0.97, at_run_ = 0.03;
  wide_ = chance(patterns ? 0.05 : 0.2);
  const bool image = patterns || chance(0.7);
  const Shape whole = image ? Shape{3, pick(1, 20), pick(3, 9), pick(3, 9)} : Shape{3, pick(2, 6), pick(1, 40)};
  sample = noise(whole, 1, chance(0.3) ? 0.7f : 0);
  const ValueId x = g.add_value("x", DType::f32);
  Value& value = g.value(x);
  value.has_shape = true, value.shape = whole, value.shape[0] = g.symbol("N");
  g.inputs = {x};
  now_ = {x, sample, true, grid_for(sample)};
  model.quantization.at[{kGraphInput, Side::output, 0}].chain = {now_.grid};
  if (!wide_)  // whose proofs for 65536 codes would take most of the time
    model.quantization.profile = one_of({Profile::ort, Profile::ort, Profile::real, Profile::tflite});
  samples_[x] = sample;
  made_.push_back(now_);
  for (int64_t layers = patterns ? pick(1, 4) : pick(2, 7); layers > 0; --layers) {
    if (patterns && shape().size() == 4 && chance(0.8)) pattern();
    else if (chance(0.35)) any_layer();
    else if (shape().size() == 4) image_layer();
    else sequence_layer();
  }
  g.outputs = {now_.id};
  for (const Flow& flow : made_)
    if (flow.id != now_.id && chance(0.2)) g.outputs.push_back(flow.id);
}

Tensor RandomNet::noise(Shape wanted, float scale, float mean) {
  Tensor t(DType::f32, std::move(wanted));
  std::normal_distribution<float> normal(mean, scale);
  for (float& v : t.values<float>()) v = normal(random_);
  return t;
}

Grid RandomNet::grid_for(const Tensor& values) {
  float lo = 0, hi = 0;
  for (const float v : values.values<float>()) lo = std::min(lo, v), hi = std::max(hi, v);
  const float slack = static_cast<float>(one_of({0.6, 1.0, 1.0, 1.3}));
  const Format& format = format_named(wide_ && chance(0.5) ? one_of({"int16", "uint16"}) : one_of({"uint8", "uint8", "int8", "int8", "uint8", "int8", "uint4"}));
  const auto codes = static_cast<float>((int64_t{1} << format.bits) - 1);
  if (format.is_signed && chance(0.5)) return tensor_grid(format, std::max(slack * 2 * std::max(-lo, hi) / codes, 1e-4f));
  const float scale = std::max(slack * (hi - lo) / codes, 1e-4f);
  const auto zero = static_cast<int32_t>(std::clamp(std::nearbyint(-slack * lo / scale), 0.0f, codes));
  return tensor_grid(format, scale, zero - (format.is_signed ? 1 << (format.bits - 1) : 0));
}

ValueId RandomNet::constant(Tensor tensor) {
  const ValueId id = model.graph.add_constant(str("k", names_++), tensor);
  samples_[id] = tensor;
  return id;
}

Node& RandomNet::add(const std::string& op, const std::vector<ValueId>& inputs, std::map<std::string, Attribute> attributes, To to) {
  const ValueId y = model.graph.add_value(str("v", names_++));
  Node& node = model.graph.add_node(op, inputs, {y}, str(op, names_));
  node.attributes = std::move(attributes);
  described += " " + op;
  follow(node, to);
  return node;
}

void RandomNet::follow(Node& node, To to) {
  std::vector<Tensor> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(id == ValueId::none ? Tensor() : samples_.at(id));
  now_ = place(node, 0, evaluate(node, inputs)[0], to);
}

RandomNet::Flow RandomNet::place(Node& node, size_t output, Tensor value, To to) {
  const Site site{node.id, Side::output, static_cast<uint16_t>(output)};
  Flow next{node.output(output), std::move(value), false, now_.grid};
  model.quantization.at.erase(site);
  const bool same = now_.on_grid && (to == To::same_grid || (to == To::either && chance(0.5)));
  if (to != To::no_grid && chance(on_grid_)) {
    next.on_grid = true;
    if (!same || chance(0.1)) next.grid = grid_for(next.sample);
    model.quantization.at[site].chain = {next.grid};
  }
  samples_[next.id] = next.sample;
  if (!made_.empty() && made_.back().id == next.id) made_.pop_back();
  made_.push_back(next);
  return next;
}

void RandomNet::quantize_weights(Node& node, size_t input, int axis) {
  const Tensor& w = samples_.at(node.inputs[input]);
  const Format& format = format_named(one_of({"int8", "int8", "int8", "int8", "uint8", "int4", "int16"}));
  const bool per_channel = chance(0.6);
  const int64_t count = per_channel ? w.dim(axis) : 1, stride = strides_of(w.shape())[static_cast<size_t>(axis)];
  const int32_t middle = format.is_signed ? 0 : 128;
  std::vector<float> scales(static_cast<size_t>(count), 1e-5f);
  std::vector<int32_t> zeros(scales.size(), middle);
  for (int64_t i = 0; i < w.elements(); ++i) {
    float& s = scales[static_cast<size_t>(per_channel ? i / stride % count : 0)];
    s = std::max(s, std::abs(w.values<float>()[static_cast<size_t>(i)]) / static_cast<float>((1 << (format.bits - 1)) - 1));
  }
  if (format.bits == 8 && chance(0.1))
    for (int32_t& z : zeros) z += static_cast<int32_t>(pick(-9, 9));
  Entry& entry = model.quantization.at[{node.id, Side::input, static_cast<uint16_t>(input)}];
  entry.chain = {per_channel ? channel_grid(format, axis, scales, zeros) : tensor_grid(format, scales[0], zeros[0])};
  entry.codes = quantize(w, entry.chain[0]);
}

void RandomNet::at_run(const Node& node) {
  if (!chance(at_run_)) return;
  Entry& entry = model.quantization.at[{node.id, Side::input, 0}];
  entry.when = When::at_run;
  entry.per_row = node.op != "Conv" && chance(0.5);
  model.quantization.at.erase({node.id, Side::input, 2});  // a bias is added in float
  batch_matters = batch_matters || !entry.per_row;
}

void RandomNet::add_bias(Node& node, int64_t channels) {
  if (chance(0.25)) return;
  node.inputs.push_back(constant(noise({channels}, 0.4f)));
  if (chance(0.15)) return;  // stays float
  model.quantization.at[{node.id, Side::input, 2}].when = When::derived;
}

void RandomNet::image_layer() {
  switch (pick(0, 9)) {
    case 0: return transposed();
    case 1: case 2: return pool();
    case 3: {
      const int64_t h = shape()[2], w = shape()[3];
      const Tensor sizes = Tensor::of<int64_t>({2}, Ints{pick(1, 2 * h), pick(1, 2 * w)});
      const std::string mode = one_of({"nearest", "nearest", "linear"});
      add("Resize", {now_.id, ValueId::none, ValueId::none, constant(sizes)}, {{"mode", mode}, {"axes", Ints{2, 3}}}, To::same_grid);
      return;
    }
    case 4: {
      const Tensor pads = Tensor::of<int64_t>({8}, Ints{0, 0, pick(0, 2), pick(0, 2), 0, 0, pick(0, 2), pick(0, 2)});
      add("Pad", {now_.id, constant(pads)}, {{"mode", std::string(one_of({"constant", "edge"}))}}, To::same_grid);
      return;
    }
    case 5:
      add("Flatten", {now_.id}, {}, To::same_grid);
      if (shape()[1] <= 400) product();
      return;
    default: return convolution();
  }
}

void RandomNet::sequence_layer() {
  switch (pick(0, 6)) {
    case 6: if (shape().size() == 3) return convolution(); return;
    case 0: case 1: if (shape().back() <= 400) return product(); return;
    case 2: if (shape().size() == 3) return attention(); return product();
    case 3: add("Softmax", {now_.id}, {{"axis", int64_t{-1}}}, To::own_grid); return;
    case 4: {
      const int64_t n = shape().back();
      add("LayerNormalization", {now_.id, constant(noise({n}, 0.2f, 1)), constant(noise({n}, 0.2f))}, {{"axis", int64_t{-1}}}, To::own_grid);
      return;
    }
    default: add("ReduceMean", {now_.id, constant(Tensor::of<int64_t>({1}, Ints{-1}))}, {}, To::own_grid); return;
  }
}

void RandomNet::any_layer() {
  switch (pick(0, 5)) {
    case 0: case 1: return combine();
    case 2: return join();
    case 3: return slice();
    case 4: return rearrange();
    default: return activation();
  }
}

void RandomNet::convolution() {
  const int64_t c = shape()[1];
  const int64_t groups = chance(0.3) ? c : c % 4 == 0 && chance(0.4) ? 4 : c % 2 == 0 && chance(0.3) ? 2 : 1;
  const int64_t oc = groups * (groups == c ? pick(1, 2) : pick(1, std::max<int64_t>(1, (chance(0.2) ? 140 : 40) / groups)));
  Shape weights = {oc, c / groups};
  Ints strides, dilations, begin, end;
  for (size_t d = 2; d < shape().size(); ++d) {
    const int64_t k = pick(1, 3), dilation = pick(1, 2);
    weights.push_back(k);
    strides.push_back(pick(1, 2)), dilations.push_back(dilation), end.push_back(pick(0, 1));
    begin.push_back(std::max<int64_t>(0, (k - 1) * dilation + 1 - shape()[d]) + pick(0, 1));
  }
  begin.insert(begin.end(), end.begin(), end.end());
  convolve(weights, groups, strides, dilations, begin, To::own_grid);
  if (!now_.on_grid || chance(0.4)) activation();
}

void RandomNet::convolve(const Shape& weights, int64_t groups, const Ints& strides, const Ints& dilations, const Ints& pads, To to) {
  Node& node = add("Conv", {now_.id, constant(noise(weights, 0.3f))},
                   {{"group", groups}, {"strides", strides}, {"dilations", dilations}, {"pads", pads}}, to);
  quantize_weights(node, 1, 0);
  add_bias(node, weights[0]);
  at_run(node);
  follow(node, to);
}

void RandomNet::transposed() {
  const int64_t c = shape()[1], groups = c % 2 == 0 && chance(0.3) ? 2 : 1, outer = pick(1, 12);
  const int64_t kh = pick(1, 3), kw = pick(1, 3);
  Node& node = add("ConvTranspose", {now_.id, constant(noise({c, outer, kh, kw}, 0.3f))},
                   {{"group", groups}, {"strides", Ints{pick(1, 2), pick(1, 2)}}, {"pads", Ints{0, 0, (kh - 1) / 2, (kw - 1) / 2}}}, To::own_grid);
  quantize_weights(node, 1, 1);
  add_bias(node, outer * groups);
  follow(node, To::own_grid);
}

void RandomNet::product() {
  const int64_t k = shape().back(), n = pick(1, 70);
  const bool gemm = shape().size() == 2 && chance(0.6), turned = gemm && chance(0.5);
  std::map<std::string, Attribute> attributes;
  if (turned) attributes["transB"] = int64_t{1};
  if (gemm && chance(0.1)) attributes["alpha"] = 0.5f;
  Node& node = add(gemm ? "Gemm" : "MatMul", {now_.id, constant(noise(turned ? Shape{n, k} : Shape{k, n}, 0.3f))}, attributes, To::own_grid);
  quantize_weights(node, 1, turned ? 0 : 1);
  if (gemm) add_bias(node, n);
  at_run(node);
  follow(node, To::own_grid);
  if (chance(0.3)) activation();
}

void RandomNet::attention() {
  const ValueId x = now_.id;
  add("Transpose", {x}, {{"perm", Ints{0, 2, 1}}}, To::same_grid);
  add("MatMul", {x, now_.id}, {}, To::own_grid);
  add("Softmax", {now_.id}, {{"axis", int64_t{-1}}}, To::own_grid);
  add("MatMul", {now_.id, x}, {}, To::own_grid);
}

void RandomNet::combine() {
  const std::string op = one_of({"Add", "Add", "Mul", "Sub"});
  for (const Flow& other : made_)
    if (other.id != now_.id && other.sample.shape() == shape() && chance(0.6)) {
      add(op, chance(0.5) ? std::vector{now_.id, other.id} : std::vector{other.id, now_.id}, {}, To::own_grid);
      return;
    }
  if (chance(0.2)) return void(add(op, {now_.id, now_.id}, {}, To::own_grid));
  if (shape().size() == 4 && chance(0.3)) {  // the gate of squeeze and excite
    const ValueId whole = now_.id;
    add("GlobalAveragePool", {whole}, {}, To::own_grid);
    add(op, chance(0.7) ? std::vector{whole, now_.id} : std::vector{now_.id, whole}, {}, To::own_grid);
    return;
  }
  Shape small(shape().size(), 1);
  if (chance(0.5)) small[1] = shape()[1];
  if (chance(0.2)) small = {shape().back()};  // a row that repeats
  const Tensor values = noise(small, 1);
  const bool first = chance(0.3);
  const ValueId k = constant(values);
  Node& node = add(op, first ? std::vector{k, now_.id} : std::vector{now_.id, k}, {}, To::own_grid);
  Entry& entry = model.quantization.at[{node.id, Side::input, static_cast<uint16_t>(first ? 0 : 1)}];
  entry.chain = {grid_for(values)};
  entry.codes = quantize(values, entry.chain[0]);
}

void RandomNet::join() {
  std::vector<ValueId> inputs = {now_.id};
  for (const Flow& other : made_) {
    Shape alike = other.sample.shape();
    if (alike.size() != shape().size()) continue;
    alike[1] = shape()[1];
    if (alike == shape() && inputs.size() < 3) inputs.push_back(other.id);
  }
  std::shuffle(inputs.begin(), inputs.end(), random_);
  add("Concat", inputs, {{"axis", int64_t{1}}}, To::same_grid);
}

void RandomNet::pool() {
  const std::string op = one_of({"MaxPool", "AveragePool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"});
  const To to = op == "MaxPool" || op == "GlobalMaxPool" ? To::same_grid : To::either;
  if (op[0] == 'G') return void(add(op, {now_.id}, {}, to));
  const int64_t kh = pick(1, std::min<int64_t>(3, shape()[2])), kw = pick(1, std::min<int64_t>(3, shape()[3]));
  std::map<std::string, Attribute> a = {{"kernel_shape", Ints{kh, kw}}, {"strides", Ints{pick(1, 2), pick(1, 2)}},
                                        {"pads", Ints{pick(0, kh - 1), pick(0, kw - 1), pick(0, kh - 1), pick(0, kw - 1)}},
                                        {"ceil_mode", pick(0, 1)}};
  if (op == "AveragePool") a["count_include_pad"] = pick(0, 1);
  add(op, {now_.id}, a, to);
}

void RandomNet::slice() {
  const int64_t axis = pick(1, std::ssize(shape()) - 1), extent = shape()[static_cast<size_t>(axis)];
  const int64_t start = pick(0, extent - 1), end = pick(start + 1, extent);
  auto one = [&](int64_t v) { return constant(Tensor::of<int64_t>({1}, Ints{v})); };
  add("Slice", {now_.id, one(start), one(end), one(axis), one(pick(1, 2))}, {}, To::same_grid);
}

void RandomNet::rearrange() {
  const int64_t rank = std::ssize(shape());
  if (rank == 4 && shape()[1] % 4 == 0 && chance(0.3)) return void(add("DepthToSpace", {now_.id}, {{"blocksize", int64_t{2}}}, To::same_grid));
  if (chance(0.3)) {
    const int64_t axis = pick(1, rank - 1), extent = shape()[static_cast<size_t>(axis)];
    const Tensor index = Tensor::of<int64_t>({3}, Ints{pick(0, extent - 1), pick(-extent, -1), pick(0, extent - 1)});
    return void(add("Gather", {now_.id, constant(index)}, {{"axis", axis}}, To::same_grid));
  }
  if (rank == 4 && chance(0.4)) {
    const Tensor to = Tensor::of<int64_t>({3}, Ints{0, shape()[1], -1});
    return void(add("Reshape", {now_.id, constant(to)}, {}, To::same_grid));
  }
  Ints order(shape().size());
  for (size_t d = 0; d < order.size(); ++d) order[d] = static_cast<int64_t>(d);
  std::shuffle(order.begin() + 1, order.end(), random_);
  add("Transpose", {now_.id}, {{"perm", order}}, To::same_grid);
}

void RandomNet::activation() {
  const std::string op = one_of({"Relu", "Relu", "Clip", "Sigmoid", "Tanh", "HardSwish", "LeakyRelu", "Gelu"});
  std::vector<ValueId> inputs = {now_.id};
  if (op == "Clip") inputs = {now_.id, constant(Tensor::of<float>({}, std::vector{-0.5f})), constant(Tensor::of<float>({}, std::vector{6.0f}))};
  add(op, inputs, {}, To::own_grid);
}

}  // namespace bitwright
