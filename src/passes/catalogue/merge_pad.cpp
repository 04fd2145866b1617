// Conv(Pad(x, p)) = Conv(x) with pads + p, for zeros around the spatial dimensions.
#include <algorithm>

#include "passes/match.hpp"

namespace bitwright {
namespace {

constexpr int64_t kMostPad = int64_t{1} << 30;

/// Pads of Conv for x: first all begins, then all ends, spatial dimensions only. Empty: with the reason.
std::vector<int64_t> spatial_pads(Rewriter& r, const Node& pad, std::string& why) {
  const Tensor* pads = r.graph().constant(pad.input(1));
  const auto value = scalar_of(r, pad.input(2));
  if (pad.attr_string("mode", "constant") != "constant" || (pad.input(2) != ValueId::none && (!value || *value != 0)))
    return why = "it does not pad with zeros", std::vector<int64_t>();
  if (!pads || pad.input(3) != ValueId::none) return why = "its pads are not constant or not for all axes", std::vector<int64_t>();
  const auto all = values_as_int(*pads);
  const size_t rank = all.size() / 2;
  if (all.size() % 2 || rank < 3 || all[0] || all[1] || all[rank] || all[rank + 1] ||
      std::any_of(all.begin(), all.end(), [](int64_t p) { return p < 0 || p > kMostPad; }))
    return why = "it pads batch or channels, or cuts", std::vector<int64_t>();
  std::vector<int64_t> spatial(all.begin() + 2, all.begin() + static_cast<std::ptrdiff_t>(rank));
  spatial.insert(spatial.end(), all.begin() + static_cast<std::ptrdiff_t>(rank) + 2, all.end());
  return spatial;
}

}  // namespace

Model pass_merge_pad(Model model, PassReport& report);
Model pass_merge_pad(Model model, PassReport& report) {
  Rewriter r(model);
  for (const NodeId id : r.nodes()) {
    if (!r.node(id)->is("Pad")) continue;
    const Node pad = *r.node(id);
    Node* conv = r.single_reader(pad.output());
    std::string why;
    std::vector<int64_t> pads;
    if (!conv || !conv->is("Conv") || conv->input(0) != pad.output()) {
      why = "no Conv alone reads it";
    } else if (conv->attr_string("auto_pad", "NOTSET") != "NOTSET") {
      why = "the Conv behind it pads by itself";
    } else if (r.has_entries(pad) || r.input_entry(*conv, 0)) {
      why = "what it pads is quantized";
    } else {
      pads = spatial_pads(r, pad, why);
    }
    std::vector<int64_t> own = conv ? conv->attr_ints("pads", std::vector<int64_t>(pads.size(), 0)) : pads;
    if (pads.empty() || own.size() != pads.size()) {
      report.kept.push_back(str(display_name(pad), ": ", why.empty() ? "it has another rank than the Conv" : why));
      continue;
    }
    for (size_t i = 0; i < own.size(); ++i) own[i] += pads[i];
    conv->attributes["pads"] = own;
    report.done.push_back(display_name(pad) + ": merged into " + display_name(*conv));
    r.set_input(*conv, 0, pad.input(0));
    r.erase(id);
  }
  r.commit();
  return model;
}

}  // namespace bitwright
