// The graph that spells a quantization with nodes: the inverse of fold.
#include <algorithm>
#include <map>

#include "graph/nested.hpp"
#include "passes/qoperators.hpp"
#include "passes/shields.hpp"
#include "passes/step_writer.hpp"

namespace bitwright {
namespace {

class Materialiser {
 public:
  Materialiser(Model& model, const MaterialiseOptions& options, NodeNames& names)
      : model_(model), names_(names), r_(model), steps_(r_, model.info.metadata, names), options_(options) {}

  void run() {
    write();
    for (const NodeId id : r_.nodes())
      if (r_.node(id)->is("Gather")) write_rows(r_, *r_.node(id));
    r_.commit();
    if (options_.style == QuantizedStyle::qoperator) write_qoperators(model_, names_);
    write_shields(model_, names_);
  }

 private:
  void write() {
    write_nested();
    const auto entries = model_.quantization.at;  // inputs are handled where they stand, so by value
    for (const auto& [site, entry] : entries)
      if (site.side == Side::input) write_input(site, entry);
    for (const auto& [site, entry] : entries)
      if (site.side == Side::output) write_output(site, entry);
    lower_dynamic_nodes();
    model_.quantization.at.clear();
    if (model_.quantization.profile != Profile::ort)
      model_.info.metadata[kProfileKey] = std::string(name_of(model_.quantization.profile));
    model_.quantization.profile = Profile::ort;
    r_.commit();
  }

  Model& model_;
  NodeNames& names_;
  Rewriter r_;
  StepWriter steps_;
  const MaterialiseOptions& options_;
  struct Made {
    std::vector<Grid> chain;
    Tensor codes;
    ValueId result;
  };
  std::map<ValueId, std::vector<Made>> made_;       // steps already written for a value
  std::map<std::pair<ValueId, bool>, DynamicCodes> dynamic_;  // run-time codes of a value, per tensor or per row
  std::map<NodeId, Site> at_run_;                             // nodes that want run-time codes at an input
  std::set<Site> per_row_;

  void write_nested() {
    for (Node& node : model_.graph.nodes)
      for_each_nested(node, [&](Graph& nested) {
        Model inner;
        inner.graph = std::move(nested);
        auto& at = model_.quantization.at;
        for (const PlacedNode& placed : all_nodes(inner.graph))
          for (auto entry = at.lower_bound({placed.node->id, Side::output, 0}); entry != at.end() && entry->first.node == placed.node->id;)
            inner.quantization.at.insert(at.extract(entry++));
        std::swap(inner.info, model_.info);  // metadata and notes are the file's
        Materialiser(inner, options_, names_).write();
        std::swap(inner.info, model_.info);
        nested = std::move(inner.graph);
      });
  }

  std::string unique(const std::string& stem) { return names_.unique(stem); }
  std::string where(const Site& site) {
    const Node* node = r_.node(site.node);
    return str(node ? display_name(*node) : "the graph's input", site.side == Side::input ? ": input " : ": output ", site.index);
  }

  const Made* find_made(ValueId value, const std::vector<Grid>& chain, const Tensor& codes) const {
    const auto at = made_.find(value);
    if (at == made_.end()) return nullptr;
    for (const Made& made : at->second)
      if (same_chain(made.chain, chain) && made.codes.raw() == codes.raw()) return &made;
    return nullptr;
  }

  void write_input(const Site& site, const Entry& entry) {
    const ValueId value = r_.node(site.node)->input(site.index);
    if (entry.when == When::at_run) return write_at_run(site, entry);
    if (entry.chain.empty() && entry.codes.empty()) return refuse(site, entry);
    if (is_own_grid(site, entry)) return;
    ValueId result = ValueId::none;
    if (const Made* made = find_made(value, entry.chain, entry.codes)) {
      result = made->result;
    } else {
      result = entry.codes.empty() ? steps_.write(value, entry, {}, where(site)) : steps_.write_codes(value, entry);
      made_[value].push_back({entry.chain, entry.codes, result});
    }
    r_.set_input(*r_.node(site.node), site.index, result);
  }

  void refuse(const Site& site, const Entry& entry) {
    if (entry.when == When::derived) return;  // a bias whose codes nobody asked for stays float
    fail(ErrorCode::usage, where(site), ": has no scale yet: calibrate first");
  }

  /// The entry that `fold` noted at the float side of a Q before a graph output.
  bool is_own_grid(const Site& site, const Entry& entry) {
    const Node& node = *r_.node(site.node);
    std::string unused;
    if (!is_quantize(node) || entry.chain.size() != 1) return false;
    const auto own = grid_of(r_.graph(), node, DType::none, &unused);
    return own && same_grid(*own, entry.chain[0]);
  }

