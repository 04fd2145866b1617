// From statistics to the finished table: ranges of activations, codes of weights, biases.
#include <algorithm>
#include <cmath>
#include <limits>

#include "calibrate/calibrate.hpp"
#include "core/spill.hpp"
#include "core/threads.hpp"

namespace bitwright {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string site_name(const Graph& graph, const Site& site) {
  if (site.node == kGraphInput) return graph.value(graph.inputs.at(site.index)).name;
  const Node* node = graph.find_node(site.node);
  BW_CHECK(node != nullptr);
  if (site.side == Side::output && site.index == 0) return label(graph, *node);
  const ValueId value = site.side == Side::output ? node->output(site.index) : node->input(site.index);
  if (value != ValueId::none && graph.has_value(value) && !graph.value(value).name.empty()) return graph.value(value).name;
  return str(label(graph, *node), " input ", site.index);
}

const Tensor& constant_at(const Graph& graph, const Site& site) {
  const Tensor* tensor = graph.constant(graph.find_node(site.node)->input(site.index));
  BW_CHECK(tensor != nullptr);
  return *tensor;
}

class Filler {
 public:
  Filler(Placement placement, const std::map<Site, Statistics>& seen, const CalibrateOptions& options,
         CalibrationReport* report)
      : placement_(std::move(placement)), model_(placement_.model), uses_(model_.graph), seen_(seen), options_(options),
        report_(report), threads_(options.threads) {}

  Model run() {
    choose_ranges();
    join_groups();
    for (const auto& [site, range] : ranges_) set_activation(site, range);
    set_weights();
    for (auto& [site, entry] : model_.quantization.at)
      if (entry.when == When::derived && entry.chain.empty()) set_bias(site, entry);
    verify(model_);
    return std::move(model_);
  }

 private:
  using Wished = std::pair<const Site, Wish>;

  /// Of all wishes that are (activations) or are not (weights) known by their range, in order.
  std::vector<const Wished*> wishes(bool activations) const {
    std::vector<const Wished*> some;
    for (const Wished& wished : placement_.wishes)
      if ((wished.first.side == Side::output || wished.second.fixed_min) == activations) some.push_back(&wished);
    return some;
  }

  void choose_ranges() {
    const auto all = wishes(true);
    for (const Wished* wished : all) check_seen(*wished);
    std::vector<Range> chosen(all.size());
    threads_.run(std::ssize(all), [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      chosen[at] = choose_range(all[at]->first, all[at]->second);
    });
    for (size_t i = 0; i < all.size(); ++i) ranges_[all[i]->first] = std::move(chosen[i]);
  }

  void check_seen(const Wished& wished) const {
    if (wished.second.fixed_min) return;
    const auto seen = seen_.find(wished.first);
    BW_CHECK(seen != seen_.end());
    if (seen->second.count() == 0)
      fail(ErrorCode::numeric, "'", site_name(model_.graph, wished.first), "' had no finite value in the calibration data (",
           seen->second.dropped(), " were infinite or NaN)");
  }

  Range choose_range(const Site& site, const Wish& wish) const {
    if (wish.fixed_min) return range_of(*wish.fixed_min, *wish.fixed_max);
    return observer_named(wish.observer).range(seen_.at(site), wish.scheme, options_.observer);
  }

  // Places that share a grid get the union of their ranges and the scheme of the first.
  void join_groups() {
    std::map<GroupId, Range> unions;
    for (const auto& [site, range] : ranges_) {
      const GroupId group = model_.quantization.at[site].tied;
      if (group == 0) continue;
      Range& all = unions.try_emplace(group, range_of(kInfinity, -kInfinity)).first->second;
      all.min[0] = std::min(all.min[0], *std::min_element(range.min.begin(), range.min.end()));
      all.max[0] = std::max(all.max[0], *std::max_element(range.max.begin(), range.max.end()));
    }
    std::map<GroupId, Scheme> schemes;
    for (auto& [site, range] : ranges_) {
      const GroupId group = model_.quantization.at[site].tied;
      if (group == 0) continue;
      range = unions.at(group);
      Scheme& scheme = placement_.wishes.at(site).scheme;
      scheme = schemes.try_emplace(group, scheme).first->second;
      if (range.min[0] < 0 && !scheme.format->is_signed && scheme.symmetry != Symmetry::affine)
        fail(ErrorCode::usage, "'", site_name(model_.graph, site), "' has negative values, which ", scheme.format->name,
             " without a zero point cannot hold");
    }
  }

