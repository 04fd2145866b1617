// Placement that needs no data: dynamic quantization and weights alone.
#include "calibrate/choose.hpp"

namespace bitwright {
namespace {

using Kind = QuantRule::Kind;

struct WeightPlace {
  uint16_t input;
  Wish wish;
};
using WeightPlaces = std::vector<WeightPlace>;

bool is_recurrent(const Node& node) { return node.is("LSTM") || node.is("GRU") || node.is("RNN"); }

const Tensor* float_constant(const Graph& graph, const Node& node, size_t input) {
  const ValueId id = node.input(input);
  const Tensor* tensor = id != ValueId::none && graph.has_value(id) ? graph.constant(id) : nullptr;
  return tensor && tensor->dtype() == DType::f32 && tensor->elements() > 0 ? tensor : nullptr;
}

WeightPlaces recurrent_places(const Graph& graph, const Node& node, const Choice& choice, std::string& why) {
  WeightPlaces places;
  for (const uint16_t input : {uint16_t{1}, uint16_t{2}}) {  // W: [directions, gates * hidden, in], R: likewise
    const Tensor* weights = float_constant(graph, node, input);
    if (!weights || weights->rank() != 3) return why = "its weights are not constant", WeightPlaces{};
    Wish wish = weight_wish(choice, *weights, 1, 2);
    if (wish.scheme.granularity == Layout::channel && weights->dim(0) > 1) {  // a scale per direction and row: one block each
      wish.scheme.granularity = Layout::block;
      wish.scheme.block_size = weights->dim(2);
      wish.axis = 2;
    }
    places.push_back({input, wish});
  }
  return places;
}

// The constants of a node that become codes; empty, with the reason, when there are none.
WeightPlaces weight_places(const Graph& graph, const Node& node, const Choice& choice, std::string& why) {
  if (is_recurrent(node)) return recurrent_places(graph, node, choice, why);
  if (node.is("Gather")) {
    const Tensor* table = float_constant(graph, node, 0);
    if (!table || table->rank() != 2) return why = "it reads no constant table", WeightPlaces{};
    return {{0, weight_wish(choice, *table, 0, 1)}};
  }
  if (!choice.rule || choice.rule->kind != Kind::linear) return why = "it has no weights", WeightPlaces{};
  const Weights w = weights_of(graph, node, *choice.rule);
  if (!w.tensor) return why = w.refusal, WeightPlaces{};
  return {{w.input, weight_wish(choice, *w.tensor, w.axis, w.reduce_axis)}};
}

Entry at_run(const Choice& choice, bool per_row) {
  Entry entry;
  entry.when = When::at_run;
  entry.per_row = per_row;
  const CodeRange range = code_range(choice.activation);
  Grid grid;
  grid.format = choice.activation.format;
  grid.qmin = range.qmin;
  grid.qmax = range.qmax;
  entry.chain = {grid};
  return entry;
}

std::string_view dynamic_reason(const Node& node) {
  for (const DynamicChoice& choice : dynamic_operators())
    if (choice.op == node.op) return choice.why;
  return {};
}

// Codes are multiplied only where both operands are integers; 16-bit float weights are a matter of memory alone.
bool multiplies_codes(const Node& node, const Choice& choice) {
  return choice.weight.format->is_integer && choice.weight.granularity != Layout::block && !node.is("Gather");
}

}  // namespace

Placement place_without_data(Model model, const Rules& rules, const std::vector<Choice>& choices) {
  Placement out;
  model.quantization.at.clear();
  for (size_t i = 0; i < choices.size(); ++i) {
    const Node& node = model.graph.nodes[i];
    const Choice& choice = choices[i];
    std::string why = choice.why;
    WeightPlaces places;
    if (choice.allowed) places = weight_places(model.graph, node, choice, why);
    for (const WeightPlace& place : places) {
      const Site site{node.id, Side::input, place.input};
      model.quantization.at[site];
      out.wishes[site] = place.wish;
    }
    if (!places.empty()) why = str(choice.weight.format->name, " weights");
    if (!places.empty() && rules.method == Method::dynamic && multiplies_codes(node, choice)) {
      const bool whole = node.is("Conv");  // a convolution's sums mix rows
      model.quantization.at[{node.id, Side::input, 0}] = at_run(choice, rules.per_row && !whole);
      if (is_recurrent(node)) model.quantization.at[{node.id, Side::inner, 0}] = at_run(choice, rules.per_row);
      why += str(", activations at run time", rules.per_row && whole ? " per tensor, not per row" : "", ": ", dynamic_reason(node));
    }
    out.decisions.push_back({node.id, label(model.graph, node), node.op, !places.empty(), why});
  }
  out.model = std::move(model);
  return out;
}

}  // namespace bitwright
