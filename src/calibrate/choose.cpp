#include "calibrate/choose.hpp"

#include <algorithm>

namespace bitwright {
namespace {

bool names(const Override& o, const Graph& graph, const Node& node) {
  return (o.op.empty() || o.op == node.op) && (o.match.empty() || glob_match(o.match, label(graph, node)));
}

std::vector<std::string> labels(const Graph& graph) {
  std::vector<std::string> result;
  for (const Node& node : graph.nodes) result.push_back(label(graph, node));
  return result;
}

std::vector<std::string> types(const Graph& graph) {
  std::vector<std::string> result;
  for (const Node& node : graph.nodes) result.push_back(node.op);
  return result;
}

[[noreturn]] void names_nothing(std::string_view what, const std::string& pattern, const std::vector<std::string>& known) {
  const std::string near = nearest(pattern, known);
  fail(ErrorCode::usage, what, " '", pattern, "' names no node of the model",
       near.empty() ? std::string() : "; did you mean '" + near + "'?");
}

void apply_overrides(const Model& model, const Rules& rules, std::vector<Choice>& choices) {
  const Graph& graph = model.graph;
  for (const Override& o : rules.overrides) {
    if (o.match.empty() && o.op.empty()) fail(ErrorCode::usage, "an override needs 'match' or 'op'");
    bool found = false;
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      if (!names(o, graph, graph.nodes[i])) continue;
      found = true;
      Choice& c = choices[i];
      if (o.quantize) c.allowed = *o.quantize;
      if (o.quantize && !*o.quantize) c.why = o.why.empty() ? "kept float by an override of the recipe" : o.why;
      if (o.activation) c.activation = *o.activation, c.own_activation = true;
      if (o.weight) c.weight = *o.weight;
      if (!o.observer.empty()) c.observer = o.observer;
    }
    if (!found) names_nothing("override", o.match.empty() ? o.op : o.match, o.match.empty() ? types(graph) : labels(graph));
  }
}

void apply_excludes(const Model& model, const Rules& rules, std::vector<Choice>& choices) {
  for (const std::string& pattern : rules.exclude) {
    bool found = false;
    for (size_t i = 0; i < choices.size(); ++i) {
      if (!glob_match(pattern, label(model.graph, model.graph.nodes[i]))) continue;
      choices[i].allowed = false;
      choices[i].why = "excluded by the recipe";
      found = true;
    }
    if (!found) names_nothing("exclude", pattern, labels(model.graph));
  }
}

void apply_edge(Choice& choice, Edge edge, std::string_view which) {
  if (edge == Edge::keep_float) {
    choice.allowed = false;
    choice.why = str("the recipe keeps the ", which, " layer float");
  } else if (edge == Edge::eight_bits) {
    choice.activation = eight_bits(choice.activation);
    choice.weight = eight_bits(choice.weight);
  }
}

bool is_layer(const Graph& graph, const Node& node, const Choice& choice) {
  return choice.rule && choice.rule->kind == QuantRule::Kind::linear && weights_of(graph, node, *choice.rule).tensor;
}

void apply_edges(const Model& model, const Rules& rules, std::vector<Choice>& choices) {
  std::vector<size_t> layers;
  for (size_t i = 0; i < choices.size(); ++i)
    if (is_layer(model.graph, model.graph.nodes[i], choices[i])) layers.push_back(i);
  if (layers.empty()) return;
  apply_edge(choices[layers.front()], rules.first, "first");
  apply_edge(choices[layers.back()], rules.last, "last");
}

// Operators that dynamic quantization could take but by default does not have a reason of their own.
std::string not_asked_for(const Node& node, const Rules& rules) {
  const std::vector<std::string> usual = default_dynamic_operators();
  if (rules.method == Method::dynamic && std::find(usual.begin(), usual.end(), node.op) == usual.end())
    for (const DynamicChoice& choice : dynamic_operators())
      if (choice.op == node.op) return std::string(choice.why);
  return "its operator type was not asked for";
}

// Types that the network does not have are no mistake (one recipe serves many), words that are no operator are.
void check_operators(const Graph& graph, const Rules& rules) {
  std::vector<std::string> known = types(graph);
  for (const Op* op : all_ops()) known.emplace_back(op->name);
  for (const std::string& type : rules.operators) {
    if (std::find(known.begin(), known.end(), type) != known.end()) continue;
    const std::string near = nearest(type, known);
    fail(ErrorCode::usage, "there is no operator '", type, "'", near.empty() ? std::string() : "; did you mean '" + near + "'?");
  }
}

void check_schemes(Method method, const Scheme& activation, const Scheme& weight) {
  constexpr int kWidest = 16;  // 32 bits are for biases
  const bool rounds = method == Method::static_ranges;  // to 16-bit floats, whose products stay float
  const auto known = [&](const Format& f) { return f.bits <= kWidest && (f.is_integer || rounds); };
  if (method != Method::weight_only && !known(*activation.format))
    fail(ErrorCode::usage, "activations in ", activation.format->name, " are not known; take int2 ... int16 or uint2 ... uint16",
         rounds ? ", fp16 or bf16" : "");
  if (rounds && !known(*weight.format))
    fail(ErrorCode::usage, "static quantization takes weights of at most 16 bits, not ", weight.format->name);
}

}  // namespace

