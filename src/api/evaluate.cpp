// Running a network over a data set: which records follow each other, who runs them, what they are fed.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "api/judge.hpp"
#include "graph/state.hpp"
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
      step(data_.batch(first, std::min(batch, job.last - first)), part);
      done += std::min(batch, job.last - first);
    }
    return part;
  }

 private:
  void step(Batch batch, Part& part) {
    using Clock = std::chrono::steady_clock;
    const std::vector<Tensor> inputs = bind(run_, batch);
    if (reference_) batch.expected = (*reference_)(bind(*reference_, batch));
    const auto start = Clock::now();
    const std::vector<Tensor>& outputs = run_(inputs);
    part.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    judge(task(), batch, outputs, mask_of(run_.program().inputs(), inputs), part);
    if (!options_.keep_outputs) return;
    part.outputs.emplace_back();
    for (const Tensor& output : outputs) part.outputs.back().push_back(output.clone());  // the run's own memory is used again
  }
  std::vector<Tensor> bind(const Run& run, const Batch& batch) const {
    return bind_inputs(run.program().model().graph, run.program().inputs(), data_, batch);
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

/// The tensor in the port's shape, axes of extent 1 added or dropped; false where it cannot be.
bool fit(const Port& port, Tensor& tensor) {
  if (!port.has_shape) return true;
  Shape shape;
  size_t d = 0;
  const Shape& given = tensor.shape();
  for (size_t p = 0; p < port.shape.size();) {
    const bool takes = d < given.size() && (port.shape[p] < 0 || port.shape[p] == given[d]);
    if (takes && (port.shape[p] != 1 || given.size() - d >= port.shape.size() - p)) {
      shape.push_back(given[d++]), ++p;
    } else if (port.shape[p] == 1) {
      shape.push_back(1), ++p;
    } else if (d < given.size() && given[d] == 1) {
      ++d;
    } else {
      return false;
    }
  }
  while (d < given.size() && given[d] == 1) ++d;
  if (d < given.size()) return false;
  if (shape != given) tensor = tensor.reshaped(shape);
  return true;
}

[[noreturn]] void nothing_for(const Graph& graph, const Port& port, const Dataset& data) {
  const std::vector<std::string> outputs = state_candidates(graph, port.name);
  std::string hint = "; a number that never changes is given by constants = { NAME = NUMBER } in the data's description";
  if (!outputs.empty()) hint = str("; if it is state: --state ", port.name, "=", join(outputs, " or "));
  fail(ErrorCode::mismatch, "the data (", data.description(), ") give nothing for the network's input '", port.name, "'", hint);
}

}  // namespace

int64_t batch_of(std::span<const Port> inputs, int64_t wanted) {
  for (const Port& port : inputs)
    if (port.has_shape && !port.shape.empty()) return port.shape[0] < 0 ? wanted : std::max<int64_t>(1, port.shape[0]);
  return wanted;
}

std::vector<Tensor> bind_inputs(const Graph& graph, std::span<const Port> inputs, const Dataset& data, const Batch& batch) {
  const std::vector<std::string> names = data.input_names();
  std::vector<Tensor> bound;
  for (size_t i = 0; i < inputs.size(); ++i) {
    size_t at = batch.inputs.size();
    for (size_t k = 0; k < names.size() && k < batch.inputs.size(); ++k)
      if (!names[k].empty() && names[k] == inputs[i].name) at = k;
    const bool by_position = i < batch.inputs.size() && (i >= names.size() || names[i].empty());
    if (at == batch.inputs.size() && by_position) at = i;
    if (at == batch.inputs.size() && inputs.size() == 1 && batch.inputs.size() == 1) at = 0;
    if (at == batch.inputs.size()) nothing_for(graph, inputs[i], data);
    Tensor tensor = batch.inputs[at];
    if (!fit(inputs[i], tensor))
      fail(ErrorCode::mismatch, "the network's input '", inputs[i].name, "' wants ", graph.shape_text(inputs[i].shape),
           ", the data give ", to_string(tensor.shape()), "; resize or crop belong in the data's description");
    bound.push_back(std::move(tensor));
  }
  return bound;
}

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
