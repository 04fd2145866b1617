// One layer's dataflow with the bits at each step (mission A1.11).
#include "api/dataflow.hpp"
#include "explain/explain.hpp"

namespace bitwright::cli {
namespace {

std::string number(double value) { return str(static_cast<float>(value)); }

std::string scales_text(const Grid& grid) {
  double low = 1e300, high = 0;
  for (int64_t i = 0; i < grid.scale.elements(); ++i) {
    const double s = value_as_double(grid.scale, i);
    low = std::min(low, s), high = std::max(high, s);
  }
  return low == high ? number(low) : str(grid.scale.elements(), " scales ", number(low), " ... ", number(high));
}

std::string meaning(const char* x, const Grid& grid) {
  const int64_t zero = grid.zero.elements() > 0 ? value_as_int(grid.zero, 0) : 0;
  return str(x, " = (q - ", zero, ") * ", scales_text(grid));
}

void add(TextTable& table, const std::string& what, std::string_view type, const CodeSpan& span, const std::string& text) {
  table.row({what, std::string(type), str(span.lo), str(span.hi), str(span.bits()), text});
}

TextTable steps(const Dataflow& f) {
  TextTable table({"step", "type", ">from", ">to", ">bits", "meaning"});
  add(table, "input codes", f.src.format->name, f.src_codes, meaning("x", f.src));
  add(table, "weight codes", f.weight.format->name, f.weight_codes, meaning("w", f.weight));
  if (f.has_bias) add(table, "bias codes", "int32", f.bias_codes, "b = q * s_x * s_w");
  const bool wide = f.reachable.bits() > 32;
  add(table, "sum, reachable", wide ? "int64" : "int32", f.reachable, wide ? "may overflow 32 bits: summed in 64" : "from the weights: never overflows 32 bits");
  add(table, "sum, measured", wide ? "int64" : "int32", f.sum, str("sum of ", f.products, " products (q_x - Z_x) * (q_w - Z_w)", f.has_bias ? " + bias" : ""));
  if (!f.dst) {
    table.row({"result", "float32", "", "", "32", "y = fl32(sum) * s_x * s_w"});
    return table;
  }
  const FixedPoint m = fixed_point(f.multiplier[0]);
  table.row({"multiplier", "float32", "", "", "", str("M = s_x * s_w / s_y; first channel ", number(f.multiplier[0]), " = ", m.m0, " * 2^-31 * 2^", m.shift)});
  table.row({"saturate", std::string(f.dst->format->name), str(f.dst->qmin), str(f.dst->qmax), str(f.dst->format->bits),
             str("clamp(round(sum * M) + Z_y)", f.clamp.empty() ? "" : ", " + f.clamp + " in the same clamp")});
  add(table, "output codes", f.dst->format->name, f.dst_codes, meaning("y", *f.dst));
  return table;
}

Document document(const CodeSpan& span) {
  return Document().set("from", span.lo).set("to", span.hi).set("bits", span.bits());
}

void explain_layer(const ExplainArgs& args, const Context& c) {
  if (args.words.empty() || args.words.size() > 2)
    fail(ErrorCode::usage, "explain layer needs a quantized model and the name of one of its layers");
  const std::string& path = args.words[0];
  const Model model = load(path);
  if (args.words.size() == 1)
    fail(ErrorCode::usage, "explain layer needs the name of a layer; ", path, " has ", join(dataflow_layers(model), ", "));
  std::unique_ptr<Dataset> data;
  Batches batches;
  if (args.data.given()) {
    data = args.data.open();
    batches = batches_of(model, *data, 16, 16);
  } else {
    const auto program = Program::compile(model, {.target = Target::simulated});
    batches = {1, [program](int64_t) { return random_inputs(*program, 1, 1); }};
  }
  const Dataflow f = in_model(path, [&] { return layer_dataflow(model, args.words[1], batches); });
  const TextTable table = steps(f);
  if (c.json) {
    Document d = Document().set("layer", f.name).set("op", f.op).set("channels", f.channels).set("products", f.products);
    d.set("input", document(f.src_codes)).set("weights", document(f.weight_codes)).set("sum", document(f.sum));
    d.set("reachable", document(f.reachable)).set("multiplier", double{f.multiplier[0]});
    if (f.dst) d.set("output", document(f.dst_codes));
    return c.print(d);
  }
  c.print(str(f.name, ": ", f.op, f.clamp.empty() ? "" : " + " + f.clamp, ", ", f.channels, " output channels, watched on ",
              data ? str(f.records, " records of ", data->description()) : "one record of random numbers (--data for real ones)", "\n\n", table.text()));
}

}  // namespace

const Topic kTopicLayer = {"layer", "MODEL LAYER: its dataflow with the bits of each step (--data for real inputs)", explain_layer};

}  // namespace bitwright::cli
