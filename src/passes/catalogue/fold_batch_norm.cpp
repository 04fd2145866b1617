// BN(y) = f * y + s with f = gamma / sqrt(var + eps), s = beta - mean * f (algorithms.md B.15).
//   behind:  BN(W x + b) = (f W) x + (f b + s)          Conv, ConvTranspose, Gemm, MatMul, MatMul + Add
//   before:  W BN(x) + b = (W f) x + (b + W s)          Conv without padding (or s = 0), Gemm, MatMul, MatMul + Add
#include <algorithm>
#include <cmath>

#include "passes/match.hpp"

namespace bitwright {
namespace {

struct Affine {
  std::vector<double> factor, shift;  // per channel
};

std::optional<Affine> affine_of(Rewriter& r, const Node& bn, std::string& why) {
  const Tensor* p[4];
  for (size_t i = 0; i < 4; ++i) {
    p[i] = r.graph().constant(bn.input(i + 1));
    if (!p[i] || p[i]->dtype() != DType::f32 || p[i]->elements() != p[0]->elements())
      return why = "its parameters are not float32 constants of one length", std::nullopt;
  }
  if (bn.attr_int("training_mode", 0) != 0) return why = "it is in training mode", std::nullopt;
  const double epsilon = static_cast<double>(bn.attr_float("epsilon", 1e-5f));
  Affine a;
  for (int64_t c = 0; c < p[0]->elements(); ++c) {
    a.factor.push_back(value_as_double(*p[0], c) / std::sqrt(value_as_double(*p[3], c) + epsilon));
    a.shift.push_back(value_as_double(*p[1], c) - value_as_double(*p[2], c) * a.factor.back());
  }
  return a;
}

class BatchNormFolder {
 public:
  BatchNormFolder(Model& model, PassReport& report) : r_(model), report_(report) {}

  void run() {
    for (const NodeId id : r_.nodes()) {
      if (!r_.node(id)->is("BatchNormalization") || r_.node(id)->output() == ValueId::none) continue;
      const Node bn = *r_.node(id);
      std::string why;
      if (behind(bn, why) || before(bn, why)) continue;
      report_.kept.push_back(display_name(bn) + ": " + why);
    }
    r_.commit();
  }

 private:
  Rewriter r_;
  PassReport& report_;

  bool is_matrix(ValueId id) { return rank_of(r_, id) == 2; }

  bool refuse(std::string& why, std::string_view reason) const { return why = reason, false; }

  void done(const Node& bn, const Node& into) {
    report_.done.push_back(display_name(bn) + ": folded into " + display_name(into));
  }

  /// The weights of a linear node with channel c scaled by factor[c]; false with the reason.
  bool scale_weights(Node& node, const std::vector<double>& factor, int64_t axis, int64_t group, std::string& why) {
    const ValueId id = node.input(1);
    const Tensor* w = r_.graph().constant(id);
    if (!w || w->dtype() != DType::f32) return refuse(why, "the weights before it are not float32 constants");
    if (w->rank() < 2 || group < 1 || w->dim(0) % group || w->dim(axis) * group != static_cast<int64_t>(factor.size())) return refuse(why, "it has another number of channels than the operator before it");
    const Entry* entry = r_.input_entry(node, 1);
    ConstantView view{*w, entry ? *entry : Entry{}};
    if (group == 1) {
      const std::vector<float> factors(factor.begin(), factor.end());
      if (!scaled(view, static_cast<int>(axis), factors)) return refuse(why, "the weights before it are quantized and do not take its factors");
    } else {  // ConvTranspose: rows of group g make its channels g * M/G + m
      if (entry) return refuse(why, "the weights before it are quantized in groups");
      view.values = w->clone();
      const int64_t rows = w->dim(0) / group, columns = w->dim(1), inner = w->elements() / std::max<int64_t>(1, w->dim(0) * columns);
      for (int64_t i = 0; i < w->elements(); ++i) {
        const int64_t channel = i / inner % columns + i / inner / columns / rows * columns;
        view.values.values<float>()[static_cast<size_t>(i)] *= static_cast<float>(factor[static_cast<size_t>(channel)]);
      }
    }
    if (entry) r_.quantization().at[{node.id, Side::input, 1}] = view.entry;
    r_.set_input(node, 1, r_.add_constant(r_.graph().value(id).name, view.values));
    return true;
  }

  /// b' = f * b + s as a new constant; b may be left out.
  std::optional<Tensor> moved_bias(ValueId bias, const Affine& a) {
    const Tensor* b = bias == ValueId::none ? nullptr : r_.graph().constant(bias);
    const auto channels = static_cast<int64_t>(a.factor.size());
    if (bias != ValueId::none && (!b || b->dtype() != DType::f32 || b->elements() != channels || b->rank() < 1 || b->dim(-1) != channels)) return {};
    Tensor moved(DType::f32, {channels});
    for (int64_t c = 0; c < channels; ++c) {
      const auto i = static_cast<size_t>(c);
      moved.values<float>()[i] = static_cast<float>((b ? value_as_double(*b, c) * a.factor[i] : 0) + a.shift[i]);
    }
    return moved;
  }

