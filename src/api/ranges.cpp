// Ranges of any values that a user names (mission A0.17), whatever the rules would quantize.
#include <algorithm>

#include "api/api.hpp"

namespace bitwright {
namespace {

std::map<std::string, Site> sites_by_name(const Graph& graph) {
  std::map<std::string, Site> sites;
  for (size_t i = 0; i < std::min<size_t>(graph.inputs.size(), 65535); ++i)  // as many as a Site can number
    sites[graph.value(graph.inputs[i]).name] = {kGraphInput, Side::output, static_cast<uint16_t>(i)};
  for (const Node& node : graph.nodes)
    if (node.output() != ValueId::none) sites[label(graph, node)] = {node.id, Side::output, 0};
  return sites;
}

Site site_named(const std::map<std::string, Site>& sites, const std::string& name) {
  const auto at = sites.find(name);
  if (at != sites.end()) return at->second;
  std::vector<std::string> names;
  for (const auto& [known, site] : sites) names.push_back(known);
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "the network has no node '", name, "'", near.empty() ? "" : "; did you mean '" + near + "'?");
}

}  // namespace

std::vector<SiteRange> ranges_of(const Model& model, const std::vector<std::string>& nodes, const Recipe& recipe, const Dataset& data,
                                 Sink* sink, int threads) {
  const Model prepared = fuse(model, recipe).model;
  const std::map<std::string, Site> by_name = sites_by_name(prepared.graph);
  const Observer& observer = observer_named(recipe.rules.observer);
  std::map<Site, Needs> needs;
  for (const std::string& name : nodes) needs[site_named(by_name, name)] = observer.needs;
  const Batches batches = batches_of(prepared, data, recipe.samples, recipe.batch);
  const auto seen = collect(prepared, needs, batches, {threads, recipe.observer, recipe.weight_observer, sink});
  std::vector<SiteRange> ranges;
  for (const std::string& name : nodes) {
    SiteRange r;
    r.site = by_name.at(name), r.name = name, r.observer = std::string(observer.name);
    const Statistics& statistics = seen.at(r.site);
    if (statistics.count() == 0) fail(ErrorCode::numeric, "'", name, "' had no finite value in the calibration data");
    const Range range = observer.range(statistics, recipe.rules.activation, recipe.observer);
    r.min = *std::min_element(range.min.begin(), range.min.end()), r.max = *std::max_element(range.max.begin(), range.max.end());
    r.seen_min = statistics.min(), r.seen_max = statistics.max();
    r.values = statistics.count(), r.dropped = statistics.dropped();
    r.qparams = choose_qparams(r.min, r.max, recipe.rules.activation);
    ranges.push_back(std::move(r));
  }
  return ranges;
}

}  // namespace bitwright
