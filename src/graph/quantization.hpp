// The table beside the Graph that says, per place, what a tensor becomes. Simulation, training, export and integer
// execution all read this one table. No entry means float.
#pragma once

#include <map>
#include <tuple>

#include "graph/graph.hpp"
#include "quant/grid.hpp"

namespace bitwright {

enum class Side : uint8_t { output, input, inner };

/// A place: an output or an input of a node, or an inner value (an LSTM's cell). Graph inputs are outputs of the node
/// kGraphInput. An input's entry applies after the output's entry of its producer.
struct Site {
  NodeId node = NodeId::none;
  Side side = Side::output;
  uint16_t index = 0;
  auto operator<=>(const Site&) const = default;
};
constexpr NodeId kGraphInput = NodeId::none;

/// How the parameters of a place come to be.
enum class When : uint8_t {
  statically,  // calibrated, or taken from the weights
  at_run,      // from each input at run time (dynamic quantization)
  derived,     // from other grids: a bias has the scale sx * sw
};

using GroupId = uint32_t;  // 0: on its own

struct Entry {
  When when = When::statically;
  bool per_row = false;      // at_run: one scale per row of the last axis instead of one per tensor
  std::vector<Grid> chain;   // the quantize/dequantize steps in order; empty until known. at_run: format and range only
  Tensor codes;              // for constants: the truth
  GroupId tied = 0;          // places with the same number share one Grid
};

/// Arithmetic of integer operators (docs/quantization.md, profiles).
enum class Profile : uint8_t { ort, real, tflite };
std::string_view name_of(Profile profile);

struct Quantization {
  std::map<Site, Entry> at;
  Profile profile = Profile::ort;

  bool empty() const { return at.empty(); }
  const Entry* find(const Site& site) const;
  Entry* find(const Site& site);
};

/// What a model file says about itself, kept for writing it again.
struct ModelInfo {
  std::string producer, producer_version, domain, doc;
  int64_t ir_version = 0, version = 0;
  std::map<std::string, int64_t> opsets;           // as in the file, by domain
  std::map<std::string, std::string> metadata;     // metadata_props
  std::string unknown_fields;
  std::vector<std::string> notes;                  // what import changed or left alone, for the user
};

struct Model {
  Graph graph;
  Quantization quantization;
  ModelInfo info;
};

/// The site of the value's producer: a node's output, a graph input; nullopt-like Site{none, inner, 0} for constants.
struct SiteOf {
  bool found = false;
  Site site;
};
SiteOf producer_site(const Graph& graph, const Uses& uses, ValueId value);

/// Throws Error{malformed} for an entry whose node, input or output does not exist, whose codes do not fit the constant,
/// or whose scales do not fit the layout. Run after every pass with verify(graph).
void verify(const Model& model);

}  // namespace bitwright
