#include "ops/recurrent.hpp"

#include <algorithm>
#include <cmath>

#include "ops/gemm.hpp"

namespace bitwright {
namespace {

struct Known {
  const char* name;
  bool alpha, beta;  // takes them
  float default_alpha, default_beta;
  float (*f)(float, float, float);
};

const Known kKnown[] = {
    {"relu", false, false, 0, 0, [](float v, float, float) { return v > 0 ? v : 0.0f; }},
    {"tanh", false, false, 0, 0, [](float v, float, float) { return std::tanh(v); }},
    {"sigmoid", false, false, 0, 0, [](float v, float, float) { return 1 / (1 + std::exp(-v)); }},
    {"affine", true, true, 1, 0, [](float v, float a, float b) { return a * v + b; }},
    {"leakyrelu", true, false, 0.01f, 0, [](float v, float a, float) { return v >= 0 ? v : a * v; }},
    {"thresholdedrelu", true, false, 1, 0, [](float v, float a, float) { return v > a ? v : 0.0f; }},
    {"scaledtanh", true, true, 1, 1, [](float v, float a, float b) { return a * std::tanh(b * v); }},
    {"hardsigmoid", true, true, 0.2f, 0.5f,
     [](float v, float a, float b) { return std::min(std::max(a * v + b, 0.0f), 1.0f); }},
    {"elu", true, false, 1, 0, [](float v, float a, float) { return v >= 0 ? v : a * (std::exp(v) - 1); }},
    {"softsign", false, false, 0, 0, [](float v, float, float) { return v / (1 + std::abs(v)); }},
    {"softplus", false, false, 0, 0, [](float v, float, float) { return std::log1p(std::exp(v)); }},
};

// Alphas and betas are given only for the functions that take one, in the order of the functions.
std::vector<CellActivation> read_activations(const OpContext& c, std::vector<std::string> names) {
  const auto alphas = c.node().attr_floats("activation_alpha"), betas = c.node().attr_floats("activation_beta");
  size_t alpha = 0, beta = 0;
  std::vector<CellActivation> all;
  for (std::string name : names) {
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char ch) { return std::tolower(ch); });
    const auto at = std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& k) { return name == k.name; });
    if (at == std::end(kKnown)) c.malformed(str("activation '", name, "' is not known"));
    CellActivation made{at->f, at->default_alpha, at->default_beta};
    if (at->alpha && alpha < alphas.size()) made.alpha = alphas[alpha++];
    if (at->beta && beta < betas.size()) made.beta = betas[beta++];
    all.push_back(made);
  }
  return all;
}

std::vector<std::string> activation_names(const OpContext& c, const std::vector<std::string>& defaults, int64_t times) {
  std::vector<std::string> names;
  if (const auto at = c.node().attributes.find("activations"); at != c.node().attributes.end())
    if (const auto* given = std::get_if<std::vector<std::string>>(&at->second)) names = *given;
  if (names.empty())
    for (int64_t i = 0; i < times; ++i) names.insert(names.end(), defaults.begin(), defaults.end());
  if (std::ssize(names) != std::ssize(defaults) * times)
    c.malformed(str("has ", names.size(), " activations, wanted ", defaults.size() * static_cast<size_t>(times)));
  return names;
}

void check_shape(const OpContext& c, size_t i, const char* what, const Shape& wanted) {
  if (c.has(i) && c.input(i).shape() != wanted)
    c.malformed(str(what, " has shape ", to_string(c.input(i).shape()), ", wanted ", to_string(wanted)));
}

// State tensors are [directions, batch, hidden], or [batch, directions, hidden] batch first.
int64_t state_at(const Recurrent& r, int64_t direction, int64_t sequence) {
  return (r.batch_first ? sequence * r.directions + direction : direction * r.batch + sequence) * r.hidden;
}
int64_t output_at(const Recurrent& r, int64_t step, int64_t direction, int64_t sequence) {
  return (r.batch_first ? (sequence * r.steps + step) * r.directions + direction
                        : (step * r.directions + direction) * r.batch + sequence) * r.hidden;
}
int64_t row_of(const Recurrent& r, int64_t step, int64_t sequence) {
  return r.batch_first ? sequence * r.steps + step : step * r.batch + sequence;
}

// X * W^T + Wb for all rows of X at once.
std::vector<float> input_part(const OpContext& c, const Recurrent& r, int64_t direction, const float* x,
                              const float* bias) {
  const int64_t rows = r.steps * r.batch, n = r.gates * r.hidden;
  std::vector<float> pre(static_cast<size_t>(rows * n));
  if (c.cell_products) {
    c.cell_products->input(direction, x, rows, pre.data());
  } else {
    const RealInput w(c, 1);
    gemm(c, pack_rows(x, rows, r.inputs, r.inputs, 1), n,
         pack_from(w.data + direction * n * r.inputs, r.inputs, 1, r.inputs), pre.data(), n);
  }
  if (bias)
    for (int64_t i = 0; i < rows * n; ++i) pre[static_cast<size_t>(i)] += bias[i % n];
  return pre;
}

std::vector<float> transposed(const float* m, int64_t rows, int64_t cols) {
  std::vector<float> t(static_cast<size_t>(rows * cols));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j) t[static_cast<size_t>(j * rows + i)] = m[i * cols + j];
  return t;
}

}  // namespace

