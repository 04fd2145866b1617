#include "runtime/weights.hpp"

#include <algorithm>

#include "core/spill.hpp"
#include "runtime/followers.hpp"

namespace bitwright {
namespace {

Tensor row_major(const WeightCodes& w, int64_t k, int64_t n) {
  if (w.first == 0 && w.k_stride == n && w.column_stride == 1 && w.codes.elements() == k * n) return w.codes;
  Tensor rows(w.codes.dtype(), {k, n});
  auto copy = [&]<class T>(T*) {
    const T* from = w.codes.values<T>().data() + w.first;
    T* to = rows.values<T>().data();
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < n; ++j) to[i * n + j] = from[i * w.k_stride + j * w.column_stride];
  };
  w.codes.dtype() == DType::i8 ? copy(static_cast<int8_t*>(nullptr)) : copy(static_cast<int16_t*>(nullptr));
  return rows;
}

}  // namespace

std::vector<Reach> reach_of(const WeightCodes& w, int64_t k, int64_t columns, SrcCodes src) {
  const auto sums = [&]<class T>(T*) {
    return signed_sums(w.codes.values<T>().data() + w.first, k, columns, w.k_stride, w.column_stride, w.zero.empty() ? nullptr : w.zero.data());
  };
  const auto all = w.codes.dtype() == DType::i8 ? sums(static_cast<int8_t*>(nullptr)) : sums(static_cast<int16_t*>(nullptr));
  std::vector<Reach> reach;
  reach.reserve(all.size());
  for (size_t c = 0; c < all.size(); ++c) reach.push_back(bitwright::reach_of(src, w.bias.empty() ? 0 : w.bias[c], all[c]));
  return reach;
}

std::vector<std::string> lines(const std::vector<Refusal>& refused) {
  std::vector<std::string> made;
  for (const Refusal& refusal : refused) made.push_back(str(refusal.kernel, ": ", refusal.reason));
  return made;
}

std::string matmul_problem(int64_t m, int64_t k, int64_t n, DType out_type) {
  return str("product ", m, "x", k, "x", n, " to ", name_of(out_type));
}

MatMulWeights::MatMulWeights(const WeightCodes& w, int64_t k, int64_t n, SrcCodes src, DType src_type, DType out_type, const KernelWish& wish)
    : k_(k), n_(n), reach_(reach_of(w, k, n, src)) {
  const bool has_zero = std::any_of(w.zero.begin(), w.zero.end(), [](int32_t z) { return z != 0; });
  const bool fits = fits_int32(reach_);
  const MatMulChoice choice = select_matmul(
      {.a_type = src_type, .b_type = w.codes.dtype(), .out_type = out_type, .b_zero = has_zero, .fits_int32 = fits}, wish.isa, wish.name);
  row_ = choice.row;
  refused_ = lines(choice.refused);
  others_ = choice.others;
  if (row_->packed) {
    packed_ = pack_matmul(k, n, w.codes.values<int8_t>().data() + w.first, w.k_stride, w.column_stride,
                          w.bias.empty() ? nullptr : w.bias.data(), src);
    packed_.reach = std::vector<Reach>();
    forget_pages(w.codes);
    return;
  }
  rows_ = row_major(w, k, n);
  bias_.assign(w.bias.begin(), w.bias.end());
  if (has_zero) zero_.assign(w.zero.begin(), w.zero.end());
  wide_ = !fits;
}

void set_panels(ProductSize& size, const PackedWeights& packed) {
  if (packed.panels.empty()) return;
  size.panels = std::ssize(packed.panels);
  size.unit = packed.panels.front().width == 64 ? 6 : 8;
  if (packed.groups == 1) size.last = packed.panels.back().width;
}

MatMulArgs MatMulWeights::args(int64_t m) const {
  MatMulArgs args;
  args.m = m, args.n = n_, args.k = k_;
  args.a_stride = k_;
  if (row_->packed) {
    args.packed = &packed_;
    return args;
  }
  args.b = rows_.raw();
  args.b_type = rows_.dtype();
  args.b_zero = zero_.empty() ? nullptr : zero_.data();
  args.bias = bias_.empty() ? nullptr : bias_.data();
  args.wide = wide_;
  return args;
}

void MatMulWeights::multiply(StepContext& context, const MatMulArgs& args) const { multiply(context, args, {}); }

void MatMulWeights::multiply(StepContext& context, const MatMulArgs& args, const Followers& followers) const {
  ProductSize size{args.m, 1, args.m * n_ * k_, n_ * k_, args.m * k_};
  if (args.packed) set_panels(size, packed_);
  context.pieces(size, [&](const Piece& piece, std::byte*) {
    MatMulArgs mine = args;
    mine.panels = {piece.panel0, piece.panel1};
    const ColumnRange columns = args.packed ? columns_of(packed_, mine.panels) : ColumnRange{0, n_};
    followers.along(context, args.out, n_, piece, columns, Followers::rows_together(n_), [&](int64_t row0, int64_t row1) {
      row_->kernel(mine, row0, row1);
    });
  });
}

}  // namespace bitwright
