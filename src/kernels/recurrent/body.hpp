// The kernels of recurrent.hpp for one instruction set: recurrent_<isa>.cpp includes this with BW_LSTM_NAME and BW_LANES.
#pragma once

#include "kernels/recurrent/recurrent.hpp"
#include "kernels/rows/functions.hpp"

namespace bitwright {
namespace {

/// kLanes units of one step, or the `left` last ones.
struct Units {
  const LstmArgs& args;
  int64_t at, left;

  BW_INLINE F read(const float* from) const { return left >= kLanes ? load(from + at) : load(from + at, left, 0.0f); }
  BW_INLINE F clipped(F x) const {
    if (!(args.clip > 0)) return x;
    const F most = splat(args.clip), least = splat(-args.clip);
    return less(x, least, least, less(most, x, most, x));
  }
  BW_INLINE F gate(int64_t g, int64_t peephole, F cell) const {
    F x = read(args.inputs + g * args.hidden);
    x = x + (args.recurrent_bias ? read(args.recurrent_bias + g * args.hidden) : splat(0.0f));
    x = x + read(args.sums + g * args.hidden);
    if (args.peephole && peephole >= 0) x = x + read(args.peephole + peephole * args.hidden) * cell;
    return clipped(x);
  }
  BW_INLINE void run() const {
    const F old = read(args.cell);
    const F in = Sigmoid()(gate(0, 0, old));
    const F keep = args.input_forget ? splat(1.0f) - in : Sigmoid()(gate(2, 2, old));
    const F cell = keep * old + in * Tanh()(gate(3, -1, old));
    const F out = Sigmoid()(gate(1, 1, cell));
    store(args.cell + at, cell, left);
    store(args.h + at, out * Tanh()(cell), left);
  }
};

}  // namespace

void BW_LSTM_NAME(const LstmArgs& args) noexcept {
  for (int64_t at = 0; at < args.hidden; at += kLanes) Units{args, at, args.hidden - at}.run();
}

}  // namespace bitwright
