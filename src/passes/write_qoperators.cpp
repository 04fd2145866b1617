// Q/DQ around operators becomes operators on codes, where ONNX Runtime has them.
#include <algorithm>

#include "ops/op.hpp"
#include "passes/qoperators.hpp"

namespace bitwright {
namespace {

/// A value behind a DequantizeLinear.
struct Operand {
  ValueId codes, scale, zero;
  Grid grid;
};

/// What stands between an operator and the codes of its result.
struct Result {
  NodeId clamp = NodeId::none, quantize = NodeId::none;
  ValueId codes = ValueId::none, scale = ValueId::none, zero = ValueId::none;
  Grid grid;
};

class Writer {
 public:
  Writer(Model& model, NodeNames& names) : model_(model), names_(names), r_(model) {}

  void run() {
    for (const NodeId id : r_.nodes()) {
      const Node* node = r_.node(id);
      if (!node || !node->domain.empty() || node->outputs.empty()) continue;
      const auto rows = qoperators();
      const auto row = std::find_if(rows.begin(), rows.end(), [&](const QOperator& q) { return q.op == node->op && q.in_ort; });
      if (row != rows.end()) {
        write(*node, *row);
      } else if (moves_data(*node) && moves_codes(*node)) {
        move(*node);
      }
    }
    drop_unread();
    r_.commit();
  }

 private:
  Model& model_;
  NodeNames& names_;
  Rewriter r_;

  const Tensor* constant(ValueId id) { return r_.graph().constant(id); }

  std::optional<Operand> operand(ValueId value) {
    const Node* dq = r_.producer(value);
    if (!dq || !is_dequantize(*dq) || !r_.graph().has_value(dq->input(0))) return {};
    std::string unused;
    const auto grid = grid_of(r_.graph(), *dq, r_.graph().value(dq->input(0)).dtype, &unused);
    if (!grid) return {};
    return Operand{dq->input(0), dq->input(1), dq->input(2), *grid};
  }

  /// The Q that alone reads `value`, perhaps behind a clamp that its limits make superfluous.
  std::optional<Result> result(ValueId value) {
    Result found;
    const Node* reader = r_.single_reader(value);
    if (reader && (reader->is("Relu") || reader->is("Clip")) && reader->input(0) == value) {
      found.clamp = reader->id;
      reader = r_.single_reader(reader->output());
    }
    if (!reader || !is_quantize(*reader)) return {};
    std::string unused;
    const auto grid = grid_of(r_.graph(), *reader, DType::none, &unused);
    if (!grid || grid->layout.kind != Layout::tensor || !is_eight_bits(*grid)) return {};
    found.quantize = reader->id;
    found.codes = reader->output(), found.scale = reader->input(1), found.zero = reader->input(2);
    found.grid = *grid;
    if (found.clamp != NodeId::none && !is_superfluous(*r_.node(found.clamp), *grid)) return {};
    return found;
  }

  static bool is_eight_bits(const Grid& grid) { return grid.format->is_integer && bits_of(grid.format->file) == 8; }

  /// Quantizing is monotone, so Q(clamp(x)) = Q(x) for all x exactly if the limits become the outermost codes.
  bool is_superfluous(const Node& clamp, const Grid& grid) {
    std::optional<float> limits[2];
    if (clamp.is("Relu")) limits[0] = 0.0f;
    for (size_t i = 0; i < 2 && clamp.is("Clip"); ++i) {
      if (clamp.input(i + 1) == ValueId::none) continue;
      const Tensor* limit = constant(clamp.input(i + 1));
      if (!limit || limit->dtype() != DType::f32 || limit->elements() != 1) return false;
      limits[i] = limit->values<float>()[0];
    }
    for (size_t i = 0; i < 2; ++i)
      if (limits[i] && value_as_int(quantize(Tensor::scalar(*limits[i]), grid), 0) != (i == 0 ? grid.qmin : grid.qmax)) return false;
    return true;
  }

  /// Zero points must be written; in weights one per channel must all be equal.
  ValueId zero_point(const Operand& o, bool weights) {
    if (o.zero != ValueId::none) return o.zero;
    const Shape shape = weights ? o.grid.scale.shape() : Shape();
    const std::vector<int32_t> zeros(static_cast<size_t>(elements_of(shape)));
    return r_.add_constant(r_.graph().value(o.codes).name + "_zero_point", zero_tensor(*o.grid.format, shape, zeros));
  }

