#include "runtime/dynamic_products.hpp"

#include "kernels/dot/panel.hpp"
#include "runtime/ranges.hpp"

namespace bitwright {
namespace {

struct Columns {
  int64_t begin, count;
};

Columns columns_of(const DynamicProduct& product, int64_t panel) {
  const auto panels = product.weights->weights.panels();
  if (panels.empty()) return {0, product.weights->weights.n()};
  const PackedPanel& p = panels[static_cast<size_t>(panel)];
  return {p.column, p.columns};
}

/// Rows of a piece: as many pieces for every thread, not so few rows that the weights are hardly worth reading, nor so many that
/// a thread that is held up holds up all.
int64_t rows_of_piece(int64_t m, int64_t threads) {
  constexpr int64_t kLeastRows = 24, kMostRows = 192;
  const auto share = [](int64_t count, int64_t parts) { return (count + parts - 1) / parts; };
  return std::max(kLeastRows, share(m, threads * std::max<int64_t>(1, share(m, threads * kMostRows))));
}

}  // namespace

int64_t panels_of(const DynamicProduct& product) { return std::max<int64_t>(1, std::ssize(product.weights->weights.panels())); }

void DynamicProductsStep::set_tensor_grid(StepContext& context) const {
  float seen[2] = {0, 0};
  if (src_range != kNoBuffer) {
    const float* cell = context.at(src_range).values<float>().data();
    seen[0] = cell[0], seen[1] = cell[1];
  } else {
    const float* x = context.at(src).values<float>().data();
    context.rows(m * k, 1 << 14, [&](int64_t begin, int64_t end, std::byte*) {
      float mine[2] = {0, 0};
      range({x, &mine[0], &mine[1]}, begin, end);
      merge_range(seen, mine);
    });
  }
  const Affine q = dynamic_codes(seen[0], seen[1]);
  context.at(scale).values<float>()[0] = q.scale;
  context.at(zero).values<int32_t>()[0] = q.zero;
}

void DynamicProductsStep::quantize_rows(StepContext& context, int64_t row0, int64_t row1) const {
  const float* x = context.at(src).values<float>().data();
  uint8_t* to = context.at(codes).values<uint8_t>().data();
  float* scales = context.at(scale).values<float>().data();
  int32_t* zeros = context.at(zero).values<int32_t>().data();
  if (!per_row) return quantize({x, to, DType::u8, {scales[0], zeros[0]}, 0, 255}, row0 * k, row1 * k);
  for (int64_t r = row0; r < row1; ++r) {
    float lo = 0, hi = 0;
    range({x + r * k, &lo, &hi}, 0, k);
    const Affine q = dynamic_codes(lo, hi);
    scales[r] = q.scale, zeros[r] = q.zero;
    quantize({x + r * k, to + r * k, DType::u8, q, 0, 255}, 0, k);
  }
}

void DynamicProductsStep::multiply(StepContext& context, const DynamicProduct& product, int64_t panel, int64_t row0, int64_t row1) const {
  const MatMulWeights& weights = product.weights->weights;
  float* out = context.at(product.out).values<float>().data();
  const int32_t* zeros = context.at(zero).values<int32_t>().data();
  MatMulArgs args = weights.args(m);
  args.a = context.at(codes).raw();
  args.row_zero = per_row ? zeros : nullptr;
  args.a_zero = per_row ? 0 : zeros[0];
  args.panels = {panel, panel + 1, panel + 1 < panels_of(product) ? panel + 1 : -1};
  args.out = {.type = DType::f32, .data = out, .stride = args.n};
  args.out.dequantize = {product.weights->scale.data(), context.at(scale).values<float>().data(), per_row ? 1 : 0,
                         product.weights->bias.empty() ? nullptr : product.weights->bias.data()};
  weights.row().kernel(args, row0, row1);
  if (!product.activation && (product.rows || product.range == kNoBuffer)) return;
  const Columns columns = columns_of(product, panel);
  float seen[2] = {0, 0};
  if (product.activation) {
    RowsArgs rows{.src = out + columns.begin, .dst = out + columns.begin, .length = columns.count, .stride = args.n};
    rows.range = product.range != kNoBuffer && !product.rows ? seen : nullptr;
    product.activation(rows, row0, row1);
  } else {
    for (int64_t r = row0; r < row1; ++r) range({out + r * args.n + columns.begin, &seen[0], &seen[1]}, 0, columns.count);
  }
  if (product.range != kNoBuffer && !product.rows) merge_range(context.at(product.range).values<float>().data(), seen);
}

void DynamicProductsStep::finish_rows(StepContext& context, const DynamicProduct& product, int64_t row0, int64_t row1) const {
  if (!product.rows) return;
  const auto floats = [&](BufferId id) { return id == kNoBuffer ? nullptr : context.at(id).values<float>().data(); };
  float seen[2] = {0, 0};
  RowsArgs args{.src = floats(product.out), .dst = floats(product.out), .length = product.weights->weights.n()};
  args.add = floats(product.residual);
  args.scale = floats(product.norm_scale), args.bias = floats(product.norm_bias);
  args.epsilon = product.epsilon;
  args.range = product.range == kNoBuffer ? nullptr : seen;
  product.rows(args, row0, row1);
  if (args.range) merge_range(floats(product.range), seen);
}

// Many rows are cut by rows: a piece quantizes its own and finishes them. Few rows are cut by panels, so that each weight is
// read by one thread only.
void DynamicProductsStep::run(StepContext& context) const {
  for (const DynamicProduct& product : products)
    if (product.range != kNoBuffer) std::ranges::fill(context.at(product.range).values<float>(), 0.0f);
  if (!per_row) set_tensor_grid(context);
  constexpr int64_t kLeastWork = 1 << 19;  // multiply-adds, some microseconds: less is not worth another thread
  const int64_t threads = info.macs < kLeastWork ? 1 : context.threads().count(), grain = rows_of_piece(m, threads);
  const auto block = [&](const DynamicProduct& product, int64_t panel0, int64_t panel1, int64_t row0, int64_t row1) {
    for (int64_t panel = panel0; panel < panel1; ++panel) multiply(context, product, panel, row0, row1);
  };
  if (threads == 1 || m >= threads * grain) {
    context.rows(m, grain, [&](int64_t begin, int64_t end, std::byte*) {
      for (int64_t row = begin, last = row; row < end; row = last) {  // results stay in the cache until they are finished
        last = row + rows_of_block(end - row);
        quantize_rows(context, row, last);
        for (const DynamicProduct& product : products) {
          block(product, 0, panels_of(product), row, last);
          finish_rows(context, product, row, last);
        }
      }
    });
    return;
  }
  context.rows(m, (1 << 13) / std::max<int64_t>(1, k), [&](int64_t begin, int64_t end, std::byte*) { quantize_rows(context, begin, end); });
  int64_t panels = 0;
  for (const DynamicProduct& product : products) panels += panels_of(product);
  context.rows(panels, 1, [&](int64_t panel, int64_t, std::byte*) {
    for (const DynamicProduct& product : products) {
      const int64_t count = panels_of(product);
      if (panel >= 0 && panel < count) block(product, panel, panel + 1, 0, m);
      panel -= count;
    }
  });
  for (const DynamicProduct& product : products)
    if (product.rows)
      context.rows(m, (1 << 13) / product.weights->weights.n(), [&](int64_t begin, int64_t end, std::byte*) { finish_rows(context, product, begin, end); });
}

}  // namespace bitwright
