// One pass over the data. Some batches at a time are run side by side, each on threads of its own that share its records where those
// can be run apart; what is seen of a batch does not depend on who counted it, and batches are put together in order.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "calibrate/apart.hpp"
#include "calibrate/calibrate.hpp"
#include "core/threads.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

// Which value stands at a site; graph inputs by their position.
ValueId value_at(const Graph& graph, const Site& site) {
  BW_CHECK(site.side == Side::output);
  if (site.node == kGraphInput) return graph.inputs.at(site.index);
  const Node* node = graph.find_node(site.node);
  BW_CHECK(node != nullptr);
  return node->output(site.index);
}

// A batch that is being run; whoever is there first reads it.
class Shared {
 public:
  Shared(const Batches& batches, int64_t i) : batches_(batches), index_(i), counted_(batches.counted(i)) {}

  const std::vector<Tensor>& inputs(const Graph& graph) {
    std::call_once(read_, [&] {
      inputs_ = batches_.inputs(index_);
      const bool free = !inputs_.empty() && inputs_[0].rank() > 0 && counted_.records == counted_.of;
      records_ = free ? inputs_[0].dim(0) : 1;
      together_ = records_together(graph, inputs_, records_);
    });
    return inputs_;
  }
  int64_t index() const { return index_; }
  const Counted& counted() const { return counted_; }
  int64_t records() const { return records_; }
  int64_t together() const { return together_; }
  /// The first of the next records to be run; records() or more: there are none.
  int64_t take() { return next_.fetch_add(together_); }

 private:
  const Batches& batches_;
  int64_t index_;
  Counted counted_;
  std::once_flag read_;
  std::vector<Tensor> inputs_;
  int64_t records_ = 1, together_ = 1;
  std::atomic<int64_t> next_{0};
};

// One thread's network with a tap on every site, and what it has seen of the batch at hand.
class Watcher {
 public:
  Watcher(std::shared_ptr<const Program> program, const std::map<Site, Statistics>& total, int threads)
      : run_(std::move(program), {threads}) {
    for (const auto& [site, statistics] : total) {
      by_value_[value_at(graph(), site)].push_back(seen_.size());
      seen_.push_back(statistics.tally());
    }
    run_.set_tap([this](ValueId value, const Tensor& tensor) { observe(value, tensor); });
  }

  void watch(const Batches& batches, Shared& batch) {
    for (Tally& tally : seen_) tally.clear();
    const std::vector<Tensor>& inputs = batch.inputs(graph());
    if (batches.begins_sequence && batches.begins_sequence(batch.index())) run_.reset();
    counted_ = batch.counted();
    if (batch.together() >= batch.records()) {
      if (batch.take() == 0) run_(inputs);
      return;
    }
    counted_ = {1, 1};
    for (int64_t first = batch.take(); first < batch.records(); first = batch.take())
      run_(records_of(graph(), inputs, batch.records(), first, std::min(batch.together(), batch.records() - first)));
  }

  Tally& seen(size_t i) { return seen_[i]; }

 private:
  const Graph& graph() const { return run_.program().model().graph; }
  static void add(Tally& tally, const Tensor& tensor) {
    if (tensor.dtype() == DType::f32) tally.add(tensor);
    else if (is_float(tensor.dtype())) tally.add(to_f32(tensor));
  }
  void observe(ValueId value, const Tensor& tensor) {
    const auto at = by_value_.find(value);
    if (at == by_value_.end()) return;
    for (const size_t i : at->second) add(seen_[i], counted_rows(tensor, counted_));
  }

  Run run_;
  std::unordered_map<ValueId, std::vector<size_t>> by_value_;
  std::vector<Tally> seen_;
  Counted counted_;
};

class Collector {
 public:
  Collector(const Model& model, std::map<Site, Statistics>& total, const Batches& batches, const CalibrateOptions& options)
      : batches_(batches), options_(options), total_(total), program_(Program::compile(model, taps(model.graph, total))),
        cores_(options.threads > 0 ? options.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()))),
        // Steps of a sequence follow each other: one Run, whose state goes from batch to batch.
        workers_(program_->state().empty() ? cores_ : 1), threads_(workers_), watchers_(static_cast<size_t>(workers_)) {}

  void run() {
    for (int64_t begin = 0; begin < batches_.count;) {
      report_progress(options_.sink, "calibrating", begin, batches_.count);
      const int64_t count = std::min<int64_t>(workers_, batches_.count - begin);
      run_some(begin, count);
      begin += count;
    }
    report_progress(options_.sink, "calibrating", batches_.count, batches_.count);
  }

 private:
  static CompileOptions taps(const Graph& graph, const std::map<Site, Statistics>& total) {
    CompileOptions options{.target = Target::floating, .taps_as_made = true};
    for (const auto& [site, statistics] : total) {
      options.taps.push_back(value_at(graph, site));
      options.taps_as_made = options.taps_as_made && !statistics.needs().channels;  // which are found by their axis
    }
    return options;
  }

  /// Batches [begin, begin + count), each on as many workers as there are for it.
  void run_some(int64_t begin, int64_t count) {
    std::vector<std::unique_ptr<Shared>> some;
    for (int64_t i = 0; i < count; ++i) some.push_back(std::make_unique<Shared>(batches_, begin + i));
    const int64_t each = count < workers_ && shares(*some[0]) ? workers_ / count : 1;
    threads_.run(count * each, [&](int64_t k) { watcher(k, count * each).watch(batches_, *some[static_cast<size_t>(k / each)]); });
    const auto put_together = [&](size_t site, Statistics& statistics) {
      for (int64_t i = 0; i < count; ++i) {
        Tally& all = watchers_[static_cast<size_t>(i * each)]->seen(site);
        for (int64_t k = 1; k < each; ++k) all.merge(watchers_[static_cast<size_t>(i * each + k)]->seen(site));
        statistics.observe(all);
      }
    };
    std::vector<Statistics*> sites;
    for (auto& [site, statistics] : total_) sites.push_back(&statistics);
    threads_.run(std::ssize(sites), [&](int64_t i) { put_together(static_cast<size_t>(i), *sites[static_cast<size_t>(i)]); });
  }

  /// Whether several workers can have records of one batch.
  bool shares(Shared& batch) const {
    batch.inputs(program_->model().graph);
    return batch.together() < batch.records();
  }

  /// Made when first wanted: a network with the memory of its own that a run needs.
  Watcher& watcher(int64_t k, int64_t side_by_side) {
    auto& made = watchers_[static_cast<size_t>(k)];
    if (!made) made = std::make_unique<Watcher>(program_, total_, std::max(1, static_cast<int>(cores_ / side_by_side)));
    return *made;
  }

  const Batches& batches_;
  const CalibrateOptions& options_;
  std::map<Site, Statistics>& total_;
  std::shared_ptr<const Program> program_;
  int cores_, workers_;
  Threads threads_;
  std::vector<std::unique_ptr<Watcher>> watchers_;
};

}  // namespace

std::map<Site, Statistics> collect(const Model& model, const std::map<Site, Needs>& sites, const Batches& batches,
                                   const CalibrateOptions& options) {
  std::map<Site, Statistics> total;
  for (const auto& [site, needs] : sites) total.emplace(site, Statistics(needs));
  if (!sites.empty() && batches.count > 0) Collector(model, total, batches, options).run();
  return total;
}

}  // namespace bitwright