  /// Conv, Gemm or MatMul -> (Add ->) BN
  bool behind(const Node& bn, std::string& why) {
    const Node* producer = r_.producer(bn.input(0));
    if (!producer) return refuse(why, "no operator stands before it to fold into");
    Node* linear = r_.node(producer->id);
    NodeId add = NodeId::none;
    ValueId bias = ValueId::none;
    if (linear->is("Add")) {
      for (size_t i = 0; i < 2 && linear->inputs.size() == 2; ++i)
        if (r_.graph().constant(linear->input(i)))
          if (const Node* matmul = r_.producer(linear->input(1 - i)); matmul && matmul->is("MatMul") && r_.single_reader(linear->input(1 - i)))
            add = linear->id, bias = linear->input(i), linear = r_.node(matmul->id);
    }
    const bool conv = linear->is("Conv"), transposed = linear->is("ConvTranspose"), gemm = linear->is("Gemm"), matmul = linear->is("MatMul");
    if (!conv && !transposed && !gemm && !matmul)
      return refuse(why, "it stands behind " + display_name(*linear) + ", which has no weights to fold it into");
    if (!r_.single_reader(bn.input(0))) return refuse(why, "what it normalises has other readers");
    if (r_.output_entry(bn.input(0)) || r_.has_entries(bn) != (r_.output_entry(bn.output()) != nullptr) || (add != NodeId::none && r_.has_entries(*r_.node(add))))
      return refuse(why, "what it normalises is quantized");
    const auto a = affine_of(r_, bn, why);
    if (!a) return false;
    if (matmul && (rank_of(r_, linear->input(1)) != 2 || !is_matrix(bn.input(0))))
      return refuse(why, "the product before it is not known to have two dimensions");
    if (gemm && linear->attr_float("beta", 1) != 1 && linear->input(2) != ValueId::none) return refuse(why, "the Gemm before it scales its bias");
    if (add == NodeId::none) bias = matmul ? ValueId::none : linear->input(2);
    if (!matmul && r_.input_entry(*linear, 2)) return refuse(why, "the bias before it is quantized");
    const auto moved = moved_bias(bias, *a);
    if (!moved) return refuse(why, "the bias before it is not a float32 constant with one value per channel");
    const int64_t axis = conv ? 0 : transposed ? 1 : gemm && linear->attr_int("transB", 0) ? 0 : 1;
    if (!scale_weights(*linear, a->factor, axis, transposed ? linear->attr_int("group", 1) : 1, why)) return false;

    const std::string stem = linear->name.empty() ? linear->op : linear->name;
    const ValueId fresh = r_.add_constant(stem + ".bias", *moved);
    if (matmul && add == NodeId::none) {
      done(bn, *linear);
      take_place(r_, bn.id, "Add", {bn.input(0), fresh});
      return true;
    }
    Node& last = add == NodeId::none ? *linear : *r_.node(add);
    r_.set_input(last, add == NodeId::none ? 2 : last.input(0) == bias ? 0 : 1, fresh);
    last.outputs[0] = bn.output();
    r_.move_output_entry(bn.id, last.id);
    done(bn, *linear);
    r_.erase(bn.id);
    return true;
  }

  /// What folding into the operator behind changes.
  struct Behind {
    Node* linear;
    NodeId add = NodeId::none;  // MatMul -> Add of a constant
    ValueId bias = ValueId::none;
    bool rows_are_inputs = false;  // of the weights: element (output o, input c) lies at c * outputs + o
    int64_t group = 1;
  };

  std::optional<Behind> operator_behind(const Node& bn) {
    Node* linear = r_.single_reader(bn.output());
    if (!linear || linear->input(0) != bn.output()) return {};
    const bool conv = linear->is("Conv"), gemm = linear->is("Gemm"), matmul = linear->is("MatMul");
    if (!conv && !gemm && !matmul) return {};
    Behind found{linear};
    found.rows_are_inputs = matmul || (gemm && !linear->attr_int("transB", 0));
    if (conv) found.group = std::max<int64_t>(1, linear->attr_int("group", 1));
    if (!matmul) return found.bias = linear->input(2), found;
    const Node* add = r_.single_reader(linear->output());
    const ValueId bias = add && add->is("Add") && !r_.has_entries(*add) ? other_input(*add, linear->output()) : ValueId::none;
    if (is_bias(bias, linear->input(1))) found.add = add->id, found.bias = bias;
    return found;
  }

  /// A vector with one element per column of the weights.
  bool is_bias(ValueId id, ValueId weights) {
    const Tensor* b = id == ValueId::none ? nullptr : r_.graph().constant(id);
    const Tensor* w = r_.graph().constant(weights);
    return b && w && w->rank() == 2 && b->dtype() == DType::f32 && b->rank() == 1 && b->dim(0) == w->dim(1);
  }

