// What there is to choose from: formats (mission A1.9), ways to quantize (A2.5), presets and observers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "explain/explain.hpp"
#include "passes/pass.hpp"
#include "quant/presets.hpp"

namespace bitwright::cli {
namespace {

// "3.4028235e38", as the course writes it
std::string plain(float value) {
  std::string text = str(value);
  if (const size_t plus = text.find("e+"); plus != std::string::npos) text.erase(plus + 1, 1);
  return text;
}

float largest_float(const Format& format) {
  float most = 0;
  for (int32_t code = format.code_min; code <= format.code_max; ++code)
    if (const float v = format.decode(code); std::isfinite(v)) most = std::max(most, v);
  return most;
}

void explain_formats(const ExplainArgs&, const Context& c) {
  TextTable table({"format", ">bits", ">minimum", ">maximum", ">values", "stored in ONNX as"});
  for (const Format* f : formats()) {
    const std::string values = f->bits < 31 ? str(int64_t{1} << f->bits) : str("2^", f->bits);
    const std::string most = f->is_integer ? str(f->code_max) : plain(largest_float(*f));
    const std::string least = f->is_integer ? str(f->code_min) : "-" + most;
    table.row({std::string(f->name), str(f->bits), least, most, values, std::string(name_of(f->file))});
  }
  const std::string most = plain(std::numeric_limits<float>::max());
  table.row({"float32", "32", "-" + most, most, "2^32", "f32"});
  print_table(c, "formats", table);
}

void explain_choices(const ExplainArgs&, const Context& c) {
  TextTable model({"network", "way", "why"});
  model.row({"LSTM, GRU, RNN", "dynamic", "weights are read at every step: memory bound"});
  model.row({"BERT, Transformer", "dynamic", "bound by the memory bandwidth of the weights"});
  model.row({"CNN", "static", "bound by the memory bandwidth of the activations"});
  model.row({"CNN", "QAT", "where static is not accurate enough"});
  TextTable ops({"operator", "dynamic quantization"});
  for (const DynamicChoice& choice : dynamic_operators()) ops.row({std::string(choice.op), std::string(choice.why)});
  if (c.json) return c.print(Document().set("networks", model.document()).set("operators", ops.document()));
  c.print(model.text() + "\n" + ops.text());
}

std::string words(const Scheme& s) {
  constexpr std::string_view kSymmetries[] = {"affine", "symmetric", "restricted"};
  constexpr std::string_view kLayouts[] = {"tensor", "channel", "block"};
  return str(s.format->name, " ", kSymmetries[static_cast<size_t>(s.symmetry)], ", per ", kLayouts[s.granularity],
             s.reduce_range ? ", 7 bits" : "");
}

void explain_presets(const ExplainArgs&, const Context& c) {
  TextTable table({"preset", "activations", "weights", "observer"}), about({"preset", "about"}), list({"observer", "about"});
  for (const Preset& p : presets()) {
    table.row({std::string(p.name), words(p.activation), words(p.weight), std::string(p.activation_observer)});
    about.row({std::string(p.name), std::string(p.about)});
  }
  for (const Observer* o : observers()) list.row({std::string(o->name), std::string(o->about)});
  if (c.json)
    return c.print(Document().set("presets", table.document()).set("about", about.document()).set("observers", list.document()));
  c.print(table.text() + "\n" + about.text() + "\n" + list.text());
}

void explain_passes(const ExplainArgs&, const Context& c) {
  TextTable table({"pass"});
  for (const Pass& pass : passes()) table.row({std::string(pass.name)});
  print_table(c, "passes", table);
}

}  // namespace

const Topic kTopicPasses = {"passes", "what is done to a network before it is quantized (--skip-passes leaves some out)", explain_passes};
const Topic kTopicFormats = {"formats", "every number format: bits, smallest, largest, how many values", explain_formats};
const Topic kTopicChoices = {"choices", "which way of quantizing suits which network and operator, and why", explain_choices};
const Topic kTopicPresets = {"presets", "the named recipes and the observers", explain_presets};

}  // namespace bitwright::cli