  void write_output(const Site& site, const Entry& entry) {
    const Graph& g = r_.graph();
    const Node* node = site.node == kGraphInput ? nullptr : r_.node(site.node);
    const ValueId value = node ? node->outputs.at(site.index) : g.inputs.at(site.index);
    if (entry.when == When::at_run) fail(ErrorCode::unsupported, where(site), ": run-time scales belong to inputs of nodes");
    if (entry.chain.empty()) return refuse(site, entry);
    std::vector<Grid> chain = entry.chain;
    std::string unused;
    if (node && is_dequantize(*node)) {
      const auto own = grid_of(g, *node, g.has_value(node->input(0)) ? g.value(node->input(0)).dtype : DType::none, &unused);
      if (own && same_grid(*own, chain.front())) chain.erase(chain.begin());
    }
    if (chain.empty()) return;
    Entry rest = entry;
    rest.chain = chain;
    // Readers are moved first, so that the new Q keeps reading the value itself.
    const ValueId end = r_.add_value(g.value(value).name + "_dequantized", g.value(value).dtype);
    r_.graph().value(end).has_shape = g.value(value).has_shape, r_.graph().value(end).shape = g.value(value).shape;
    const bool output = r_.is_graph_output(value) && !r_.is_graph_input(value);
    if (output) {
      r_.graph().value(end).name = g.value(value).name;
      r_.graph().value(value).name += "_float";
    }
    replace_reads(r_.graph(), value, end, output);
    steps_.write(value, rest, end, where(site));
  }

  void write_at_run(const Site& site, const Entry& entry) {
    if ((!entry.chain.empty() && entry.chain.back().format->name != "uint8") || entry.chain.size() > 1)
      fail(ErrorCode::unsupported, where(site), ": ONNX knows run-time scales only in uint8");
    at_run_[site.node] = site;
    if (entry.per_row) per_row_.insert(site);
  }

  /// After the output entries are written: the node then reads what it will quantize.
  void lower_dynamic_nodes() {
    for (const auto& [id, site] : at_run_) {
      const bool per_row = per_row_.count(site) != 0;
      if (options_.integer_operators && site.index == 0 && !per_row && lower_dynamic_recurrent(r_, id, model_.info.metadata, names_)) continue;
      note_hidden_state(*r_.node(id));
      const ValueId x = r_.node(id)->input(site.index);
      const DynamicCodes& codes = dynamic_codes(x, per_row);
      if (options_.integer_operators && site.index == 0 && lower_dynamic(r_, *r_.node(id), codes, per_row)) continue;
      const std::string stem = r_.graph().has_value(x) ? r_.graph().value(x).name : "value";
      if (per_row) {
        r_.set_input(*r_.node(id), site.index, write_row_values(r_, codes, stem));
        continue;
      }
      const ValueId result = r_.add_value(stem + "_dequantized", DType::f32);
      r_.add("DequantizeLinear", {codes.codes, codes.scale, codes.zero}, {result}, unique(stem + "_DequantizeLinear"));
      r_.set_input(*r_.node(id), site.index, result);
    }
  }

  void note_hidden_state(const Node& node) {
    if (model_.quantization.find({node.id, Side::inner, 0}))
      model_.info.notes.push_back(str(display_name(node), ": that its hidden state is quantized at run time has no ONNX form: "
                                      "other runtimes compute it in float"));
  }

  const DynamicCodes& dynamic_codes(ValueId x, bool per_row) {
    const auto [at, fresh] = dynamic_.try_emplace({x, per_row});
    if (!fresh) return at->second;
    const std::string stem = r_.graph().has_value(x) ? r_.graph().value(x).name : "value";
    if (per_row) return at->second = write_row_codes(r_, x, stem);
    at->second = {r_.add_value(stem + "_quantized", DType::u8), r_.add_value(stem + "_scale", DType::f32),
                  r_.add_value(stem + "_zero_point", DType::u8)};
    r_.add("DynamicQuantizeLinear", {x}, {at->second.codes, at->second.scale, at->second.zero}, unique(stem + "_DynamicQuantizeLinear"));
    return at->second;
  }
};

}  // namespace

Model materialise(Model model, const MaterialiseOptions& options) {
  model.graph = model.graph.clone();
  NodeNames names(model.graph);  // before anything is noted under a name
  Materialiser(model, options, names).run();
  verify(model.graph);
  return model;
}

}  // namespace bitwright