  /// Why the operator behind takes no batch norm; empty: it does.
  std::string_view obstacle(const Behind& to, const Affine& a) {
    const Node& linear = *to.linear;
    const auto pads = linear.attr_ints("pads");
    const std::string auto_pad = linear.attr_string("auto_pad", "NOTSET");
    const bool padded = std::any_of(pads.begin(), pads.end(), [](int64_t p) { return p != 0; }) || (auto_pad != "NOTSET" && auto_pad != "VALID");
    if (linear.is("Conv") && padded && shifts(a)) return "the Conv behind it pads with zeros, which its shift would change";
    const Tensor* w = r_.graph().constant(linear.input(1));
    const Tensor* b = to.bias == ValueId::none ? nullptr : r_.graph().constant(to.bias);
    if (!w || w->dtype() != DType::f32 || w->rank() < 2 || (to.bias != ValueId::none && (!b || b->dtype() != DType::f32 || b->rank() != 1)))
      return "weights or bias behind it are not float32 constants";
    if (linear.is("Gemm") && (linear.attr_int("transA", 0) || linear.attr_float("alpha", 1) != 1 || linear.attr_float("beta", 1) != 1))
      return "the Gemm behind it is transposed or scaled";
    if (linear.is("MatMul") && (w->rank() != 2 || !is_matrix(linear.input(0))))
      return "the product behind it is not known to have two dimensions";
    const int64_t outputs = w->dim(to.rows_are_inputs ? 1 : 0), inputs = w->dim(to.rows_are_inputs ? 0 : 1);
    if (inputs * to.group != std::ssize(a.factor) || (b && b->elements() != outputs) || outputs % to.group)
      return "it has another number of channels than the operator behind it";
    return {};
  }

  static bool shifts(const Affine& a) {
    return std::any_of(a.shift.begin(), a.shift.end(), [](double s) { return s != 0; });
  }

  /// W f and b + W s.
  std::pair<Tensor, Tensor> folded(const Behind& to, const Affine& a) {
    const Tensor& w = *r_.graph().constant(to.linear->input(1));
    const Tensor* b = to.bias == ValueId::none ? nullptr : r_.graph().constant(to.bias);
    const int64_t outputs = w.dim(to.rows_are_inputs ? 1 : 0), inputs = w.dim(to.rows_are_inputs ? 0 : 1);
    const int64_t inner = outputs * inputs > 0 ? w.elements() / (outputs * inputs) : 0;
    Tensor weights = w.clone(), bias(DType::f32, {outputs});
    for (int64_t o = 0; o < outputs; ++o) {
      double sum = b ? value_as_double(*b, o) : 0;
      for (int64_t c = 0; c < inputs; ++c) {
        const auto channel = static_cast<size_t>(o / (outputs / to.group) * inputs + c);
        for (int64_t k = 0; k < inner; ++k) {
          float& v = weights.values<float>()[static_cast<size_t>((to.rows_are_inputs ? c * outputs + o : o * inputs + c) * inner + k)];
          sum += static_cast<double>(v) * a.shift[channel];
          v = static_cast<float>(static_cast<double>(v) * a.factor[channel]);
        }
      }
      bias.values<float>()[static_cast<size_t>(o)] = static_cast<float>(sum);
    }
    return {weights, bias};
  }

  /// BN -> Conv, Gemm or MatMul (-> Add)
  bool before(const Node& bn, std::string& why) {
    const auto to = operator_behind(bn);
    if (!to) return false;
    Node& linear = *to->linear;
    if (r_.has_entries(bn) || r_.has_entries(linear)) return refuse(why, "the operator behind it is quantized");
    const auto a = affine_of(r_, bn, why);
    if (!a) return false;
    if (const auto reason = obstacle(*to, *a); !reason.empty()) return refuse(why, reason);
    const auto [weights, bias] = folded(*to, *a);
    done(bn, linear);
    r_.set_input(linear, 1, r_.add_constant(r_.graph().value(linear.input(1)).name, weights));
    r_.set_input(linear, 0, bn.input(0));
    r_.erase(bn.id);
    if (!linear.is("MatMul") || to->add != NodeId::none || shifts(*a)) set_bias(*to, bias);
    return true;
  }

  void set_bias(const Behind& to, const Tensor& bias) {
    Node& linear = *to.linear;
    const ValueId fresh = r_.add_constant((linear.name.empty() ? linear.op : linear.name) + ".bias", bias);
    if (!linear.is("MatMul")) return r_.set_input(linear, 2, fresh);
    if (to.add != NodeId::none) {
      Node& add = *r_.node(to.add);
      return r_.set_input(add, add.input(0) == to.bias ? 0 : 1, fresh);
    }
    const ValueId result = linear.output();
    linear.outputs[0] = r_.add_value(r_.graph().value(result).name + "_product", DType::f32);
    r_.add("Add", {linear.outputs[0], fresh}, {result}, linear.name.empty() ? "" : linear.name + ".add");
  }
};

}  // namespace

Model pass_fold_batch_norm(Model model, PassReport& report);
Model pass_fold_batch_norm(Model model, PassReport& report) {
  BatchNormFolder(model, report).run();
  return model;
}

}  // namespace bitwright
