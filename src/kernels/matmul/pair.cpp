#include "kernels/matmul/pair.hpp"

#include <algorithm>

#include "kernels/dot/dot.hpp"
#include "kernels/dot/panel.hpp"
#include "kernels/select.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRows = 48, kWidest = 64, kVector = 16;

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

// With w = qb - 128, a signed byte as the dot kernels want it, and z = zb - 128:
//   sum (qa - za)(w - z) = sum qa w - za sum w + k za z - z sum qa
// The second and third term are the kernels' `offset` of a column; the last is their product of a row's `zero`, here the
// row's sum of codes, and a column's `sum`, here z for all of them.
struct Packed {
  int8_t* bytes;    // panels of 64 columns, the last one narrower: [k4][width][4]
  int32_t* offset;  // [n rounded up]
  int32_t* sum;
};

Packed carve(void* memory, int64_t n, int64_t k) {
  auto* bytes = static_cast<int8_t*>(memory);
  const int64_t columns = round_up(n, kWidest);
  auto* offset = reinterpret_cast<int32_t*>(bytes + round_up(k, 4) * columns);
  return {bytes, offset, offset + columns};
}

PackedPanel panel_at(const PairArgs& args, int64_t column) {
  const int64_t columns = std::min(kWidest, args.n - column);
  return {column * round_up(args.k, 4), column, static_cast<int32_t>(round_up(columns, kVector)),
          static_cast<int32_t>(columns), false};
}

/// A panel's columns of b, zeros beside and below them.
void pack_panel(const PairArgs& args, const PackedPanel& panel, int8_t* out) {
  const auto* b = static_cast<const uint8_t*>(args.b) + panel.column;
  const int64_t width = panel.width;
  for (int64_t k = 0; k < round_up(args.k, 4); ++k) {
    int8_t* to = out + k / 4 * width * 4 + k % 4;
    const int64_t columns = k < args.k ? panel.columns : 0;
    for (int64_t c = 0; c < columns; ++c) to[4 * c] = static_cast<int8_t>(b[k * args.n + c] - 128);
    for (int64_t c = columns; c < width; ++c) to[4 * c] = 0;
  }
}

void pack(const PairArgs& args, const Packed& packed) {
  const int32_t z = args.b_zero - 128;
  const auto start = static_cast<uint32_t>(args.k * args.a_zero * z);  // sums are modulo 2^32
  std::fill_n(packed.offset, round_up(args.n, kWidest), static_cast<int32_t>(start));
  std::fill_n(packed.sum, round_up(args.n, kWidest), z);
  const auto* b = static_cast<const uint8_t*>(args.b);
  for (int64_t k = 0; k < args.k; ++k)
    for (int64_t c = 0; c < args.n; ++c)
      packed.offset[c] = static_cast<int32_t>(static_cast<uint32_t>(packed.offset[c]) -
                                              static_cast<uint32_t>(args.a_zero * (b[k * args.n + c] - 128)));
  for (int64_t c = 0; c < args.n; c += kWidest) {
    const PackedPanel panel = panel_at(args, c);
    pack_panel(args, panel, packed.bytes + panel.at);
  }
}

int32_t row_sum(const uint8_t* a, int64_t k) {
  uint32_t sum = 0;
  for (int64_t i = 0; i < k; ++i) sum += a[i];
  return static_cast<int32_t>(sum);
}

void run(const PairArgs& args, DotKernel dot) {
  const Packed packed = carve(args.scratch, args.n, args.k);
  pack(args, packed);
  const uint8_t* pointers[kRows];
  int32_t sums[kRows];
  DotArgs d = dot_args(1, args.k, args.out);
  d.a = pointers;
  d.zero = sums;
  d.zero_stride = 1;
  for (int64_t row = 0; row < args.m; row += kRows) {
    d.rows = std::min(kRows, args.m - row);
    for (int64_t r = 0; r < d.rows; ++r) {
      pointers[r] = static_cast<const uint8_t*>(args.a) + (row + r) * args.k;
      sums[r] = row_sum(pointers[r], args.k);
    }
    for (int64_t c = 0; c < args.n; c += kWidest) {
      set_panel(d, {packed.bytes, packed.offset, packed.sum}, panel_at(args, c), args.out, row);
      dot(d);
    }
  }
}

#define BW_MATMUL_REF(isa, name)
#define BW_MATMUL(isa, name, dot) \
  void pair_##dot(const PairArgs& args) noexcept { run(args, dot); }
#include "kernels/matmul/kernels.inc"
#undef BW_MATMUL
#undef BW_MATMUL_REF

const char* refuses(const PairRow& row, const PairProblem& p, Isa cap) {
  if (const char* why = isa_refuses(row.isa, cap)) return why;
  if (!row.packs) return nullptr;
  if (p.b_type != DType::u8) return "the second operand is not u8";
  return dot_refuses(p.a_type, DType::i8, p.out_type, false, p.fits_int32);
}

}  // namespace

int64_t pair_scratch_bytes(int64_t n, int64_t k) {
  const int64_t columns = round_up(n, kWidest);
  return round_up(k, 4) * columns + 2 * columns * static_cast<int64_t>(sizeof(int32_t));
}

const std::vector<PairRow>& pair_kernels() {
#define BW_MATMUL_REF(isa, name) {"pair_ref", Isa::isa, false, pair_ref},
#define BW_MATMUL(isa, name, dot) {"pair_" #dot, Isa::isa, true, pair_##dot},
  static const std::vector<PairRow> rows = {
#include "kernels/matmul/kernels.inc"
  };
#undef BW_MATMUL
#undef BW_MATMUL_REF
  return rows;
}

PairChoice select_pair(const PairProblem& problem, Isa cap) {
  PairChoice choice;
  choice.row = select_row(pair_kernels(), choice.refused, [&](const PairRow& row) { return refuses(row, problem, cap); });
  return choice;
}

}  // namespace bitwright
