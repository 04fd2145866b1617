// Einsum: sums of products over named axes. Labels are letters, '...' stands for broadcast axes; without '->' the result
// has the labels that occur once, in alphabetical order. Two operands are brought to batches of matrix products.
#include <algorithm>
#include <array>

#include "ops/gemm.hpp"
#include "ops/real.hpp"

namespace bitwright {
namespace {

// Labels are letters; the axes that '...' covers get labels 1, 2, ... counted so that the last one is the highest.
using Labels = std::string;
using Extents = std::array<int64_t, 128>;

struct Equation {
  std::vector<Labels> operands;
  Labels result;
  Extents extent{};  // 0: label not in use
};

constexpr char kEllipsisEnd = 32;  // labels of '...' are kEllipsisEnd - covered ... kEllipsisEnd - 1

Labels expand(const OpContext& c, std::string_view term, int64_t covered) {
  Labels labels;
  for (size_t i = 0; i < term.size(); ++i) {
    const char letter = term[i];
    if (term.substr(i, 3) == "...") {
      for (int64_t k = covered; k > 0; --k) labels += static_cast<char>(kEllipsisEnd - k);
      i += 2;
    } else if ((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) {
      labels += letter;
    } else {
      c.malformed(str("the equation holds '", letter, "'"));
    }
  }
  return labels;
}

int64_t covered_axes(std::string_view term, int64_t rank) {
  return term.find("...") == term.npos ? 0 : rank - (std::ssize(term) - 3);
}

void add_extents(const OpContext& c, Equation& e, const Labels& labels, const Shape& shape) {
  if (labels.size() != shape.size())
    c.malformed(str("a term of the equation has ", labels.size(), " axes, its operand the shape ", to_string(shape)));
  for (size_t d = 0; d < labels.size(); ++d) {
    int64_t& extent = e.extent[static_cast<size_t>(labels[d])];
    if (extent > 1 && shape[d] != 1 && shape[d] != extent)
      c.malformed(str("an axis of the equation is ", extent, " and ", shape[d]));
    if (extent == 0 || extent == 1) extent = shape[d];
  }
}

Labels implicit_result(const Equation& e) {
  std::string all;
  for (const Labels& labels : e.operands) all += labels;
  Labels result;
  for (char label = 1; label < 127; ++label) {
    const auto count = std::count(all.begin(), all.end(), label);
    if (count == 1 || (count > 1 && label < kEllipsisEnd)) result += label;
  }
  return result;
}

Equation read_equation(const OpContext& c) {
  std::string text = c.node().attr_string("equation", "");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  const auto terms = split(text.substr(0, arrow), ',');
  if (terms.size() != c.input_count())
    c.malformed(str("the equation has ", terms.size(), " terms for ", c.input_count(), " operands"));
  Equation e;
  int64_t covered = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const int64_t here = covered_axes(terms[i], c.input(i).rank());
    if (here < 0 || here >= kEllipsisEnd) c.malformed("the equation has more labels than an operand has axes");
    covered = std::max(covered, here);
    e.operands.push_back(expand(c, terms[i], here));
    add_extents(c, e, e.operands.back(), c.input(i).shape());
  }
  e.result = arrow == text.npos ? implicit_result(e) : expand(c, std::string_view(text).substr(arrow + 2), covered);
  for (const char label : e.result)
    if (std::none_of(e.operands.begin(), e.operands.end(), [&](const Labels& l) { return l.find(label) != l.npos; }))
      c.malformed(str("the result's axis '", label, "' is in no operand"));
  return e;
}

// Stride of `label` inside an operand: repeated labels (a diagonal) add up, broadcast axes have stride 0.
int64_t stride_of(const Labels& labels, const Shape& shape, char label) {
  const Shape strides = strides_of(shape);
  int64_t stride = 0;
  for (size_t d = 0; d < labels.size(); ++d)
    if (labels[d] == label && shape[d] != 1) stride += strides[d];
  return stride;
}

struct Walk {  // nested loops over labels with one stride per operand
  std::vector<int64_t> extents;
  std::vector<std::vector<int64_t>> strides;  // [operand][label]