  void set_activation(const Site& site, const Range& range) {
    const Wish& wish = placement_.wishes.at(site);
    Entry& entry = model_.quantization.at[site];
    entry.chain = {make_grid(wish.scheme, range)};
    if (site.side == Side::input) entry.codes = quantize(constant_at(model_.graph, site), entry.chain[0]);
    record(site, wish.observer, range, entry);
  }

  struct Coded {
    Grid grid;
    Tensor codes;
    Range range;
  };

  void set_weights() {
    const auto all = wishes(false);
    std::vector<Coded> coded(all.size());
    threads_.run(std::ssize(all), [&](int64_t i) {
      const auto at = static_cast<size_t>(i);
      coded[at] = code_weights(all[at]->first, all[at]->second);
    });
    for (size_t i = 0; i < all.size(); ++i) {
      const Site& site = all[i]->first;
      Entry& entry = model_.quantization.at[site];
      entry.chain = {std::move(coded[i].grid)};
      entry.codes = std::move(coded[i].codes);
      record(site, options_.weight_observer, coded[i].range, entry);
    }
  }

  Coded code_weights(const Site& site, const Wish& wish) const {
    const Tensor& weights = constant_at(model_.graph, site);
    Coded made;
    try {
      made.grid = observe_constant(weights, wish.scheme, wish.axis, observer_named(options_.weight_observer), options_.observer);
    } catch (const Error& e) {
      throw e.within(site_name(model_.graph, site));
    }
    make_room_for_bias(site, made.grid);
    made.codes = spilled(quantize(weights, made.grid));
    const Scan found = scan(weights.values<float>());
    made.range = range_of(found.min, found.max);
    forget_pages(weights);
    forget_pages(made.codes);
    return made;
  }

  const Entry* derived_bias(const Node& node, size_t& input) const {
    for (input = 0; input < node.inputs.size(); ++input) {
      const Entry* entry = model_.quantization.find({node.id, Side::input, static_cast<uint16_t>(input)});
      if (entry && entry->when == When::derived) return entry;
    }
    return nullptr;
  }

  // A channel of (nearly) zero weights has a tiny scale; its bias, on the scale sx * sw, would then overflow int32. Such
  // a channel gets the smallest scale that leaves room.
  void make_room_for_bias(const Site& site, Grid& grid) const {
    const Node& node = *model_.graph.find_node(site.node);
    size_t input = 0;
    if (!grid.format->is_integer || !derived_bias(node, input)) return;
    const Grid* x = grid_read(model_, uses_, node, 0);
    if (!x->format->is_integer) return;
    const auto bias = model_.graph.constant(node.input(input))->values<float>();
    auto scales = grid.scale.values<float>();
    const double room = value_as_double(x->scale, 0) * (1 << 30);
    for (size_t c = 0; c < bias.size(); ++c) {
      float& scale = scales[scales.size() == 1 ? 0 : c % scales.size()];
      const double least = std::abs(static_cast<double>(bias[c])) / room;
      if (scale < least) scale = static_cast<float>(least);
    }
  }

  // b = q * (sx * sw), the scale of the accumulator (docs/quantization.md, biases).
  void set_bias(const Site& site, Entry& entry) {
    const Node& node = *model_.graph.find_node(site.node);
    size_t weight = 0;
    const Entry* weights = weights_entry(node, weight);
    const Grid* x = grid_read(model_, uses_, node, 0);
    BW_CHECK(weights != nullptr && x != nullptr);
    if (!x->format->is_integer || !weights->chain[0].format->is_integer) return;  // beside 16-bit floats it stays float
    const Tensor& bias = constant_at(model_.graph, site);
    const auto sw = weights->chain[0].scale.values<float>();
    const float sx = static_cast<float>(value_as_double(x->scale, 0));
    std::vector<float> scales;
    for (size_t c = 0; c < (sw.size() == 1 ? 1 : static_cast<size_t>(bias.elements())); ++c)
      scales.push_back(std::max(sx * sw[c % sw.size()], std::numeric_limits<float>::min()));
    const Format& format = format_named("int32");
    entry.chain = {scales.size() == 1 ? tensor_grid(format, scales[0])
                                      : channel_grid(format, static_cast<int>(bias.rank()) - 1, scales)};
    entry.codes = quantize(bias, entry.chain[0]);
  }

