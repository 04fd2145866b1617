// Running a network over a data set: which records follow each other, who runs them, what they are fed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "api/judge.hpp"
#include "core/rows.hpp"
#include "io/data/array_file.hpp"

namespace bitwright {
namespace {

const Tensor* mask_of(std::span<const Port> ports, const std::vector<Tensor>& inputs) {
  for (size_t i = 0; i < ports.size(); ++i)
    if (ports[i].name == "attention_mask") return &inputs[i];
  return nullptr;
}

/// Records that one Run takes one batch after another, from state zero.
struct Job {
  int64_t first = 0, last = 0;
};

/// One per batch; of a network with state one per sequence.
std::vector<Job> jobs_of(const Program& program, const Dataset& data, int64_t batch) {
  std::vector<Job> jobs;
  if (program.state().empty()) {
    for (int64_t first = 0; first < data.size(); first += batch) jobs.push_back({first, std::min(data.size(), first + batch)});
    return jobs;
  }
  for (int64_t record = 0; record < data.size(); ++record) {
    if (jobs.empty() || data.begins_sequence(record)) jobs.push_back({record, record});
    ++jobs.back().last;
  }
  return jobs;
}

/// What one thread runs with.
class Worker {
 public:
  Worker(const std::shared_ptr<const Program>& program, const Dataset& data, const EvaluateOptions& options, int threads)
      : data_(data), options_(options), run_(program, {threads}) {
    if (data.task() == Task::none && options.reference) reference_ = std::make_unique<Run>(options.reference, RunOptions{threads});
  }

  Task task() const { return reference_ ? Task::compare : data_.task(); }

  /// One worker at a time is `talkative`: it reports progress.
  Part work(const Job& job, int64_t batch, bool talkative, std::atomic<int64_t>& done) {
    Part part;
    run_.reset();
    if (reference_) reference_->reset();
    for (int64_t first = job.first; first < job.last; first += batch) {
      if (talkative) report_progress(options_.sink, "evaluating", done, data_.size());
      step(first, std::min(batch, job.last - first), part);
      done += std::min(batch, job.last - first);
    }
    return part;
  }

 private:
  void step(int64_t first, int64_t count, Part& part) {
    using Clock = std::chrono::steady_clock;
    Batch batch = data_.batch(first, count);
    const std::vector<Tensor> inputs = bind(run_, batch, first);
    if (reference_) batch.expected = counted((*reference_)(bind(*reference_, batch, first)), *reference_, count);
    const auto start = Clock::now();
    const std::vector<Tensor>& all = run_(inputs);
    part.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    const std::vector<Tensor> outputs = counted(all, run_, count);
    part.first = first;
    try {
      judge(task(), batch, outputs, mask_of(run_.program().inputs(), inputs), part);
    } catch (const Error& e) {
      const bool of_data = std::string_view(e.what()).starts_with("record ");  // else the network's fault
      throw of_data ? e.within(data_.description()) : e;
    }
    if (!options_.keep_outputs) return;
    part.outputs.emplace_back();
    for (const Tensor& output : outputs) part.outputs.back().push_back(output.clone());  // the run's own memory is used again
  }
  /// The records of `batch`, which begins at `first`, filled up to a network's fixed number.
  std::vector<Tensor> bind(const Run& run, const Batch& batch, int64_t first) const {
    const std::vector<Port>& ports = run.program().inputs();
    const int64_t fixed = batch_of(ports, 0);
    const Graph& graph = run.program().model().graph;
    if (batch.records >= fixed) return bind_inputs(graph, ports, data_, batch);
    return bind_inputs(graph, ports, data_, data_.filled_batch(first, batch.records, fixed));
  }
  static std::vector<Tensor> counted(const std::vector<Tensor>& outputs, const Run& run, int64_t records) {
    const int64_t of = std::max(records, batch_of(run.program().inputs(), 0));
    std::vector<Tensor> rows;
    rows.reserve(outputs.size());
    for (const Tensor& output : outputs) rows.push_back(counted_rows(output, {records, of}));
    return rows;
  }

  const Dataset& data_;
  const EvaluateOptions& options_;
  Run run_;
  std::unique_ptr<Run> reference_;
};

std::vector<Tensor> joined_outputs(std::span<const Port> ports, const std::vector<Part>& parts) {
  std::vector<Tensor> joined;
  for (size_t k = 0; k < ports.size(); ++k) {
    std::vector<Tensor> pieces;
    for (const Part& part : parts)
      for (const std::vector<Tensor>& outputs : part.outputs) pieces.push_back(outputs[k]);
    joined.push_back(join_rows(pieces, str("output '", ports[k].name, "'")));
  }
  return joined;
}

}  // namespace

Metric evaluate(const std::shared_ptr<const Program>& program, const Dataset& data, const EvaluateOptions& options) {
  if (data.task() == Task::none && !options.keep_outputs && !options.reference)
    fail(ErrorCode::usage, "the data (", data.description(), ") have no labels or expected outputs to judge by");
  const int64_t batch = batch_of(program->inputs(), program->state().empty() ? options.batch : 1);
  const std::vector<Job> jobs = jobs_of(*program, data, batch);
  const auto count = static_cast<int64_t>(jobs.size());
  const int cores = options.threads > 0 ? options.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int workers = static_cast<int>(std::clamp<int64_t>(count, 1, cores));
  Threads threads(workers);
  std::vector<std::unique_ptr<Worker>> all(static_cast<size_t>(workers));
  for (auto& worker : all) worker = std::make_unique<Worker>(program, data, options, std::max(1, cores / workers));
  std::vector<Part> parts(jobs.size());
  std::atomic<int64_t> done = 0;
  for (int64_t begin = 0; begin < count; begin += workers)
    threads.run(std::min<int64_t>(workers, count - begin), [&](int64_t k) {
      const auto i = static_cast<size_t>(begin + k);
      parts[i] = all[static_cast<size_t>(k)]->work(jobs[i], batch, k == 0, done);
    });
  report_progress(options.sink, "evaluating", data.size(), data.size());
  Metric metric = total(all[0]->task(), parts);
  if (options.keep_outputs) metric.outputs = joined_outputs(program->outputs(), parts);
  return metric;
}

}  // namespace bitwright
