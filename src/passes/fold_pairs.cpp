// value -> Q -> DQ -> readers: the steps that every reader sees belong to whoever makes the value, all others to the reader's input.
#include <algorithm>
#include <cmath>

#include "passes/fold_steps.hpp"

namespace bitwright {
namespace {

/// Of float32 numbers, all of which have codes.
bool is_finite(const Tensor& t) {
  if (t.dtype() != DType::f32) return false;
  const auto values = t.values<float>();
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

class PairFolder {
 public:
  PairFolder(Model& model, Rewriter& r, ConstantEntries& constants, FoldReport& report)
      : model_(model), r_(r), constants_(constants), report_(report) {}

  void run() {
    while (find_pairs()) {}
    apply_pairs();
    drop_dead_steps();
  }

 private:
  /// The value read through quantize/dequantize steps.
  struct Source {
    ValueId root = ValueId::none;
    std::vector<Grid> chain;
    GroupId tied = 0;
    bool at_run = false;
  };
  struct Read {
    Use use;
    ValueId value;  // as written in the graph: the root or what a DQ makes of it
  };

  static constexpr size_t kLongestChain = 8;  // of Q/DQ pairs in a row; hostile files have thousands

  Model& model_;
  Rewriter& r_;
  ConstantEntries& constants_;
  FoldReport& report_;
  std::map<ValueId, Source> sources_;           // of every DQ output that may be folded
  std::map<ValueId, std::vector<Read>> reads_;  // by root
  std::set<ValueId> refused_;                   // DQ outputs that stay
  std::set<ValueId> clipped_;                   // DQ outputs whose step begins with a Clip of floats

  void keep(const Node& node, std::string_view why) { keep_node(report_, node, why); }

  const Source* source_of(ValueId value) const {
    const auto at = sources_.find(value);
    return at == sources_.end() ? nullptr : &at->second;
  }

  /// Builds sources_ and reads_; true if something had to be refused, then everything is to be found anew.
  bool find_pairs() {
    sources_.clear();
    clipped_.clear();
    reads_.clear();
    const Graph& g = r_.graph();
    for (const Node& dq : g.nodes) {
      if (!is_dequantize(dq) || refused_.count(dq.output())) continue;
      std::string why;
      const auto read = read_step(r_, model_.info.metadata, dq, &why);
      if (!read) {
        if (!why.empty()) keep(dq, why);
        continue;
      }
      if (read->clips_floats) clipped_.insert(dq.output());
      std::optional<Source> step = Source{read->quantized, {read->grid}, read->tied, read->at_run};
      if (const Source* before = source_of(step->root)) {
        if (before->at_run || step->at_run || before->chain.size() >= kLongestChain) continue;
        step->root = before->root;
        step->chain.insert(step->chain.begin(), before->chain.begin(), before->chain.end());
        step->tied = std::max(step->tied, before->tied);
      }
      if (const Tensor* constant = g.constant(step->root); constant && !is_finite(*constant)) continue;
      sources_[dq.output()] = *step;
    }
    for (const Node& node : g.nodes)
      if (!is_folded_step(node))
        for (const ValueId id : std::set<ValueId>(node.inputs.begin(), node.inputs.end())) collect_reads(node, id);
    for (size_t i = 0; i < g.outputs.size(); ++i) add_read({NodeId::none, static_cast<uint16_t>(i), false}, g.outputs[i]);
    bool again = false;
    for (const auto& [root, reads] : reads_) again = refuse_unfit(root, reads) || again;
    return again;
  }

  void add_read(Use use, ValueId value) {
    const Source* source = source_of(value);
    reads_[source ? source->root : value].push_back({use, value});
  }
  void collect_reads(const Node& node, ValueId id) {
    if (id == ValueId::none) return;
    for (const Use& use : r_.readers(id))
      if (use.node == node.id && !use.nested) add_read(use, id);
  }

  /// True for a DQ that folds, and for what makes codes (Q, a Clip of codes) if all readers are such.
  bool is_folded_step(const Node& node, bool clip_may_follow = true) {
    if (is_dequantize(node)) return source_of(node.output()) != nullptr;
    const bool quantizes = is_quantize(node) || node.is("DynamicQuantizeLinear");
    if (!quantizes && !node.is("Clip")) return false;
    if (node.is("Clip") && clip_may_follow && begins_steps(node)) return true;
    bool read = false;
    for (const ValueId out : node.outputs)
      for (const Use& use : r_.readers(out)) {
        const Node* reader = use.node == NodeId::none || use.nested ? nullptr : r_.node(use.node);
        const bool clip = reader && reader->is("Clip") && quantizes && clip_may_follow;
        if (!reader || (!is_dequantize(*reader) && !clip) || !is_folded_step(*reader, false)) return false;
        read = true;
      }
    return read;
  }

  /// A Clip of floats that all steps behind it begin with.
  bool begins_steps(const Node& clip) {
    const auto& quantizers = r_.readers(clip.output());
    return !quantizers.empty() && std::all_of(quantizers.begin(), quantizers.end(), [&](const Use& use) {
      const Node* q = use.node == NodeId::none || use.nested ? nullptr : r_.node(use.node);
      if (!q || !is_quantize(*q) || use.index != 0) return false;
      const auto& decoders = r_.readers(q->output());
      return !decoders.empty() && std::all_of(decoders.begin(), decoders.end(), [&](const Use& read) {
        const Node* dq = read.node == NodeId::none || read.nested ? nullptr : r_.node(read.node);
        return dq && is_dequantize(*dq) && clipped_.count(dq->output()) && source_of(dq->output());
      });
    });
  }

  std::span<const Grid> chain_of(ValueId value) const {
    const Source* source = source_of(value);
    return source ? std::span<const Grid>(source->chain) : std::span<const Grid>();
  }

  /// The steps that every reader sees: they belong to the producer.
  std::vector<Grid> common_chain(ValueId root, const std::vector<Read>& reads, const std::vector<Use>& readers) {
    if (r_.graph().constant(root) || reads.empty()) return {};
    const auto first = chain_of(reads[0].value);
    std::vector<Grid> common(first.begin(), first.end());
    for (const Read& read : reads) {
      const auto chain = chain_of(read.value);
      const Source* source = source_of(read.value);
      size_t n = 0;
      while (n < common.size() && n < chain.size() && same_grid(common[n], chain[n])) ++n;
      if (source && source->at_run) n = 0;
      common.resize(n);
    }
    for (const Use& use : readers)
      if (use.nested) common.clear();
    return common;
  }

  /// Outputs of the graph and reads inside nested graphs have no place for an entry of their own.
  bool refuse_unfit(ValueId root, const std::vector<Read>& reads) {
    const auto common = common_chain(root, reads, r_.readers(root));
    bool again = false;
    ValueId output = ValueId::none;
    for (const Read& read : reads) {
      if (read.value == root) continue;
      bool nested = false;
      for (const Use& use : r_.readers(read.value)) nested = nested || use.nested;
      const bool is_output = read.use.node == NodeId::none;
      if (!nested && !is_output) continue;
      const bool renamable = !r_.is_graph_input(root) && !r_.is_graph_output(root) && !r_.graph().constant(root) &&
                             (output == ValueId::none || output == read.value);
      if (!nested && renamable && same_chain(chain_of(read.value), common)) {
        output = read.value;
        continue;
      }
      keep(*r_.producer(read.value), nested ? "its output is read by a nested graph"
                                            : "its output is an output of the graph, other readers see other values");
      again = refused_.insert(read.value).second || again;
    }
    return again;
  }

  void apply_pairs() {
    const Uses uses(r_.graph());
    for (const auto& [root, reads] : reads_) {
      const auto common = common_chain(root, reads, uses.of(root));
      const auto made = producer_site(r_.graph(), uses, root);
      GroupId tied = 0;
      for (const Read& read : reads)
        if (const Source* source = source_of(read.value)) tied = std::max(tied, source->tied);
      if (!common.empty()) {
        Entry& entry = model_.quantization.at[made.site];
        entry.chain.insert(entry.chain.end(), common.begin(), common.end());
        entry.tied = tied;
      }
      for (const Read& read : reads) apply_read(root, read, common.size());
    }
  }

  /// What the interface says of an output now belongs to the value that is one.
  static void become_output(Value& root, Value& output) {
    std::swap(root.name, output.name);
    if (root.dtype == DType::none) root.dtype = output.dtype;
    if (!root.has_shape) root.has_shape = output.has_shape, root.shape = output.shape;
  }

  void apply_read(ValueId root, const Read& read, size_t common) {
    if (read.value == root) return;
    const Source source = *source_of(read.value);
    if (read.use.node == NodeId::none) {
      Graph& g = r_.graph();
      if (!r_.is_graph_output(root)) become_output(g.value(root), g.value(read.value));
      g.outputs[read.use.index] = root;
      return;
    }
    Node& node = *r_.node(read.use.node);
    const std::vector<Grid> rest(source.chain.begin() + static_cast<std::ptrdiff_t>(common), source.chain.end());
    if (r_.graph().constant(root)) {
      quantize_constant(node, read, rest, source.tied);
      return;
    }
    r_.set_input(node, read.use.index, root);
    if (rest.empty()) return;
    Entry& entry = model_.quantization.at[{node.id, Side::input, read.use.index}];
    entry.chain.insert(entry.chain.begin(), rest.begin(), rest.end());
    entry.tied = source.tied;
    if (source.at_run) entry.when = When::at_run;
  }

  /// constant -> Q -> DQ: the codes are known now.
  void quantize_constant(Node& node, const Read& read, const std::vector<Grid>& chain, GroupId tied) {
    Tensor values = *r_.graph().constant(source_of(read.value)->root), codes;
    for (const Grid& grid : chain) {
      codes = quantize(values, grid);
      values = dequantize_later(codes, grid);
    }
    const ValueId id = r_.add_constant(r_.graph().value(read.value).name, values);
    r_.set_input(node, read.use.index, id);
    constants_[id] = {When::statically, false, {chain.back()}, codes, tied};
  }

  /// Q, DQ and Clip that nobody reads any more.
  void drop_dead_steps() {
    const Uses uses(r_.graph());
    std::unordered_map<ValueId, size_t> reads;
    for (const auto& [id, value] : r_.graph().values()) reads[id] = uses.of(id).size();
    const auto& nodes = r_.graph().nodes;
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node) {
      const bool step = is_quantize(*node) || is_dequantize(*node) || node->is("Clip") || node->is("DynamicQuantizeLinear");
      const bool dead = std::all_of(node->outputs.begin(), node->outputs.end(), [&](ValueId id) { return reads[id] == 0; });
      if (!step || !dead) continue;
      for (const ValueId id : node->inputs) --reads[id];
      r_.erase(node->id);
    }
    r_.commit();
  }
};

}  // namespace

void fold_pairs(Model& model, Rewriter& r, ConstantEntries& constants, FoldReport& report) {
  PairFolder(model, r, constants, report).run();
}

}  // namespace bitwright
