// Recurrent cells that quantize at run time. ONNX Runtime's com.microsoft.DynamicQuantizeLSTM is an LSTM with int8 weights
// whose input and hidden state are quantized to uint8 as they come: the same as our LSTM with run-time entries. Nothing
// like it exists for GRU and RNN.
#include <algorithm>

#include "passes/fold_nodes.hpp"

namespace bitwright {
namespace {

constexpr std::string_view kParts[] = {"W", "R"};  // LSTM inputs 1 and 2
constexpr size_t kWeight = 1, kScale = 8;          // input numbers of DynamicQuantizeLSTM; R follows W
constexpr int64_t kInputs = 8;                     // of LSTM

bool is_recurrent(const Node& node) { return node.is("LSTM") || node.is("GRU") || node.is("RNN"); }

Entry at_run() {
  const Format& uint8 = format_named("uint8");
  return {When::at_run, false, {Grid{&uint8, uint8.code_min, uint8.code_max, {}, {}, {}, {}}}, {}, 0};
}

/// Row 0 again and again: parameters [directions, n] that do not depend on the direction.
bool same_rows(const Tensor& t, int64_t directions) {
  const int64_t n = t.elements() / directions;
  for (int64_t i = n; i < t.elements(); ++i)
    if (value_as_double(t, i) != value_as_double(t, i % n)) return false;
  return true;
}

// ---- reading

/// The grid of codes [directions, 4*hidden, k] from parameters [directions] or [directions, 4*hidden].
std::optional<Grid> weight_grid(const Tensor& codes, const Tensor& scale, const Tensor* zero) {
  const int64_t directions = codes.dim(0), columns = codes.dim(1);
  const bool per_column = scale.elements() == directions * columns && scale.rank() == 2;
  const Format* format = format_of(codes.dtype());
  const bool fits = format && format->is_integer && scale.dtype() == DType::f32 && (per_column || scale.elements() == directions) &&
                    (!zero || (zero->dtype() == codes.dtype() && zero->elements() == scale.elements()));
  if (!fits) return {};
  Grid grid{format, format->code_min, format->code_max, {}, scale, zero ? *zero : Tensor(), {}};
  const bool zero_free = !zero || [&] {
    const auto values = values_as_int(*zero);
    return std::all_of(values.begin(), values.end(), [](int64_t z) { return z == 0; });
  }();
  if (zero_free) grid.zero = Tensor();
  const bool shared = same_rows(scale, directions) && (zero_free || same_rows(*zero, directions));
  Shape shape = {directions};
  if (per_column) shape = shared ? Shape{columns} : Shape{directions, columns, 1};
  else if (shared) shape = {};
  if (per_column) grid.layout = shared ? Layout{Layout::channel, 1, 0} : Layout{Layout::block, 2, codes.dim(2)};
  else if (!shared) grid.layout = {Layout::channel, 0, 0};
  for (Tensor* t : {&grid.scale, &grid.zero}) {
    if (t->empty()) continue;
    Tensor first(t->dtype(), shape);  // as many as are needed, from the front
    std::copy_n(t->raw(), first.bytes(), first.raw());
    *t = first;
  }
  return grid;
}

struct ReadWeights {
  Tensor codes;
  Grid grid;
};

std::optional<ReadWeights> read_weights(const Graph& g, const Node& node, size_t part, std::string* why) {
  const Tensor* codes = g.constant(node.input(kWeight + part));
  const ValueId scale_id = node.input(kScale + 2 * part), zero_id = node.input(kScale + 2 * part + 1);
  const Tensor *scale = g.constant(scale_id), *zero = g.constant(zero_id);
  if (!codes || !scale || (zero_id != ValueId::none && !zero)) return *why = "its weights are not constant", std::nullopt;
  if (codes->rank() != 3 || codes->elements() == 0 || bits_of(codes->dtype()) != 8)
    return *why = "its weights are no 8-bit codes with three axes", std::nullopt;
  const Tensor plain = permuted(ConstantView{*codes, {}}, {0, 2, 1}).values;
  const auto grid = weight_grid(plain, *scale, zero);
  if (!grid) return *why = "the scales of its weights have another layout", std::nullopt;
  try {
    verify(*grid, plain.shape());
  } catch (const Error& e) {
    return *why = e.what(), std::nullopt;
  }
  return ReadWeights{plain, *grid};
}

std::string note_key(const std::string& node, size_t part) { return str(kNoteKey, node, "/", kParts[part]); }

void apply_note(const std::map<std::string, std::string>& metadata, const std::string& node, size_t part, ReadWeights& w) {
  const auto at = metadata.find(note_key(node, part));
  const auto note = at == metadata.end() || node.empty() ? std::nullopt : read_note(at->second);
  if (!note || note->format->file != w.grid.format->file) return;
  for (int64_t i = 0; i < w.codes.elements(); ++i)
    if (const int64_t q = value_as_int(w.codes, i); q < note->qmin || q > note->qmax) return;
  w.grid.format = note->format, w.grid.qmin = note->qmin, w.grid.qmax = note->qmax;
}

void lift(Rewriter& r, const Node& node, const std::map<std::string, std::string>& metadata, FoldReport& report) {
  std::string why;
  std::optional<ReadWeights> parts[2];
  for (size_t part = 0; part < 2 && why.empty(); ++part) parts[part] = read_weights(r.graph(), node, part, &why);
  if (!why.empty()) return report.kept.push_back(str(display_name(node), ": ", why));
  std::vector<ValueId> inputs(node.inputs.begin(), node.inputs.begin() + std::min<ptrdiff_t>(kInputs, std::ssize(node.inputs)));
  for (size_t part = 0; part < 2; ++part) {
    apply_note(metadata, node.name, part, *parts[part]);
    const ReadWeights& w = *parts[part];
    inputs[kWeight + part] = r.add_constant(str(node.name, "_", kParts[part]), dequantize_later(w.codes, w.grid));
  }
  Node& lstm = r.add("LSTM", inputs, node.outputs, node.name);
  lstm.attributes = node.attributes;
  for (size_t part = 0; part < 2; ++part)
    r.quantization().at[{lstm.id, Side::input, static_cast<uint16_t>(kWeight + part)}] = {
        When::statically, false, {parts[part]->grid}, parts[part]->codes, 0};
  r.quantization().at[{lstm.id, Side::input, 0}] = at_run();
  r.erase(node.id);
}

// ---- writing

/// Parameters as DynamicQuantizeLSTM takes them: [directions] or [directions, columns], from any layout that says as much.
Tensor spread(const Tensor& t, const Grid& grid, const Shape& codes) {
  const int64_t directions = codes[0], columns = codes[1];
  if (grid.layout.kind == Layout::block) return t.reshaped({directions, columns});
  const bool per_column = grid.layout.kind == Layout::channel && grid.layout.axis != 0;
  if (grid.layout.kind == Layout::channel && !per_column) return t;
  Tensor all(t.dtype(), per_column ? Shape{directions, columns} : Shape{directions});
  for (int64_t d = 0; d < directions; ++d)
    std::copy_n(t.raw(), t.bytes(), all.raw() + static_cast<size_t>(d) * t.bytes());
  return all;
}

/// The DQ of constant int8 codes behind an input of the LSTM, in a layout that DynamicQuantizeLSTM knows.
struct Written {
  NodeId dq = NodeId::none;
  bool read_once = false;
  Tensor codes;
  Grid grid;
};
std::optional<Written> written_weights(Rewriter& r, const Node& lstm, size_t input) {
  const Node* dq = r.producer(lstm.input(input));
  const Tensor* codes = dq && is_dequantize(*dq) ? r.graph().constant(dq->input(0)) : nullptr;
  std::string unused;
  const auto grid = codes ? grid_of(r.graph(), *dq, codes->dtype(), &unused) : std::nullopt;
  if (!grid || codes->dtype() != DType::i8 || codes->rank() != 3) return {};
  const Layout& layout = grid->layout;
  const bool one_block = layout.kind == Layout::block && layout.axis == 2 && layout.block_size >= codes->dim(2);
  if (layout.kind == Layout::block ? !one_block : layout.kind == Layout::channel && layout.axis != 0 && layout.axis != 1) return {};
  return Written{dq->id, r.single_reader(dq->output()) != nullptr, *codes, *grid};
}

}  // namespace

void lift_dynamic_recurrent(Rewriter& r, const std::map<std::string, std::string>& metadata, FoldReport& report) {
  for (const NodeId id : r.nodes()) {
    const Node& node = *r.node(id);
    if (node.domain == "com.microsoft" && node.op == "DynamicQuantizeLSTM") lift(r, Node(node), metadata, report);
  }
  r.commit();
}

void mark_hidden_states(Model& model) {
  Quantization& table = model.quantization;
  for (const Node& node : model.graph.nodes) {
    const Entry* x = is_recurrent(node) ? table.find({node.id, Side::input, 0}) : nullptr;
    const bool codes = table.find({node.id, Side::input, 1}) && table.find({node.id, Side::input, 2});
    if (x && x->when == When::at_run && codes) table.at[{node.id, Side::inner, 0}] = Entry(*x);
  }
}

bool lower_dynamic_recurrent(Rewriter& r, NodeId id, std::map<std::string, std::string>& metadata, NodeNames& names) {
  Node lstm = *r.node(id);
  if (!lstm.is("LSTM") || lstm.attr_int("layout", 0) != 0) return false;
  const std::optional<Written> parts[2] = {written_weights(r, lstm, 1), written_weights(r, lstm, 2)};
  if (!parts[0] || !parts[1]) return false;
  if (lstm.name.empty()) lstm.name = names.unique("LSTM");
  std::vector<ValueId> inputs = lstm.inputs;
  inputs.resize(kInputs, ValueId::none);
  for (size_t part = 0; part < 2; ++part) {
    const Written& w = *parts[part];
    const std::string stem = str(lstm.name, "_", kParts[part]);
    inputs[kWeight + part] = r.add_constant(stem + "_quantized", permuted(ConstantView{w.codes, {}}, {0, 2, 1}).values);
    const Tensor scale = spread(w.grid.scale, w.grid, w.codes.shape());
    const Tensor zero = w.grid.zero.empty() ? Tensor(DType::i8, scale.shape()) : spread(w.grid.zero, w.grid, w.codes.shape());
    inputs.push_back(r.add_constant(stem + "_scale", scale));
    inputs.push_back(r.add_constant(stem + "_zero_point", zero));
    const Node& dq = *r.node(w.dq);
    const auto note = metadata.find(kNoteKey + dq.name);
    if (note == metadata.end()) continue;
    metadata[note_key(lstm.name, part)] = note->second;
    if (w.read_once) metadata.erase(note);
  }
  Node& made = r.add("DynamicQuantizeLSTM", inputs, lstm.outputs, lstm.name);
  made.domain = "com.microsoft";
  made.attributes = lstm.attributes;
  made.attributes.erase("layout");
  r.erase(id);
  for (const auto& part : parts)
    if (part->read_once) r.erase(part->dq);
  return true;
}

}  // namespace bitwright
