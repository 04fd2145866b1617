// MatMul(x, W) + b = Gemm(x, W, b) for matrices and a vector b
#include "passes/match.hpp"

namespace bitwright {

Model pass_matmul_add_to_gemm(Model model, PassReport& report);
Model pass_matmul_add_to_gemm(Model model, PassReport& report) {
  Rewriter r(model);
  for (const NodeId id : r.nodes()) {
    const Node* add = r.node(id);
    if (!add || !add->is("Add") || add->inputs.size() != 2) continue;
    for (size_t i = 0; i < 2; ++i) {
      const Tensor* b = r.graph().constant(add->inputs[i]);
      const Node* matmul = b ? r.producer(add->inputs[1 - i]) : nullptr;
      if (!matmul || !matmul->is("MatMul")) continue;
      const Tensor* w = r.graph().constant(matmul->input(1));
      std::string why;
      if (!r.single_reader(matmul->output())) why = "its product has other readers";
      if (r.output_entry(matmul->output()) || r.input_entry(*add, 1 - i)) why = "its product is quantized";
      if (!w || w->rank() != 2 || rank_of(r, matmul->input(0)) != 2) why = "it is not known to multiply two matrices";
      if (why.empty() && (b->rank() != 1 || b->dim(0) != w->dim(1) || b->dtype() != w->dtype())) why = "what is added is no vector of its columns";
      if (!why.empty()) {
        report.kept.push_back(display_name(*matmul) + ": " + why);
        break;
      }
      const Node old = *matmul;
      const Site bias{id, Side::input, static_cast<uint16_t>(i)};
      const ValueId b_value = add->inputs[i];
      Node& gemm = r.add("Gemm", {old.input(0), old.input(1), b_value}, {add->output()}, old.name);
      const NodeId made = gemm.id;
      r.move_entry(bias, {made, Side::input, 2});
      for (const uint16_t k : {uint16_t{0}, uint16_t{1}}) r.move_entry({old.id, Side::input, k}, {made, Side::input, k});
      r.move_output_entry(id, made);
      report.done.push_back(display_name(old) + ": becomes a Gemm with the Add behind it");
      r.erase(old.id);
      r.erase(id);
      break;
    }
  }
  r.commit();
  return model;
}

}  // namespace bitwright
