// Internal to evaluation: what some records contribute to a Metric. evaluate.cpp runs the network, metric.cpp judges.
#pragma once

#include "api/metric.hpp"

namespace bitwright {

/// Of one batch or one sequence; parts are added in the order of the records.
struct Part {
  int64_t first = 0;  // number of the next batch's first record
  int64_t n = 0, correct = 0;
  double bits = 0, signal = 0, noise = 0, max_error = 0, seconds = 0;
  std::vector<int32_t> classes;
  std::vector<double> similarities, targets;
  std::vector<std::vector<Tensor>> outputs;  // per batch
};

/// Adds the outputs of one batch. mask: the attention mask for Task::similarity, or nullptr. Error{mismatch} for outputs
/// that do not suit the task.
void judge(Task task, const Batch& batch, const std::vector<Tensor>& outputs, const Tensor* mask, Part& part);
Metric total(Task task, const std::vector<Part>& parts);

}  // namespace bitwright