  static bool is_uniform(const Tensor& zero) {
    const auto zeros = zero.empty() ? std::vector<int64_t>() : values_as_int(zero);
    return std::adjacent_find(zeros.begin(), zeros.end(), std::not_equal_to<>()) == zeros.end();
  }

  bool fits_weights(const Node& node, const Grid& grid) const {
    if (grid.layout.kind == Layout::tensor) return true;
    const int64_t wanted = node.is("Conv") ? 0 : node.is("Gemm") ? 1 - node.attr_int("transB", 0) : 1;
    const int64_t rank = node.is("Conv") ? 0 : 2;  // only matrices have a last axis with a meaning of its own
    const int64_t axis = grid.layout.axis < 0 ? grid.layout.axis + rank : grid.layout.axis;
    return grid.layout.kind == Layout::channel && axis == wanted && is_uniform(grid.zero);
  }

  /// All 8-bit, of one type; signed activations want signed weights.
  static bool fits_types(std::span<const Operand> operands, std::span<const bool> weights, const Result* result) {
    const Format* type = nullptr;
    for (size_t i = 0; i < operands.size(); ++i) {
      if (!is_eight_bits(operands[i].grid)) return false;
      if (weights[i]) continue;
      if (operands[i].grid.layout.kind != Layout::tensor || (type && type != operands[i].grid.format)) return false;
      type = operands[i].grid.format;
    }
    if (!type || (result && result->grid.format != type)) return false;
    for (size_t i = 0; i < operands.size(); ++i)
      if (weights[i] && type->is_signed && !operands[i].grid.format->is_signed) return false;
    return true;
  }

  /// int32 codes whose scale is fl32(sx * sw), without zero point.
  std::optional<ValueId> bias(ValueId value, const Operand& x, const Operand& w) {
    if (value == ValueId::none) return ValueId::none;
    const auto b = operand(value);
    if (!b || b->grid.format->name != "int32" || !constant(b->codes)) return {};
    for (const int64_t z : b->grid.zero.empty() ? std::vector<int64_t>() : values_as_int(b->grid.zero))
      if (z != 0) return {};
    const Tensor& scale = b->grid.scale;
    if (scale.elements() != w.grid.scale.elements()) return {};
    for (size_t i = 0; i < static_cast<size_t>(scale.elements()); ++i)
      if (scale.values<float>()[i] != x.grid.scale.values<float>()[0] * w.grid.scale.values<float>()[i]) return {};
    return b->codes;
  }

  /// The attributes on codes; nothing if the node has one that is lost there.
  std::optional<std::map<std::string, Attribute>> attributes(Node& node, const QOperator& row) {
    if (node.is("Gemm") && (node.attr_float("beta", 1) != 1 || node.attr_float("alpha", 1) != 1)) return {};
    node.attributes.erase("beta");
    const auto known = split(std::string(row.attributes), ' ');
    for (const auto& [key, value] : node.attributes)
      if (std::find(known.begin(), known.end(), key) == known.end()) return {};
    auto result = node.attributes;
    if (row.name == "QLinearSoftmax") result["opset"] = int64_t{row.opset};
    return result;
  }

  void write(Node node, const QOperator& row) {
    const auto kept = attributes(node, row);
    const bool may_be_float = row.inputs.back() == 'Y';
    const auto end = result(node.output());
    if (!kept || node.outputs.size() != 1 || (!end && !may_be_float)) return;

    std::vector<Operand> operands;
    std::vector<bool> weights;
    for (size_t i = 0, at = 0; i < row.inputs.size(); ++i) {
      const char letter = row.inputs[i];
      if (letter == 'c') ++at;
      if (letter != 'x' && letter != 'w') continue;
      const bool many = i + 1 < row.inputs.size() && row.inputs[i + 1] == '*';
      do {
        const auto o = operand(node.input(at++));
        if (!o || (letter == 'w' && !fits_weights(node, o->grid))) return;
        operands.push_back(*o), weights.push_back(letter == 'w');
      } while (many && at < node.inputs.size());
    }
    const std::unique_ptr<bool[]> flags(new bool[weights.size()]);
    std::copy(weights.begin(), weights.end(), flags.get());
    if (!fits_types(operands, {flags.get(), weights.size()}, end ? &*end : nullptr)) return;
    std::optional<ValueId> b = ValueId::none;
    if (row.inputs.find('b') != std::string_view::npos) b = bias(node.input(2), operands[0], operands[1]);
    if (!b) return;
    replace(node, row, operands, weights, *b, end, *kept);
  }