  const Entry* weights_entry(const Node& node, size_t& input) const {
    for (input = 1; input < node.inputs.size(); ++input) {
      const Entry* entry = model_.quantization.find({node.id, Side::input, static_cast<uint16_t>(input)});
      if (entry && entry->when == When::statically && !entry->codes.empty()) return entry;
    }
    return nullptr;
  }

  void record(const Site& site, const std::string& observer, const Range& range, const Entry& entry) {
    if (!report_) return;
    SiteRange r;
    r.site = site;
    r.name = site_name(model_.graph, site);
    const auto seen = seen_.find(site);
    r.observer = placement_.wishes.at(site).fixed_min && site.side == Side::output ? "fixed" : observer;
    r.min = r.seen_min = *std::min_element(range.min.begin(), range.min.end());
    r.max = r.seen_max = *std::max_element(range.max.begin(), range.max.end());
    if (seen != seen_.end()) {
      r.seen_min = seen->second.min(), r.seen_max = seen->second.max();
      r.values = seen->second.count(), r.dropped = seen->second.dropped();
    }
    const Grid& grid = entry.chain[0];
    r.parameters = grid.scale.elements();
    r.qparams.scale = grid.scale.elements() > 0 ? static_cast<float>(value_as_double(grid.scale, 0)) : 1;
    r.qparams.zero = grid.zero.elements() > 0 ? static_cast<int32_t>(value_as_int(grid.zero, 0)) : 0;
    r.tied = entry.tied;
    report_->ranges.push_back(std::move(r));
  }

  Placement placement_;
  Model& model_;
  Uses uses_;
  const std::map<Site, Statistics>& seen_;
  const CalibrateOptions& options_;
  CalibrationReport* report_;
  Threads threads_;
  std::map<Site, Range> ranges_;
};

}  // namespace

const Grid* grid_read(const Model& model, const Uses& uses, const Node& node, size_t input) {
  const Entry* entry = model.quantization.find({node.id, Side::input, static_cast<uint16_t>(input)});
  if (!entry) {
    const SiteOf made = producer_site(model.graph, uses, node.input(input));
    entry = made.found ? model.quantization.find(made.site) : nullptr;
  }
  return entry && !entry->chain.empty() ? &entry->chain.back() : nullptr;
}

std::map<Site, Needs> needs_of(const Placement& placement) {
  std::map<Site, Needs> needs;
  for (const auto& [site, wish] : placement.wishes)
    if (site.side == Side::output && !wish.fixed_min) needs[site] = observer_named(wish.observer).needs;
  return needs;
}

Model fill(Placement placement, const std::map<Site, Statistics>& seen, const CalibrateOptions& options,
           CalibrationReport* report) {
  return Filler(std::move(placement), seen, options, report).run();
}

namespace {

// Before any data is run: a NaN in one layer's weights would otherwise be blamed on the layers behind it.
void check_constants(const Placement& placement) {
  for (const auto& [site, wish] : placement.wishes) {
    if (site.side != Side::input) continue;
    const Tensor& tensor = constant_at(placement.model.graph, site);
    if (!scan(tensor.values<float>()).finite)
      fail(ErrorCode::numeric, display_name(*placement.model.graph.find_node(site.node)), ": its weights '",
           site_name(placement.model.graph, site), "' hold infinite values or NaN, which no scale can hold; mend them or exclude the node");
    forget_pages(tensor);
  }
}

}  // namespace

Model calibrate(Placement placement, const Batches& batches, const CalibrateOptions& options, CalibrationReport* report) {
  check_constants(placement);
  const std::map<Site, Needs> needs = needs_of(placement);
  if (!needs.empty() && batches.count == 0)
    fail(ErrorCode::usage, "static quantization needs calibration data: there are no batches");
  const std::map<Site, Statistics> seen = collect(placement.model, needs, batches, options);
  if (report) report->batches = batches.count;
  return fill(std::move(placement), seen, options, report);
}

}  // namespace bitwright
