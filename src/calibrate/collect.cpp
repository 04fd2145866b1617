// One pass over the data: chunks of batches on several threads, merged in order.
#include <algorithm>
#include <mutex>
#include <thread>

#include "calibrate/calibrate.hpp"
#include "core/threads.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

using Seen = std::map<Site, Statistics>;

// Which value stands at a site; graph inputs by their position.
ValueId value_at(const Graph& graph, const Site& site) {
  BW_CHECK(site.side == Side::output);
  if (site.node == kGraphInput) return graph.inputs.at(site.index);
  const Node* node = graph.find_node(site.node);
  BW_CHECK(node != nullptr);
  return node->output(site.index);
}

Seen fresh(const std::map<Site, Needs>& sites) {
  Seen seen;
  for (const auto& [site, needs] : sites) seen.emplace(site, Statistics(needs));
  return seen;
}

// The network with a tap on every site; one per thread.
class Watcher {
 public:
  Watcher(std::shared_ptr<const Program> program, const std::map<Site, Needs>& sites, int threads)
      : sites_(sites), run_(std::move(program), {threads}) {
    for (const auto& [site, needs] : sites_) by_value_[value_at(run_.program().model().graph, site)].push_back(site);
    run_.set_tap([this](ValueId value, const Tensor& tensor) { observe(value, tensor); });
  }

  Seen watch(const Batches& batches, int64_t first, int64_t last) {
    Seen seen = fresh(sites_);
    seen_ = &seen;
    for (int64_t i = first; i < last; ++i) {
      if (batches.begins_sequence && batches.begins_sequence(i)) run_.reset();
      counted_ = batches.counted(i);
      run_(batches.inputs(i));
    }
    return seen;
  }

 private:
  static void add(Statistics& statistics, const Tensor& tensor) {
    if (tensor.dtype() == DType::f32) statistics.observe(tensor);
    else if (is_float(tensor.dtype())) statistics.observe(to_f32(tensor));
  }
  void observe(ValueId value, const Tensor& tensor) {
    const auto at = by_value_.find(value);
    if (at == by_value_.end()) return;
    for (const Site& site : at->second) add(seen_->at(site), counted_rows(tensor, counted_));
  }

  const std::map<Site, Needs>& sites_;
  Run run_;
  std::unordered_map<ValueId, std::vector<Site>> by_value_;
  Seen* seen_ = nullptr;
  Counted counted_;
};

}  // namespace

std::map<Site, Statistics> collect(const Model& model, const std::map<Site, Needs>& sites, const Batches& batches,
                                   const CalibrateOptions& options) {
  Seen total = fresh(sites);
  if (sites.empty() || batches.count == 0) return total;
  CompileOptions compile{.target = Target::floating};
  for (const auto& [site, needs] : sites) compile.taps.push_back(value_at(model.graph, site));
  const auto program = Program::compile(model, compile);

  // A chunk is as many batches as share one held-out batch, so that every chunk has one.
  const auto chunk = static_cast<int64_t>(Statistics::kHoldOutEvery);
  const int64_t chunks = (batches.count + chunk - 1) / chunk;
  const int cores = options.threads > 0 ? options.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  // Steps of a sequence follow each other: one Run, whose state goes from chunk to chunk.
  const int workers = program->state().empty() ? static_cast<int>(std::min<int64_t>(cores, chunks)) : 1;
  Threads threads(workers);
  std::vector<std::unique_ptr<Watcher>> watchers(static_cast<size_t>(workers));
  for (int64_t begin = 0; begin < chunks; begin += workers) {
    report_progress(options.sink, "calibrating", begin * chunk, batches.count);
    const int64_t count = std::min<int64_t>(workers, chunks - begin);
    std::vector<Seen> parts(static_cast<size_t>(count));
    threads.run(count, [&](int64_t k) {
      auto& watcher = watchers[static_cast<size_t>(k)];
      if (!watcher) watcher = std::make_unique<Watcher>(program, sites, std::max(1, cores / workers));
      const int64_t first = (begin + k) * chunk;
      parts[static_cast<size_t>(k)] = watcher->watch(batches, first, std::min(batches.count, first + chunk));
    });
    for (const Seen& part : parts)
      for (auto& [site, statistics] : total) statistics.merge(part.at(site));
  }
  report_progress(options.sink, "calibrating", batches.count, batches.count);
  return total;
}

}  // namespace bitwright
