// Judging: what outputs are worth against the truth beside the inputs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "api/judge.hpp"

namespace bitwright {
namespace {

[[noreturn]] void unsuited(const Tensor& output, int64_t records, std::string_view wanted) {
  fail(ErrorCode::mismatch, "the network's first output has shape ", to_string(output.shape()), " for ", records,
       " records; ", wanted);
}

int64_t argmax(const float* row, int64_t n) { return std::max_element(row, row + n) - row; }

void judge_classes(const Tensor& output, const Batch& batch, Part& part) {
  if (output.elements() == 0 || output.elements() % batch.records != 0)
    unsuited(output, batch.records, "classification wants one row of scores per record");
  const Tensor scores = to_f32(output);
  const int64_t classes = scores.elements() / batch.records;
  for (int64_t i = 0; i < batch.records; ++i) {
    const int64_t label = batch.labels[static_cast<size_t>(i)];
    if (label < 0 || label >= classes)
      fail(ErrorCode::mismatch, "record ", part.first + i, ": label ", label, " is out of range: the network knows ", classes,
           " classes (label_offset in data.toml or --data-options shifts labels)");
    const int64_t answer = argmax(scores.values<float>().data() + i * classes, classes);
    part.classes.push_back(static_cast<int32_t>(answer));
    part.correct += answer == label;
    ++part.n;
  }
}

void judge_tokens(const Tensor& output, const Batch& batch, Part& part) {
  const auto positions = static_cast<int64_t>(batch.labels.size());
  if (positions == 0 || output.elements() % positions != 0)
    unsuited(output, batch.records, "next-token prediction wants one row of scores per position");
  const Tensor scores = to_f32(output);
  const int64_t vocabulary = scores.elements() / positions;
  for (int64_t i = 0; i < positions; ++i) {
    const int64_t label = batch.labels[static_cast<size_t>(i)];
    if (label < 0) continue;
    if (label >= vocabulary) fail(ErrorCode::mismatch, "token ", label, " is not among the network's ", vocabulary);
    const float* row = scores.values<float>().data() + i * vocabulary;
    const int64_t answer = argmax(row, vocabulary);
    double sum = 0;
    for (int64_t k = 0; k < vocabulary; ++k) sum += std::exp(static_cast<double>(row[k]) - row[answer]);
    part.bits += (std::log(sum) + row[answer] - row[label]) / std::log(2.0);
    part.correct += answer == label;
    ++part.n;
  }
}

// Mean over the positions that the mask keeps: [B,T,D] -> [B,D].
Tensor pooled(const Tensor& output, const Tensor* mask) {
  if (output.rank() == 2) return output;
  const int64_t rows = output.dim(0), length = output.dim(1), width = output.dim(2);
  Tensor result(DType::f32, {rows, width});
  for (int64_t b = 0; b < rows; ++b)
    for (int64_t t = 0; t < length; ++t) {
      if (mask && value_as_double(*mask, b * length + t) == 0) continue;
      const float* from = output.values<float>().data() + (b * length + t) * width;
      float* to = result.values<float>().data() + b * width;
      for (int64_t k = 0; k < width; ++k) to[k] += from[k];
    }
  return result;  // the cosine does not see the missing division by the number of positions
}

double cosine(const float* a, const float* b, int64_t n) {
  double ab = 0, aa = 0, bb = 0;
  for (int64_t i = 0; i < n; ++i) ab += double{a[i]} * b[i], aa += double{a[i]} * a[i], bb += double{b[i]} * b[i];
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

void judge_pairs(const Tensor& output, const Tensor* mask, const Batch& batch, Part& part) {
  if ((output.rank() != 2 && output.rank() != 3) || output.dim(0) % 2 != 0)
    unsuited(output, batch.records, "similarity wants [rows, width] or [rows, positions, width]");
  const Tensor rows = pooled(to_f32(output), mask);
  const float* row = rows.values<float>().data();
  const int64_t width = rows.dim(1), pairs = rows.dim(0) / 2;
  for (int64_t i = 0; i < pairs; ++i) {
    part.similarities.push_back(cosine(row + 2 * i * width, row + (2 * i + 1) * width, width));
    part.targets.push_back(batch.targets[static_cast<size_t>(i)]);
  }
  part.n += pairs;
}

void judge_outputs(const std::vector<Tensor>& outputs, const Batch& batch, Part& part) {
  if (outputs.size() != batch.expected.size())
    fail(ErrorCode::mismatch, "the network has ", outputs.size(), outputs.size() == 1 ? " output" : " outputs", ", the data expect ",
         batch.expected.size());
  for (size_t k = 0; k < outputs.size(); ++k) {
    const Tensor got = to_f32(outputs[k]), want = to_f32(batch.expected[k]);
    if (got.elements() != want.elements())
      fail(ErrorCode::mismatch, "output ", k, " has shape ", to_string(got.shape()), ", the data expect ",
           to_string(want.shape()));
    for (size_t i = 0; i < got.values<float>().size(); ++i) {
      const double w = want.values<float>()[i], d = difference(w, got.values<float>()[i]);
      part.signal += w * w;
      part.noise += d * d;
      if (!(std::abs(d) <= part.max_error)) part.max_error = std::abs(d);  // NaN counts as the largest
    }
  }
  part.n += batch.records;
}

}  // namespace

void judge(Task task, const Batch& batch, const std::vector<Tensor>& outputs, const Tensor* mask, Part& part) {
  switch (task) {
    case Task::classify: return judge_classes(outputs[0], batch, part);
    case Task::next_token: return judge_tokens(outputs[0], batch, part);
    case Task::similarity: return judge_pairs(outputs[0], mask, batch, part);
    case Task::compare: return judge_outputs(outputs, batch, part);
    case Task::none: part.n += batch.records;
  }
}

Metric total(Task task, const std::vector<Part>& parts) {
  Metric m;
  m.task = task;
  double signal = 0, noise = 0;
  std::vector<double> similarities, targets;
  for (const Part& part : parts) {
    m.n += part.n;
    m.correct += part.correct;
    m.bits += part.bits;
    m.seconds += part.seconds;
    if (!(part.max_error <= m.max_error)) m.max_error = part.max_error;
    signal += part.signal, noise += part.noise;
    m.classes.insert(m.classes.end(), part.classes.begin(), part.classes.end());
    similarities.insert(similarities.end(), part.similarities.begin(), part.similarities.end());
    targets.insert(targets.end(), part.targets.begin(), part.targets.end());
  }
  if (m.n > 0) m.bits /= static_cast<double>(m.n);
  m.snr_db = decibels(signal, noise);
  m.spearman = spearman_correlation(similarities, targets);
  wilson_interval(m.correct, m.n, m.low, m.high);
  return m;
}

double difference(double want, double got) {
  return want == got || (std::isnan(want) && std::isnan(got)) ? 0 : got - want;
}

double decibels(double signal, double noise) {
  if (noise == 0) return INFINITY;
  return std::isnan(noise) || std::isinf(noise) ? -INFINITY : 10 * std::log10(signal / noise);
}

void wilson_interval(int64_t correct, int64_t n, double& low, double& high) {
  low = 0, high = n > 0 ? 1 : 0;
  if (n <= 0) return;
  const double z = 1.959963984540054, count = static_cast<double>(n), p = static_cast<double>(correct) / count;
  const double centre = p + z * z / (2 * count), spread = z * std::sqrt(p * (1 - p) / count + z * z / (4 * count * count));
  low = std::max(0.0, (centre - spread) / (1 + z * z / count));
  high = std::min(1.0, (centre + spread) / (1 + z * z / count));
}

namespace {

std::vector<double> ranks(std::span<const double> values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> result(values.size());
  for (size_t i = 0; i < order.size();) {
    size_t j = i;
    while (j < order.size() && values[order[j]] == values[order[i]]) ++j;
    for (size_t k = i; k < j; ++k) result[order[k]] = static_cast<double>(i + j - 1) / 2;
    i = j;
  }
  return result;
}

}  // namespace

double spearman_correlation(std::span<const double> a, std::span<const double> b) {
  BW_CHECK(a.size() == b.size());
  const std::vector<double> ra = ranks(a), rb = ranks(b);
  const double mean = (static_cast<double>(a.size()) - 1) / 2;
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (ra[i] - mean) * (rb[i] - mean);
    aa += (ra[i] - mean) * (ra[i] - mean);
    bb += (rb[i] - mean) * (rb[i] - mean);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

std::string describe(const Metric& m) {
  char text[160];
  const auto count = static_cast<long long>(m.n), right = static_cast<long long>(m.correct);
  switch (m.task) {
    case Task::classify:
      std::snprintf(text, sizeof text, "%.2f %% (%lld of %lld, 95 %%: %.2f ... %.2f)", 100 * m.accuracy(), right, count,
                    100 * m.low, 100 * m.high);
      break;
    case Task::next_token:
      std::snprintf(text, sizeof text, "%.2f %% next tokens (%lld of %lld), %.3f bits per token, perplexity %.3f",
                    100 * m.accuracy(), right, count, m.bits, std::exp2(m.bits));
      break;
    case Task::similarity: std::snprintf(text, sizeof text, "Spearman %.4f over %lld pairs", m.spearman, count); break;
    case Task::compare:
      std::snprintf(text, sizeof text, "SNR %.1f dB, largest error %.3g, %lld records", m.snr_db, m.max_error, count);
      break;
    case Task::none: std::snprintf(text, sizeof text, "%lld records, nothing to judge by", count); break;
  }
  return text;
}

}  // namespace bitwright