  void replace(const Node& node, const QOperator& row, const std::vector<Operand>& operands, const std::vector<bool>& weights,
               ValueId bias, const std::optional<Result>& end, const std::map<std::string, Attribute>& kept) {
    std::vector<ValueId> inputs;
    size_t next = 0;
    for (const char letter : row.inputs) {
      if (letter == 'c') inputs.push_back(node.input(0));
      if (letter == 'b') inputs.push_back(bias);
      if ((letter == 'y' || letter == 'Y') && end) inputs.insert(inputs.end(), {end->scale, end->zero});
      const size_t count = letter == 'x' || letter == 'w' ? 1 : letter == '*' ? operands.size() - next : 0;
      for (size_t i = 0; i < count; ++i, ++next) {
        const Operand& o = operands[next];
        inputs.insert(inputs.end(), {o.codes, o.scale, zero_point(o, weights[next])});
      }
    }
    while (inputs.back() == ValueId::none) inputs.pop_back();
    std::string name = node.name;
    if (end && end->clamp != NodeId::none) {
      if (name.empty()) name = names_.unique(r_.graph().value(node.output()).name + "_" + node.op);
      note_clamp(name, node.output(), *r_.node(end->clamp));
    }
    r_.erase(node.id);
    if (end && end->clamp != NodeId::none) r_.erase(end->clamp);
    if (end) r_.erase(end->quantize);
    Node& made = r_.add(std::string(row.name), inputs, {end ? end->codes : node.output()}, name);
    made.domain = std::string(row.domain);
    made.attributes = kept;
  }

  void note_clamp(const std::string& node, ValueId value, const Node& clamp) {
    std::string note = clamp.op + "\n" + clamp.name + "\n" + r_.graph().value(value).name;
    for (size_t i = 1; i < clamp.inputs.size(); ++i) {
      const Tensor* limit = constant(clamp.inputs[i]);
      note += limit ? str("\n", limit->values<float>()[0], " ", r_.graph().value(clamp.inputs[i]).name) : "\n- ";
    }
    model_.info.metadata[kClampKey + node] = note;
  }

  /// Data movement for whose codes ONNX Runtime has kernels.
  static bool moves_codes(const Node& node) {
    static const std::set<std::string, std::less<>> kOnCodes = {
        "Flatten", "Gather", "MaxPool", "Reshape", "Resize", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"};
    return kOnCodes.count(node.op) != 0;
  }

  /// A Clip keeps codes in a range narrower than their type's.
  bool is_narrowed(ValueId codes) {
    const Node* clip = r_.producer(codes);
    return clip && clip->is("Clip");
  }

  /// DQ -> move -> Q with one grid for all. (Behind a Clip of codes it would not be found again.)
  void move(const Node& given) {
    const Node node = given;
    const auto x = operand(node.input(0));
    if (!x || is_narrowed(x->codes) || x->grid.layout.kind != Layout::tensor || !is_eight_bits(x->grid) || constant(x->codes)) return;
    std::vector<std::optional<Result>> ends;
    for (const ValueId output : node.outputs) {
      if (output == ValueId::none) return;
      ends.push_back(result(output));
      if (!ends.back() || ends.back()->clamp != NodeId::none || !same_grid(ends.back()->grid, x->grid)) return;
    }
    r_.set_input(*r_.node(node.id), 0, x->codes);
    for (size_t i = 0; i < ends.size(); ++i) {
      r_.node(node.id)->outputs[i] = ends[i]->codes;
      r_.erase(ends[i]->quantize);
    }
  }

  /// DQ whose readers now read codes.
  void drop_unread() {
    r_.commit();
    for (const NodeId id : r_.nodes())
      if (is_dequantize(*r_.node(id)) && r_.readers(r_.node(id)->output()).empty()) r_.erase(id);
  }
};

}  // namespace

void write_qoperators(Model& model, NodeNames& names) { Writer(model, names).run(); }

}  // namespace bitwright
