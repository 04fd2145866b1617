#include <algorithm>

#include "passes/fold_steps.hpp"
#include "quant/pack.hpp"

namespace bitwright {

void keep_node(FoldReport& report, const Node& node, std::string_view why) {
  const std::string line = str(display_name(node), ": ", why);
  if (std::find(report.kept.begin(), report.kept.end(), line) == report.kept.end()) report.kept.push_back(line);
}

ConstantEntries fold_constants(Rewriter& r, const Metadata& metadata, FoldReport& report) {
  ConstantEntries constants;
  const Uses uses(r.graph());  // no step below changes who reads what of a constant's DQ
  for (const NodeId id : r.nodes()) {
    const Node* dq = r.node(id);
    if (!dq || !is_dequantize(*dq)) continue;
    const Tensor* codes = r.graph().constant(dq->input(0));
    if (!codes) continue;
    std::string why;
    auto grid = grid_of(r.graph(), *dq, codes->dtype(), &why, Scales::any_float);
    const auto& readers = uses.of(dq->output());
    const bool inside = std::all_of(readers.begin(), readers.end(),
                                    [](const Use& u) { return u.node != NodeId::none && !u.nested; });
    if (!inside) why = "its output is read by a nested graph or is an output of the graph";
    if (!grid || !inside) {
      keep_node(report, *dq, why);
      continue;
    }
    const Tensor plain = unpack(*codes);
    GroupId tied = 0;
    apply_note(metadata, dq->name, *grid, &plain, tied);
    try {
      verify(*grid, plain.shape());
    } catch (const Error& e) {
      keep_node(report, *dq, e.what());
      continue;
    }
    constants[dq->output()] = {When::statically, false, {*grid}, plain, tied};
    r.set_constant(dq->output(), dequantize_later(plain, *grid));
    r.erase(id);
  }
  return constants;
}

void place_constants(Model& model, const ConstantEntries& constants) {
  for (const Node& node : model.graph.nodes)
    for (size_t i = 0; i < node.inputs.size(); ++i)
      if (const auto at = constants.find(node.inputs[i]); at != constants.end())
        model.quantization.at[{node.id, Side::input, static_cast<uint16_t>(i)}] = at->second;
}

}  // namespace bitwright