Recurrent read_recurrent(const OpContext& c, int64_t gates, const std::vector<std::string>& defaults) {
  const Shape &x = c.input(0).shape(), &w = c.input(1).shape();
  if (x.size() != 3 || w.size() != 3) c.malformed(str("X ", to_string(x), " and W ", to_string(w), " must have 3 axes"));
  const std::string direction = c.node().attr_string("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    c.malformed(str("direction '", direction, "' is not forward, reverse or bidirectional"));
  Recurrent r;
  r.gates = gates;
  r.directions = direction == "bidirectional" ? 2 : 1;
  r.reverse_first = direction == "reverse";
  r.batch_first = c.node().attr_int("layout", 0) != 0;
  r.steps = x[r.batch_first ? 1 : 0], r.batch = x[r.batch_first ? 0 : 1], r.inputs = x[2];
  r.hidden = c.node().attr_int("hidden_size", w[1] / gates);
  if (r.hidden < 1) c.malformed("hidden_size must be at least 1");
  r.clip = c.node().attr_float("clip", 0);
  r.activations = read_activations(c, activation_names(c, defaults, r.directions));
  const int64_t n = gates * r.hidden;
  check_shape(c, 1, "W", {r.directions, n, r.inputs});
  check_shape(c, 2, "R", {r.directions, n, r.hidden});
  check_shape(c, 3, "B", {r.directions, 2 * n});
  check_shape(c, 4, "sequence_lens", {r.batch});
  const Shape state = r.batch_first ? Shape{r.batch, r.directions, r.hidden} : Shape{r.directions, r.batch, r.hidden};
  check_shape(c, 5, "initial_h", state);
  if (gates == 4) {
    check_shape(c, 6, "initial_c", state);
    check_shape(c, 7, "P", {r.directions, 3 * r.hidden});
  }
  return r;
}

void run_recurrent(OpContext& c, const Recurrent& r, bool cell_state, const std::function<void(const CellStep&)>& step) {
  const DType type = real_type(c, 0);
  const Shape state = r.batch_first ? Shape{r.batch, r.directions, r.hidden} : Shape{r.directions, r.batch, r.hidden};
  RealOutput y(c, 0, type, r.batch_first ? Shape{r.batch, r.steps, r.directions, r.hidden}
                                         : Shape{r.steps, r.directions, r.batch, r.hidden});
  RealOutput y_h(c, 1, type, state);
  std::optional<RealOutput> y_c;
  if (cell_state) y_c.emplace(c, 2, type, state);
  if (c.shape_only()) return;
  const RealInput x(c, 0);
  auto optional_input = [&](size_t i) { return c.has(i) ? to_f32(c.data(i)) : Tensor(); };
  auto pointer = [](const Tensor& t) { return t.empty() ? nullptr : t.values<float>().data(); };
  const Tensor bias = optional_input(3), peephole = cell_state ? optional_input(7) : Tensor();
  const Tensor first_h = optional_input(5), first_c = cell_state ? optional_input(6) : Tensor();
  const int64_t n = r.gates * r.hidden;
  std::fill_n(y.data(), y.elements(), 0.0f);
  for (int64_t d = 0; d < r.directions; ++d) {
    const float* b = bias.empty() ? nullptr : pointer(bias) + d * 2 * n;
    const auto pre = input_part(c, r, d, x.data, b);
    std::vector<float> r_t;
    if (!c.cell_products) r_t = transposed(RealInput(c, 2).data + d * n * r.hidden, n, r.hidden);
    const bool backwards = d == 1 || r.reverse_first;
    c.parallel(r.batch, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> scratch(static_cast<size_t>(2 * n)), h(static_cast<size_t>(r.hidden)), cell(h.size());
      for (int64_t s = begin; s < end; ++s) {
        const int64_t at = state_at(r, d, s);
        const int64_t given = c.has(4) ? value_as_int(c.data(4), s) : r.steps;
        const int64_t length = std::clamp<int64_t>(given, 0, r.steps);
        std::fill(h.begin(), h.end(), 0.0f);
        std::fill(cell.begin(), cell.end(), 0.0f);
        if (!first_h.empty()) std::copy_n(pointer(first_h) + at, r.hidden, h.begin());
        if (!first_c.empty()) std::copy_n(pointer(first_c) + at, r.hidden, cell.begin());
        for (int64_t i = 0; i < length; ++i) {
          const int64_t t = backwards ? length - 1 - i : i;
          step({d, pre.data() + row_of(r, t, s) * n, r_t.data(), c.cell_products, b ? b + n : nullptr,
                peephole.empty() ? nullptr : pointer(peephole) + d * 3 * r.hidden, h.data(), cell.data(),
                scratch.data()});
          std::copy(h.begin(), h.end(), y.data() + output_at(r, t, d, s));
        }
        std::copy(h.begin(), h.end(), y_h.data() + at);
        if (y_c) std::copy(cell.begin(), cell.end(), y_c->data() + at);
      }
    });
  }
  y.finish();
  y_h.finish();
  if (y_c) y_c->finish();
}

void add_row_product(const float* h, int64_t k, const float* m, int64_t n, int64_t stride, float* y) {
  int64_t i = 0;
  for (; i + 4 <= k; i += 4) {
    const float *m0 = m + i * stride, *m1 = m0 + stride, *m2 = m1 + stride, *m3 = m2 + stride;
    const float h0 = h[i], h1 = h[i + 1], h2 = h[i + 2], h3 = h[i + 3];
    for (int64_t j = 0; j < n; ++j) y[j] = (((y[j] + h0 * m0[j]) + h1 * m1[j]) + h2 * m2[j]) + h3 * m3[j];
  }
  for (; i < k; ++i)
    for (int64_t j = 0; j < n; ++j) y[j] += h[i] * m[i * stride + j];
}

void add_hidden_product(const Recurrent& r, const CellStep& s, int64_t first, int64_t count, const float* h, float* y) {
  if (s.products) return s.products->recurrent(s.direction, first, count, h, y);
  add_row_product(h, r.hidden, s.recurrent + first * r.hidden, count * r.hidden, r.gates * r.hidden, y);
}

}  // namespace bitwright
