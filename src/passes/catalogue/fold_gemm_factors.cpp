// alpha A B + beta C = A (alpha B) + (beta C) for constants B and C: a Gemm without factors has an integer form; one number
// C is given once per output
#include <algorithm>

#include "passes/match.hpp"

namespace bitwright {
namespace {

class FactorFolder {
 public:
  FactorFolder(Model& model, PassReport& report) : r_(model), report_(report) {}

  void run() {
    for (const NodeId id : r_.nodes()) {
      if (!r_.node(id)->is("Gemm")) continue;
      if (r_.node(id)->input(2) == ValueId::none) r_.node(id)->attributes.erase("beta");  // of nothing
      fold(*r_.node(id), "alpha", 1);
      fold(*r_.node(id), "beta", 2);
      spread_bias(*r_.node(id));
    }
    r_.commit();
  }

 private:
  Rewriter r_;
  PassReport& report_;

  void fold(Node& node, const std::string& key, uint16_t input) {
    const float factor = node.attr_float(key, 1);
    if (factor == 1) return void(node.attributes.erase(key));
    const std::string why = refusal(node, input, factor);
    auto& lines = why.empty() ? report_.done : report_.kept;
    lines.push_back(str(display_name(node), ": its ", key, " ", factor, why.empty() ? " is folded into input " : " stays: input ", input, why));
    if (why.empty()) node.attributes.erase(key);
  }

  void spread_bias(Node& node) {
    const ValueId id = node.input(2);
    const Tensor* bias = id == ValueId::none ? nullptr : r_.graph().constant(id);
    const Tensor* w = r_.graph().constant(node.input(1));
    if (!bias || !w || w->rank() != 2 || bias->dtype() != DType::f32 || bias->elements() != 1 || r_.input_entry(node, 2)) return;
    const int64_t outputs = w->dim(node.attr_int("transB", 0) ? 0 : 1);
    if (bias->rank() == 1 && outputs == 1) return;
    Tensor all(DType::f32, {outputs});
    std::fill_n(all.values<float>().data(), outputs, bias->values<float>()[0]);
    r_.set_input(node, 2, r_.add_constant(r_.graph().value(id).name, all));
    report_.done.push_back(str(display_name(node), ": its bias, one number, is given once per output"));
  }

  /// Scales the constant at `input`, with its codes' grid; or says what forbids it.
  std::string refusal(Node& node, uint16_t input, float factor) {
    const ValueId id = node.input(input);
    const Tensor* constant = id == ValueId::none ? nullptr : r_.graph().constant(id);
    if (!constant || constant->dtype() != DType::f32) return " is no float32 constant";
    const Entry* entry = r_.input_entry(node, input);
    ConstantView view{*constant, entry ? *entry : Entry{}};
    if (!scaled(view, factor)) return " is quantized and does not take it";
    if (entry && view.entry.when == When::derived) view.entry.when = When::statically;  // sx * sw no more
    if (entry) r_.quantization().at[{node.id, Side::input, input}] = view.entry;
    r_.set_input(node, input, r_.add_constant(r_.graph().value(id).name, view.values));
    return {};
  }
};

}  // namespace

Model pass_fold_gemm_factors(Model model, PassReport& report);
Model pass_fold_gemm_factors(Model model, PassReport& report) {
  FactorFolder(model, report).run();
  return model;
}

}  // namespace bitwright