std::vector<Choice> choose(const Model& model, const Rules& rules) {
  check_operators(model.graph, rules);
  check_schemes(rules.method, rules.activation, rules.weight);
  for (const Override& o : rules.overrides)
    check_schemes(rules.method, o.activation.value_or(rules.activation), o.weight.value_or(rules.weight));
  std::vector<Choice> choices;
  for (const Node& node : model.graph.nodes) {
    const Op* op = find_op(node.domain, node.op);
    Choice choice{op ? &op->quant : nullptr, true, {}, rules.activation, rules.weight, rules.observer};
    const auto& types = rules.operators;
    if (!types.empty() && std::find(types.begin(), types.end(), node.op) == types.end()) {
      choice.allowed = false;
      choice.why = not_asked_for(node, rules);
    }
    choices.push_back(std::move(choice));
  }
  apply_edges(model, rules, choices);
  apply_excludes(model, rules, choices);
  apply_overrides(model, rules, choices);
  return choices;
}

namespace {

// Output channels and summed axis of the weights that ONNX's linear operators carry.
void set_axes(const Node& node, const QuantRule& rule, Weights& w) {
  const int rank = static_cast<int>(w.tensor->rank());
  w.axis = rule.weight_axis < 0 ? rule.weight_axis + rank : rule.weight_axis;
  if (node.is("Gemm")) w.axis = node.attr_int("transB", 0) ? 0 : 1;
  w.reduce_axis = node.is("MatMul") ? std::max(0, rank - 2) : w.axis == 0 ? 1 : 0;
}

std::string bias_refusal(const Graph& graph, const Node& node, const QuantRule& rule, const Weights& w) {
  if (rule.bias_input < 0) return {};
  const ValueId bias = node.input(static_cast<size_t>(rule.bias_input));
  if (bias == ValueId::none) return {};
  const Tensor* tensor = graph.constant(bias);
  if (!tensor) return "its bias is not constant";
  int64_t channels = w.tensor->dim(w.axis);
  if (node.is("ConvTranspose")) channels *= node.attr_int("group", 1);
  if (tensor->rank() > 1 && tensor->elements() > tensor->dim(-1))
    return str("its bias has shape ", to_string(tensor->shape()), ": it changes with the row, codes have one per output channel");
  if (tensor->elements() != channels || tensor->rank() == 0)
    return str("its bias has shape ", to_string(tensor->shape()), ", not one value per output channel");
  return {};
}

std::string operand_refusal(const Graph& graph, const Node& node) {
  const ValueId first = node.input(0);
  const bool on_the_left = first != ValueId::none && graph.has_value(first) && graph.constant(first);
  return on_the_left ? "its constant is the first operand: weights are the second one" : "its weights are not constant";
}

}  // namespace

Weights weights_of(const Graph& graph, const Node& node, const QuantRule& rule) {
  Weights w;
  if (rule.weight_input < 0) return w.refusal = "it has no weights", w;
  w.input = static_cast<uint16_t>(rule.weight_input);
  const ValueId id = node.input(w.input);
  const Tensor* tensor = id != ValueId::none && graph.has_value(id) ? graph.constant(id) : nullptr;
  if (!tensor) return w.refusal = operand_refusal(graph, node), w;
  if (tensor->dtype() != DType::f32)
    return w.refusal = str("its weights are ", name_of(tensor->dtype()), ", not float32"), w;
  if (tensor->elements() == 0) return w.refusal = "its weights are empty", w;
  w.tensor = tensor;
  set_axes(node, rule, w);
  w.refusal = bias_refusal(graph, node, rule, w);
  if (node.is("Gemm") && (node.attr_float("alpha", 1) != 1 || node.attr_float("beta", 1) != 1))
    w.refusal = "its alpha or beta is not 1";
  if (!w.refusal.empty()) w.tensor = nullptr;
  return w;
}

Wish weight_wish(const Choice& choice, const Tensor& weights, int axis, int reduce_axis) {
  Wish wish{choice.weight, "minmax", {}, {}, axis};
  if (weights.rank() < 2) wish.scheme.granularity = Layout::tensor;
  // A stack of matrices: ONNX's integer products know one scale per row or for all, not one per column of each.
  const bool stacked = weights.rank() > 2 && (axis < 0 ? axis + weights.rank() : axis) == weights.rank() - 1;
  if (stacked && wish.scheme.granularity == Layout::channel) wish.scheme.granularity = Layout::tensor;
  if (wish.scheme.granularity == Layout::block) wish.axis = reduce_axis;
  return wish;
}

Scheme eight_bits(Scheme scheme) {
  if (scheme.format->is_integer) scheme.format = &format_named(scheme.format->is_signed ? "int8" : "uint8");
  return scheme;
}

Scheme unsigned_twin(Scheme scheme) {
  if (!scheme.format->is_integer || !scheme.format->is_signed || scheme.symmetry == Symmetry::affine) return scheme;
  scheme.format = &format_named(str("uint", scheme.format->bits));
  scheme.symmetry = Symmetry::affine;
  return scheme;
}

}  // namespace bitwright
