// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss over scores [N, C, ...] and labels [N, ...].
#include <cmath>

#include "ops/real.hpp"

namespace bitwright {
namespace {

struct Losses {
  int64_t batch, classes, inner;
  std::string reduction;
};

Losses read_losses(const OpContext& c) {
  const Shape &x = c.input(0).shape(), &labels = c.input(1).shape();
  Shape wanted = x;
  if (x.size() < 2) c.malformed(str("scores have shape ", to_string(x), ", wanted [N,C,...]"));
  wanted.erase(wanted.begin() + 1);
  if (labels != wanted) c.malformed(str("labels have shape ", to_string(labels), ", wanted ", to_string(wanted)));
  if (c.has(2) && c.input(2).shape() != Shape{x[1]})
    c.malformed(str("weights have shape ", to_string(c.input(2).shape()), ", wanted [", x[1], "]"));
  const std::string reduction = c.node().attr_string("reduction", "mean");
  if (reduction != "none" && reduction != "mean" && reduction != "sum")
    c.malformed(str("reduction '", reduction, "' is not none, mean or sum"));
  return {x[0], x[1], elements_of(std::span(x).subspan(2)), reduction};
}

// -w[label] * log_p[label] per position, reduced; an ignored label counts neither above nor below.
void reduce_losses(const OpContext& c, const Losses& l, const float* log_p, RealOutput& y) {
  const bool ignores = c.node().has_attr("ignore_index");
  const int64_t ignored = c.node().attr_int("ignore_index", -1);
  const Tensor weights = c.has(2) ? to_f32(c.data(2)) : Tensor();
  double sum = 0, total = 0;
  for (int64_t i = 0; i < l.batch * l.inner; ++i) {
    const int64_t label = value_as_int(c.data(1), i);
    const bool skip = ignores && label == ignored;
    if (!skip && (label < 0 || label >= l.classes)) c.malformed(str("label ", label, " is outside ", l.classes, " classes"));
    const float weight = skip ? 0.0f : weights.empty() ? 1.0f : weights.values<float>()[static_cast<size_t>(label)];
    const float loss = skip ? 0.0f : -weight * log_p[(i / l.inner * l.classes + label) * l.inner + i % l.inner];
    if (l.reduction == "none") y.data()[i] = loss;
    sum += static_cast<double>(loss);
    total += static_cast<double>(weight);
  }
  if (l.reduction != "none") y.data()[0] = static_cast<float>(l.reduction == "sum" ? sum : sum / total);
}

Shape loss_shape(const OpContext& c, const Losses& l) { return l.reduction == "none" ? c.input(1).shape() : Shape{}; }

void run_nll(OpContext& c) {
  const Losses l = read_losses(c);
  RealOutput y(c, 0, real_type(c, 0), loss_shape(c, l));
  if (c.shape_only()) return;
  const RealInput x(c, 0);
  reduce_losses(c, l, x.data, y);
  y.finish();
}

void run_cross_entropy(OpContext& c) {
  const Losses l = read_losses(c);
  const DType type = real_type(c, 0);
  const Shape x_shape = c.input(0).shape();
  const bool wants_log = c.wants(1);
  RealOutput y(c, 0, type, loss_shape(c, l));
  if (wants_log && c.shape_only()) RealOutput(c, 1, type, x_shape);
  if (c.shape_only()) return;
  const RealInput x(c, 0);
  Tensor log_p(DType::f32, x_shape);
  float* to = log_p.values<float>().data();
  for (int64_t i = 0; i < l.batch * l.inner; ++i) {
    const int64_t start = i / l.inner * l.classes * l.inner + i % l.inner;
    float most = -INFINITY;
    for (int64_t k = 0; k < l.classes; ++k) most = std::max(most, x.data[start + k * l.inner]);
    double sum = 0;
    for (int64_t k = 0; k < l.classes; ++k) sum += std::exp(static_cast<double>(x.data[start + k * l.inner] - most));
    const auto log_sum = static_cast<float>(std::log(sum));
    for (int64_t k = 0; k < l.classes; ++k) to[start + k * l.inner] = x.data[start + k * l.inner] - most - log_sum;
  }
  reduce_losses(c, l, to, y);
  y.finish();
  if (!wants_log) return;
  RealOutput log_output(c, 1, type, x_shape);
  std::copy_n(to, log_p.elements(), log_output.data());
  log_output.finish();
}

const Op kOps[] = {
    {.name = "NegativeLogLikelihoodLoss", .min_inputs = 2, .max_inputs = 3, .since = 12, .run = run_nll},
    {.name = "SoftmaxCrossEntropyLoss", .min_inputs = 2, .max_inputs = 3, .max_outputs = 2, .since = 12,
     .run = run_cross_entropy},
};

}  // namespace

std::span<const Op> ops_loss() { return kOps; }

}  // namespace bitwright
