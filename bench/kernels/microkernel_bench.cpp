// B2: the dot kernels on operands in the first-level cache.
//
//   loop   the multiply loop alone: what a longer K takes more than a short one, so that the sums' way to codes cancels out. This
//          is what a compiler's change of mind shows in; 97 % of the peak is required where the peak is of the same instruction
//   whole  a small layer with all that a kernel does: pointers, loop, codes (engine.md: at small K codes bound it)
#include <chrono>

#include "kernels/dot/panel.hpp"
#include "support.hpp"

namespace bitwright {
namespace {

struct DotRow {
  const char* name;
  Isa isa;
  DotKernel kernel;
};
const DotRow kDots[] = {
#define BW_DOT(isa, name, ...) {#name, Isa::isa, name},
#include "kernels/dot/kernels.inc"
#undef BW_DOT
};

/// A tile's call: rows of `segments` runs of k bytes, of which neighbours overlap as pixels of a convolution do.
class Tile {
 public:
  Tile(int64_t rows, int64_t columns, int64_t segments, int64_t k, int64_t step)
      : rows_(rows), codes_(random_codes<uint8_t>((rows + segments) * step + segments * k, 0, 255)),
        weights_(random_codes<int8_t>(columns * segments * k, -127, 127)),
        packed_(pack_weights(1, columns, segments, k, {weights_.data(), segments * k, k, 1}, nullptr, {})),
        plan_(plan_for(segments * k, packed_.reach)), pointers_(static_cast<size_t>(rows * segments)),
        out_(static_cast<size_t>(rows * columns)) {
    for (int64_t s = 0; s < segments; ++s)
      for (int64_t r = 0; r < rows; ++r) pointers_[static_cast<size_t>(s * rows + r)] = codes_.data() + s * k + r * step;
    const Output out{DType::u8, out_.data(), columns, plan_.view(), {}};
    args_ = dot_args(packed_, out);
    args_.a = pointers_.data(), args_.a_step = rows, args_.rows = rows;
    set_panel(args_, packed_, packed_.panels[0], out, 0);
  }
  Tile(const Tile&) = delete;
  bool right(DotKernel kernel) {
    dot_u8s8_ref(args_);
    const std::vector<uint8_t> wanted = out_;
    std::fill(out_.begin(), out_.end(), uint8_t{0});
    kernel(args_);
    return out_ == wanted;
  }
  /// Of so many calls, the best of some turns: what else runs on the machine can only add.
  double seconds(DotKernel kernel, int calls) const {
    double best = 1;
    for (int turn = 0; turn < 8; ++turn) {
      const auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < calls; ++i) kernel(args_);
      best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
    return best;
  }
  double macs() const { return static_cast<double>(rows_ * packed_.columns * packed_.segments * packed_.k); }

 private:
  int64_t rows_;
  std::vector<uint8_t> codes_;
  std::vector<int8_t> weights_;
  PackedWeights packed_;
  RequantizePlan plan_;
  std::vector<const uint8_t*> pointers_;
  std::vector<uint8_t> out_;
  DotArgs args_{};
};

/// What the loop is measured on: long and short calls that differ in K alone.
struct Loop {
  const char* name;
  int64_t rows, columns, segments, k_long, k_short, step;
};
const Loop kLoops[] = {{"matmul_24x64", 24, 64, 1, 352, 64, 352},   {"matmul_24x48", 24, 48, 1, 352, 64, 352},
                       {"matmul_24x32", 24, 32, 1, 352, 64, 352},   {"conv_1x1_24x64", 24, 64, 1, 352, 64, 352},
                       {"conv_3x3_24x64", 24, 64, 3, 120, 24, 40}};

void loop(benchmark::State& state, const DotRow* row, const Loop* of) {
  constexpr int kCalls = 10;
  Tile longer(of->rows, of->columns, of->segments, of->k_long, of->step);
  Tile shorter(of->rows, of->columns, of->segments, of->k_short, of->step);
  if (!longer.right(row->kernel) || !shorter.right(row->kernel)) return report_wrong(state);
  for (auto _ : state) {
    const double with_short = longer.seconds(row->kernel, kCalls);
    state.SetIterationTime(std::max(1e-9, with_short - shorter.seconds(row->kernel, kCalls)));
  }
  report_macs(state, row->isa, kCalls * (longer.macs() - shorter.macs()));
}

void whole_matmul(benchmark::State& state, const MatMulRow* row, int64_t k, int largest) {
  Product product(24, 64, k, DType::u8, largest);
  const auto compute = [&] { row->kernel(product.args, 0, product.args.m); };
  if (!product.right(compute)) return report_wrong(state);
  for (auto _ : state) compute();
  report_macs(state, row->isa, product.macs());
}

[[maybe_unused]] const bool registered = [] {
  for (const DotRow& row : kDots) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    for (const Loop& of : kLoops) add_benchmark(str("B2_L1_loop/", row.name, "/", of.name), loop, &row, &of)->UseManualTime();
  }
  for (const MatMulRow& row : matmul_kernels()) {
    if (!machine_has(row.isa) || row.isa == Isa::ref) continue;
    for (const int64_t k : {64, 352}) {
      add_benchmark(str("B2_L1_whole/", row.name, "/24x64x", k), whole_matmul, &row, k, 127);
      add_benchmark(str("B2_L1_whole/", row.name, "/24x64x", k, "_small_weights"), whole_matmul, &row, k, 63);
    }
  }
  return true;
}();

}  // namespace
}  // namespace bitwright
