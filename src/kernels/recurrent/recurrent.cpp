#include "kernels/recurrent/recurrent.hpp"

#include <algorithm>

namespace bitwright {

const std::vector<LstmRow>& lstm_kernels() {
  static const std::vector<LstmRow> rows = {
#define BW_LSTM(isa) {Isa::isa, "lstm_f32_" #isa, lstm_f32_##isa},
#include "kernels/recurrent/kernels.inc"
#undef BW_LSTM
  };
  return rows;
}

const LstmRow& select_lstm(Isa cap) {
  return *std::find_if(lstm_kernels().begin(), lstm_kernels().end(), [&](const LstmRow& row) { return !isa_refuses(row.isa, cap); });
}

}  // namespace bitwright