  Walk(const Equation& e, const Labels& labels, std::span<const Shape> shapes) : strides(shapes.size()) {
    for (const char label : labels) {
      extents.push_back(e.extent[static_cast<size_t>(label)]);
      for (size_t i = 0; i < shapes.size(); ++i) strides[i].push_back(stride_of(e.operands[i], shapes[i], label));
    }
  }
  int64_t count() const { return elements_of(extents); }
  int64_t offset(size_t operand, int64_t flat) const {
    int64_t at = 0;
    for (size_t d = extents.size(); d-- > 0; flat /= extents[d]) at += flat % extents[d] * strides[operand][d];
    return at;
  }
};

// Result [result labels] of one, three or more operands: the plain sum of products.
void sum_products(OpContext& c, const std::vector<Tensor>& in, const Walk& kept, const Walk& summed, float* y) {
  c.parallel(kept.count(), 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float sum = 0;
      for (int64_t k = 0; k < summed.count(); ++k) {
        float product = 1;
        for (size_t o = 0; o < in.size(); ++o)
          product *= in[o].values<float>()[static_cast<size_t>(kept.offset(o, i) + summed.offset(o, k))];
        sum += product;
      }
      y[i] = sum;
    }
  });
}

// Two operands: labels fall into batch (both and the result), rows (first), columns (second), and summed ones.
void multiply_pair(OpContext& c, const Equation& e, std::span<const Shape> shapes, const std::vector<Tensor>& in,
                   const Walk& summed, float* y) {
  Labels batch, rows, cols;
  for (const char label : e.result) {
    const bool a = stride_of(e.operands[0], shapes[0], label) != 0, b = stride_of(e.operands[1], shapes[1], label) != 0;
    (a && !b ? rows : b && !a ? cols : batch) += label;
  }
  const Walk walk_batch(e, batch, shapes), walk_rows(e, rows, shapes), walk_cols(e, cols, shapes);
  const int64_t m = walk_rows.count(), n = walk_cols.count(), k = summed.count();
  const float *a = in[0].values<float>().data(), *b = in[1].values<float>().data();
  std::vector<float> left(static_cast<size_t>(m * k)), right(static_cast<size_t>(k * n)), product(static_cast<size_t>(m * n));
  const Shape out_shape = [&] {
    Shape s;
    for (const char label : e.result) s.push_back(e.extent[static_cast<size_t>(label)]);
    return s;
  }();
  Equation target = e;
  target.operands = {e.result};
  const Shape targets[] = {out_shape};
  const Walk to_batch(target, batch, targets), to_rows(target, rows, targets), to_cols(target, cols, targets);
  for (int64_t i = 0; i < walk_batch.count(); ++i) {
    const int64_t at_a = walk_batch.offset(0, i), at_b = walk_batch.offset(1, i);
    for (int64_t p = 0; p < k; ++p) {
      const int64_t pa = at_a + summed.offset(0, p), pb = at_b + summed.offset(1, p);
      for (int64_t r = 0; r < m; ++r) left[static_cast<size_t>(r * k + p)] = a[pa + walk_rows.offset(0, r)];
      for (int64_t q = 0; q < n; ++q) right[static_cast<size_t>(p * n + q)] = b[pb + walk_cols.offset(1, q)];
    }
    gemm(c, pack_rows(left.data(), m, k, k, 1), n, pack_from(right.data(), k, n, 1), product.data(), n);
    for (int64_t r = 0; r < m; ++r)
      for (int64_t q = 0; q < n; ++q)
        y[to_batch.offset(0, i) + to_rows.offset(0, r) + to_cols.offset(0, q)] = product[static_cast<size_t>(r * n + q)];
  }
}

void run_einsum(OpContext& c) {
  const Equation e = read_equation(c);
  Shape shape;
  Labels summed_labels;
  for (const char label : e.result) shape.push_back(e.extent[static_cast<size_t>(label)]);
  for (char label = 1; label < 127; ++label) {
    const bool used = std::any_of(e.operands.begin(), e.operands.end(), [&](auto& l) { return l.find(label) != l.npos; });
    if (used && e.result.find(label) == e.result.npos) summed_labels += label;
  }
  const bool integers = is_integer(c.input(0).dtype());
  RealOutput y(c, 0, integers ? c.input(0).dtype() : real_type(c, 0), shape);
  if (c.shape_only() || y.elements() == 0) return;
  std::vector<Tensor> in;
  std::vector<Shape> shapes;
  for (size_t i = 0; i < c.input_count(); ++i) {
    in.push_back(to_f32(c.data(i)));
    shapes.push_back(in.back().shape());
  }
  const Walk summed(e, summed_labels, shapes);
  if (in.size() == 2) {
    multiply_pair(c, e, shapes, in, summed, y.data());
  } else {
    sum_products(c, in, Walk(e, e.result, shapes), summed, y.data());
  }
  y.finish();
}

const Op kOps[] = {{.name = "Einsum", .max_inputs = -1, .since = 12, .run = run_einsum}};

}  // namespace

std::span<const Op> ops_einsum() { return kOps; }

}  // namespace bitwright
