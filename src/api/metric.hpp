// How good a network is on some data: run it over a data set and judge its outputs by the truth beside the inputs.
#pragma once

#include "core/sink.hpp"
#include "io/data/dataset.hpp"
#include "runtime/program.hpp"

namespace bitwright {

struct Metric {
  Task task = Task::none;
  int64_t n = 0, correct = 0;      // classify, next_token
  double low = 0, high = 0;        // Wilson's 95 % interval of the share of correct ones
  double bits = 0;                 // next_token: bits per token
  double spearman = 0;             // similarity
  double snr_db = 0, max_error = 0;  // compare: against the given outputs
  double seconds = 0;              // in the network, all threads together
  std::vector<int32_t> classes;    // classify: the answer for each record, in order
  std::vector<Tensor> outputs;     // if kept: each output of the network for all records, joined along the first axis

  /// Whether the task counts right answers; else accuracy() says nothing.
  bool counts() const { return task == Task::classify || task == Task::next_token; }
  double accuracy() const { return n > 0 ? static_cast<double>(correct) / static_cast<double>(n) : 0; }
};

/// Wilson's score interval at 95 %: never leaves [0, 1].
void wilson_interval(int64_t correct, int64_t n, double& low, double& high);
/// Rank correlation; equal values share their mean rank. 0 when one side is constant.
double spearman_correlation(std::span<const double> a, std::span<const double> b);

/// got - want; 0 for equal infinities and where both are NaN.
double difference(double want, double got);
/// 10 log10(signal / noise) of sums of squares: infinite without noise, minus infinity for noise that is not finite.
double decibels(double signal, double noise);

struct EvaluateOptions {
  int threads = 0;      // 0: one per core
  int64_t batch = 32;   // records, where the network takes any number
  Sink* sink = nullptr;
  bool keep_outputs = false;  // then data without truth will do, too
  /// Judges data without truth: its outputs for the same inputs are what is expected (Task::compare).
  std::shared_ptr<const Program> reference = {};
};

/// The inputs of a batch in the order of `inputs`, those of the graph that are no state: by name where the data names
/// them, else by position. Axes of extent 1 are added or dropped where the network's shape asks for it, floats rounded to
/// the network's float type, other types changed where no value changes. Error{mismatch} names the input that the data lack
/// and the size or type that does not fit.
std::vector<Tensor> bind_inputs(const Graph& graph, std::span<const Port> inputs, const Dataset& data, const Batch& batch);
/// Records per run: `wanted` when the first extent of the first input that has one is free, else that extent.
int64_t batch_of(std::span<const Port> inputs, int64_t wanted);

/// Runs the program over all records; one with state over each sequence, step by step (Dataset::begins_sequence), sequences
/// side by side. Similarity: cosine of the mean of the output over the attention mask (rank 3) or of
/// the output itself (rank 2). Errors: mismatch (outputs that do not suit the task, or differ in shape and cannot be
/// joined), usage (data without truth).
Metric evaluate(const std::shared_ptr<const Program>& program, const Dataset& data, const EvaluateOptions& options = {});

/// "91.41 % (4556 of 4984, 90.60 ... 92.16)" and its like for the other tasks.
std::string describe(const Metric& metric);

}  // namespace bitwright
