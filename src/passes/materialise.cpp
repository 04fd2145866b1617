// The graph that spells a quantization with nodes: the inverse of fold.
#include <algorithm>
#include <map>

#include "core/spill.hpp"
#include "graph/nested.hpp"
#include "passes/qoperators.hpp"
#include "quant/pack.hpp"

namespace bitwright {
namespace {

class Materialiser {
 public:
  Materialiser(Model& model, const MaterialiseOptions& options, NodeNames& names)
      : model_(model), names_(names), r_(model), options_(options) {}

  void run() {
    write();
    for (const NodeId id : r_.nodes())
      if (r_.node(id)->is("Gather")) write_rows(r_, *r_.node(id));
    r_.commit();
    if (options_.style == QuantizedStyle::qoperator) write_qoperators(model_, names_);
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
  std::string where(const Site& site) const {
    const Node* node = model_.graph.find_node(site.node);
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
      result = entry.codes.empty() ? write_steps(value, entry, {}, site) : write_codes(value, entry);
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
    write_steps(value, rest, end, site);
  }

  ValueId zero_constant(const Grid& grid, const std::string& name) {
    if (grid.zero.empty()) return ValueId::none;
    return r_.add_constant(name + "_zero_point", pack_if(grid.zero, grid.format->file));
  }
  static Tensor pack_if(const Tensor& codes, DType file) { return is_packed(file) ? pack(codes, file) : codes; }

  static void set_layout(Node& node, const Layout& layout) {
    if (layout.kind != Layout::tensor) node.attributes["axis"] = int64_t{layout.axis};
    if (layout.kind == Layout::block) node.attributes["block_size"] = layout.block_size;
  }

  bool expressible(const Grid& grid) const {
    const bool zero_fits = grid.zero.empty() || grid.zero.dtype() == grid.format->storage;
    return grid.format->is_integer && grid.table.empty() && zero_fits && is_float(grid.scale.dtype());
  }

  /// value -> (Q -> Clip -> DQ) for each grid of the chain; the last DQ makes `end` if given.
  ValueId write_steps(ValueId value, const Entry& entry, std::optional<ValueId> end, const Site& site) {
    const std::string stem = r_.graph().has_value(value) ? r_.graph().value(value).name : "value";
    for (size_t i = 0; i < entry.chain.size(); ++i) {
      Grid grid = entry.chain[i];
      if (!expressible(grid) || grid.format->name == "int32" || grid.scale.dtype() != DType::f32)
        fail(ErrorCode::unsupported, where(site), ": ", grid.format->name, " with these parameters has no ONNX form");
      // Codes of less than 8 bits lie in whole bytes: ONNX Runtime refuses operators on packed activations.
      const bool whole = grid.qmin == grid.format->code_min && grid.qmax == grid.format->code_max &&
                         format_of(grid.format->file) == grid.format && !is_packed(grid.format->file);
      const DType file = whole ? grid.format->file : grid.format->storage;
      if (grid.zero.empty()) grid.zero = zero_tensor(*grid.format, grid.scale.shape(), std::vector<int32_t>(static_cast<size_t>(grid.scale.elements())));
      const ValueId scale = r_.add_constant(stem + "_scale", grid.scale);
      const ValueId zero = r_.add_constant(stem + "_zero_point", pack_if(grid.zero, file));
      ValueId codes = r_.add_value(stem + "_quantized", file);
      set_layout(r_.add("QuantizeLinear", {value, scale, zero}, {codes}, unique(stem + "_QuantizeLinear")), grid.layout);
      if (!whole) codes = write_clip(codes, grid, stem);
      const bool last = i + 1 == entry.chain.size();
      const ValueId result = last && end ? *end : r_.add_value(stem + "_dequantized", DType::f32);
      Node& dq = r_.add("DequantizeLinear", {codes, scale, zero}, {result}, unique(stem + "_DequantizeLinear"));
      set_layout(dq, grid.layout);
      if (const std::string note = note_of(entry, grid, false); !note.empty()) model_.info.metadata[kNoteKey + dq.name] = note;
      value = result;
    }
    return value;
  }

  ValueId write_clip(ValueId codes, const Grid& grid, const std::string& stem) {
    auto limit = [&](int32_t code, const char* suffix) {
      return r_.add_constant(stem + suffix, zero_tensor(*grid.format, {}, std::span<const int32_t>(&code, 1)));
    };
    const ValueId clipped = r_.add_value(stem + "_clipped", grid.format->storage);
    r_.add("Clip", {codes, limit(grid.qmin, "_code_min"), limit(grid.qmax, "_code_max")}, {clipped}, unique(stem + "_Clip"));
    return clipped;
  }

  /// 16-bit floats without a scale: the constant in that type, and a Cast. Other formats that ONNX lacks: decoded values.
  ValueId write_float_codes(const std::string& stem, const Entry& entry) {
    const Grid& grid = entry.chain.back();
    const DType type = entry.codes.dtype();
    if ((type != DType::f16 && type != DType::bf16) || !grid.scale.empty() || !grid.table.empty())
      return r_.add_constant(stem, dequantize(entry.codes, grid));
    const ValueId result = r_.add_value(stem, DType::f32);
    Node& cast = r_.add("Cast", {r_.add_constant(stem + "_" + std::string(grid.format->name), entry.codes)}, {result},
                        unique(stem + "_Cast"));
    cast.attributes["to"] = static_cast<int64_t>(DType::f32);
    return result;
  }

  /// Codes of a constant -> DQ, which takes the constant's name.
  ValueId write_codes(ValueId value, const Entry& entry) {
    const Grid& grid = entry.chain.back();
    const std::string stem = r_.graph().value(value).name;
    if (!expressible(grid)) return write_float_codes(stem, entry);
    const DType file = grid.format->file;
    const ValueId codes = r_.add_constant(stem + "_quantized", spilled(pack_if(entry.codes, file)));
    forget_pages(entry.codes);
    const ValueId scale = r_.add_constant(stem + "_scale", grid.scale);
    const ValueId result = r_.add_value(stem, grid.scale.dtype());
    std::vector<ValueId> inputs = {codes, scale};
    if (const ValueId zero = zero_constant(grid, stem); zero != ValueId::none) inputs.push_back(zero);
    Node& dq = r_.add("DequantizeLinear", inputs, {result}, unique(stem + "_DequantizeLinear"));
    set_layout(dq, grid.layout);
    if (const std::string note = note_of(entry, grid, true); !note.empty()) model_.info.metadata[kNoteKey + dq.name] = note;
    return result;
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
