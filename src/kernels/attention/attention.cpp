#include "kernels/attention/attention.hpp"

#include <algorithm>

#include "kernels/attention/scratch.hpp"

namespace bitwright {

int64_t attention_scratch_bytes(int64_t keys, int64_t depth, int64_t width) {
  return AttentionScratch(keys, depth, width).floats() * static_cast<int64_t>(sizeof(float));
}

const std::vector<AttentionRow>& attention_kernels() {
  static const std::vector<AttentionRow> rows = {
#define BW_ATTENTION(isa) {Isa::isa, "attention_f32_" #isa, attention_f32_##isa},
#include "kernels/attention/kernels.inc"
#undef BW_ATTENTION
  };
  return rows;
}

const AttentionRow& select_attention(Isa cap) {
  return *std::find_if(attention_kernels().begin(), attention_kernels().end(),
                       [&](const AttentionRow& row) { return !isa_refuses(row.isa, cap); });
}

}  // namespace bitwright
