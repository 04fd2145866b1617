// Placement: which places of a network get number formats, before any data is seen. It reads each operator's QuantRule and
// the wishes of a recipe and fills the table with entries whose grids are still open; calibrate.hpp then finds the
// ranges. It also says, for every node, whether it will be quantized and why (docs/quantization.md, "Which values get a
// grid").
//
// Where entries go: linear operators get weights as codes and an int32 bias; every value that a quantized operator reads
// or makes gets a grid at its producer. A Relu or Clip after a linear or rescaling operator is absorbed: only its output
// has a grid. Operators that pass codes through share one grid with their inputs.
#pragma once

#include <optional>

#include "graph/quantization.hpp"
#include "quant/scheme.hpp"

namespace bitwright {

enum class Method : uint8_t {
  static_ranges,  // activations and weights, ranges from calibration data
  dynamic,        // weights as codes; activations quantized from each input at run time
  weight_only,    // weights as codes, arithmetic in float
};
std::string_view name_of(Method method);

/// What changes for the nodes that it names. `match` is a glob ("layer1.*", '*' and '?') over node names, `op` an operator
/// type; both given: both must fit. Later overrides win.
struct Override {
  std::string match, op;
  std::optional<bool> quantize;  // false: keep float
  std::optional<Scheme> activation, weight;
  std::string observer;  // of the node's outputs; empty: the general one
  std::string why;       // of quantize = false: shown with the decision
};

/// How the first or last linear operator is treated.
enum class Edge : uint8_t { as_others, keep_float, eight_bits };

struct Rules {
  Method method = Method::static_ranges;
  Scheme activation, weight;
  std::string observer = "minmax";
  bool fuse = true;              // absorb clamps; false: a grid before and after them (mission A1.25)
  bool quantize_outputs = true;  // false: results of the network stay float
  bool per_row = false;          // dynamic: one scale per row instead of one per tensor
  Edge first = Edge::as_others, last = Edge::as_others;
  std::vector<std::string> operators;  // if not empty: only these types (dynamic: default_dynamic_operators)
  std::vector<std::string> exclude;    // globs over node names
  std::vector<Override> overrides;
};

/// The range of one place is asked for here: how, and by which observer.
struct Wish {
  Scheme scheme;
  std::string observer;
  std::optional<float> fixed_min, fixed_max;  // known beforehand: no observer
  int axis = 0;  // of weights: output channels, or the axis along which groups lie
};

struct Decision {
  NodeId node = NodeId::none;
  std::string name, op;
  bool quantized = false;
  std::string why;
};

struct Placement {
  Model model;                 // entries with empty chains (at_run: complete)
  std::map<Site, Wish> wishes; // of every entry that calibration must fill, weights included
  std::vector<Decision> decisions;
};

/// Error{usage} for overrides and excludes that name no node, operators and formats that cannot be. An existing table is replaced.
Placement place(Model model, const Rules& rules);

/// The node's name, or that of its first output when it has none: what patterns match and tables print.
std::string label(const Graph& graph, const Node& node);
bool glob_match(std::string_view pattern, std::string_view text);

/// What dynamic quantization touches by default, and why (mission A2.5).
struct DynamicChoice {
  std::string_view op, why;
};
std::span<const DynamicChoice> dynamic_operators();
/// The operators that are quantized dynamically when the recipe names none: those of dynamic_operators() except Conv
/// and Gather.
std::vector<std::string> default_dynamic_operators();

}  // namespace bitwright
