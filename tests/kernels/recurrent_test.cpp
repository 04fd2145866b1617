#include "kernels/recurrent/recurrent.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support.hpp"

namespace bitwright {
namespace {

struct Cell {
  int64_t hidden;
  bool bias, peepholes;
  std::vector<float> inputs, recurrent_bias, sums, peephole, cell;
  LstmArgs args;

  Cell(Random& random, int64_t n, bool with_bias, bool with_peepholes, float clip, bool input_forget)
      : hidden(n), bias(with_bias), peepholes(with_peepholes) {
    const auto normal = [&](int64_t count) {
      std::vector<float> x(static_cast<size_t>(count));
      for (float& v : x) v = static_cast<float>(random.in(-4000, 4000)) / 1000;
      return x;
    };
    inputs = normal(4 * n), recurrent_bias = normal(4 * n), sums = normal(4 * n), peephole = normal(3 * n), cell = normal(n);
    args.hidden = n, args.clip = clip, args.input_forget = input_forget;
  }
  /// Cell and h.
  std::vector<float> run(LstmKernel kernel) const {
    std::vector<float> made(cell);
    made.resize(static_cast<size_t>(2 * hidden), -5.0f);
    LstmArgs mine = args;
    mine.inputs = inputs.data(), mine.sums = sums.data();
    mine.recurrent_bias = bias ? recurrent_bias.data() : nullptr;
    mine.peephole = peepholes ? peephole.data() : nullptr;
    mine.cell = made.data(), mine.h = made.data() + hidden;
    kernel(mine);
    return made;
  }
  double gate(int64_t g, int64_t p, int64_t j, double c) const {
    const auto at = static_cast<size_t>(g * hidden + j);
    double x = double{inputs[at]} + (bias ? double{recurrent_bias[at]} : 0) + double{sums[at]};
    if (peepholes && p >= 0) x += double{peephole[static_cast<size_t>(p * hidden + j)]} * c;
    return args.clip > 0 ? std::clamp(x, -double{args.clip}, double{args.clip}) : x;
  }
};

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

TEST(Lstm, IsTheSameOnEveryInstructionSetAndNearTheDefinition) {
  Random random(seed());
  for (int64_t hidden = 1; hidden < 40; ++hidden) {
    const Cell c(random, hidden, hidden % 2 != 0, hidden % 3 == 0, hidden % 5 == 0 ? 1.5f : 0, hidden % 7 == 0);
    const auto wanted = c.run(lstm_f32_ref);
    for (const LstmRow& row : lstm_kernels()) {
      if (!machine_has(row.isa)) continue;
      EXPECT_EQ(c.run(row.kernel), wanted) << row.name << " hidden " << hidden;
    }
    for (int64_t j = 0; j < hidden; ++j) {
      const double old = double{c.cell[static_cast<size_t>(j)]}, in = sigmoid(c.gate(0, 0, j, old));
      const double keep = c.args.input_forget ? 1 - in : sigmoid(c.gate(2, 2, j, old));
      const double cell = keep * old + in * std::tanh(c.gate(3, -1, j, old));
      EXPECT_NEAR(double{wanted[static_cast<size_t>(j)]}, cell, 1e-5);
      EXPECT_NEAR(double{wanted[static_cast<size_t>(hidden + j)]}, sigmoid(c.gate(1, 1, j, cell)) * std::tanh(cell), 1e-5);
    }
  }
}

}  // namespace
}  // namespace bitwright
