// What an LSTM does with its gates once the products are there, in float32: the same bits on every instruction set, by the
// sigmoid and hyperbolic tangent of kernels/rows.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/isa.hpp"

namespace bitwright {

/// One step of one sequence, gates in ONNX's order i, o, f, c; every + and * rounds on its own, in the order written:
///   gate g of unit j: clip((inputs[g n + j] + recurrent_bias[g n + j]) + sums[g n + j] (+ peephole * cell)), n = hidden
///   i = sigmoid(gate 0 + P_i c);   f = input_forget ? 1 - i : sigmoid(gate 2 + P_f c);   c = f c + i tanh(gate 3)
///   o = sigmoid(gate 1 + P_o c);   h = o tanh(c)
struct LstmArgs {
  int64_t hidden = 0;
  const float* inputs = nullptr;          // [4 hidden] X W^T + Wb
  const float* recurrent_bias = nullptr;  // [4 hidden] or null
  const float* sums = nullptr;            // [4 hidden] H R^T
  const float* peephole = nullptr;        // [3 hidden] i, o, f; or null
  float clip = 0;                         // 0: none
  bool input_forget = false;
  float* cell = nullptr;  // [hidden], in and out
  float* h = nullptr;     // [hidden], out
};
using LstmKernel = void (*)(const LstmArgs& args) noexcept;

struct LstmRow {
  Isa isa;
  const char* name;
  LstmKernel kernel;
};
const std::vector<LstmRow>& lstm_kernels();
/// The best that may run; there is always one.
const LstmRow& select_lstm(Isa cap = isa_cap());

#define BW_LSTM(isa) void lstm_f32_##isa(const LstmArgs& args) noexcept;
#include "kernels/recurrent/kernels.inc"
#undef BW_LSTM

}  // namespace bitwright
