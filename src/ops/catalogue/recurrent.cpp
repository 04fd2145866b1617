// RNN, GRU, LSTM with all options of the standard: directions, layouts, peepholes, clip, activations, sequence lengths.
// Each step is written as in the ONNX operator documentation; gate orders are the standard's (z r h; i o f c).
#include "ops/recurrent.hpp"

#include <algorithm>

namespace bitwright {
namespace {

// pre + Rb + h * R^T for `count` gates from gate `first`, into `to`.
void add_recurrent(const Recurrent& r, const CellStep& s, int64_t first, int64_t count, const float* h, float* to) {
  const int64_t begin = first * r.hidden, size = count * r.hidden;
  for (int64_t i = 0; i < size; ++i) to[i] = s.pre[begin + i] + (s.r_bias ? s.r_bias[begin + i] : 0.0f);
  add_hidden_product(r, s, first, count, h, to);
}

void run_rnn(OpContext& c) {
  const Recurrent r = read_recurrent(c, 1, {"Tanh"});
  run_recurrent(c, r, false, [&](const CellStep& s) {
    const CellActivation& f = r.activations[static_cast<size_t>(s.direction)];
    add_recurrent(r, s, 0, 1, s.h, s.scratch);
    for (int64_t i = 0; i < r.hidden; ++i) s.h[i] = f(r.clipped(s.scratch[i]));
  });
}

void run_gru(OpContext& c) {
  const Recurrent r = read_recurrent(c, 3, {"Sigmoid", "Tanh"});
  const bool reset_after = c.node().attr_int("linear_before_reset", 0) != 0;
  run_recurrent(c, r, false, [&](const CellStep& s) {
    const CellActivation &f = r.activations[static_cast<size_t>(2 * s.direction)],
                         &g = r.activations[static_cast<size_t>(2 * s.direction + 1)];
    const int64_t hidden = r.hidden;
    float *z = s.scratch, *reset = z + hidden, *h = z + 2 * hidden, *work = z + 3 * hidden;
    add_recurrent(r, s, 0, 2, s.h, z);
    for (int64_t i = 0; i < 2 * hidden; ++i) z[i] = f(r.clipped(z[i]));
    if (reset_after) {  // g(x Wh + Wbh + reset . (h Rh + Rbh))
      for (int64_t i = 0; i < hidden; ++i) work[i] = s.r_bias ? s.r_bias[2 * hidden + i] : 0.0f;
      add_hidden_product(r, s, 2, 1, s.h, work);
      for (int64_t i = 0; i < hidden; ++i) h[i] = s.pre[2 * hidden + i] + reset[i] * work[i];
    } else {  // g(x Wh + Wbh + (reset . h) Rh + Rbh)
      for (int64_t i = 0; i < hidden; ++i) work[i] = reset[i] * s.h[i];
      add_recurrent(r, s, 2, 1, work, h);
    }
    for (int64_t i = 0; i < hidden; ++i) s.h[i] = (1 - z[i]) * g(r.clipped(h[i])) + z[i] * s.h[i];
  });
}

void run_lstm(OpContext& c) {
  const Recurrent r = read_recurrent(c, 4, {"Sigmoid", "Tanh", "Tanh"});
  const bool coupled = c.node().attr_int("input_forget", 0) != 0;
  run_recurrent(c, r, true, [&](const CellStep& s) {
    const CellActivation* act = r.activations.data() + 3 * s.direction;
    const int64_t n = r.hidden;
    add_recurrent(r, s, 0, 4, s.h, s.scratch);
    const float *i_gate = s.scratch, *o_gate = i_gate + n, *f_gate = i_gate + 2 * n, *c_gate = i_gate + 3 * n;
    const float* p = s.peephole;  // i, o, f
    for (int64_t j = 0; j < n; ++j) {
      const float old = s.c[j];
      const float in = act[0](r.clipped(i_gate[j] + (p ? p[j] * old : 0)));
      const float keep = coupled ? 1 - in : act[0](r.clipped(f_gate[j] + (p ? p[2 * n + j] * old : 0)));
      const float cell = keep * old + in * act[1](r.clipped(c_gate[j]));
      const float out = act[0](r.clipped(o_gate[j] + (p ? p[n + j] * cell : 0)));
      s.c[j] = cell;
      s.h[j] = out * act[2](cell);
    }
  });
}

// Until opset 13 the output was one concatenated sequence only where output_sequence asked for it (opset < 7): dropped.
void upgrade_cell(UpgradeContext& u) { u.node.attributes.erase("output_sequence"); }

bool downgrade_cell(UpgradeContext& u) {
  if (u.node.attr_int("layout", 0) != 0) return false;
  u.node.attributes.erase("layout");
  return u.opset >= 7;
}

const Op kOps[] = {
    {.name = "RNN", .min_inputs = 3, .max_inputs = 6, .min_outputs = 0, .max_outputs = 2, .since = 14, .run = run_rnn,
     .upgrade = upgrade_cell, .downgrade = downgrade_cell},
    {.name = "GRU", .min_inputs = 3, .max_inputs = 6, .min_outputs = 0, .max_outputs = 2, .since = 14, .run = run_gru,
     .upgrade = upgrade_cell, .downgrade = downgrade_cell},
    {.name = "LSTM", .min_inputs = 3, .max_inputs = 8, .min_outputs = 0, .max_outputs = 3, .since = 14,
     .run = run_lstm, .upgrade = upgrade_cell, .downgrade = downgrade_cell},
};

}  // namespace

std::span<const Op> ops_recurrent() { return kOps; }

}  // namespace bitwright
