#include <bit>
#include <charconv>
#include <cmath>

#include "quant/textbook.hpp"
#include "shared.hpp"

namespace bitwright::cli {
namespace {

struct Args {
  std::string topic, type = "float32", mode = "normal";
  std::vector<std::string> words;
  int64_t bits = 8;
};

double number(const std::string& word) {
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  if (word.empty() || *end != 0) fail(ErrorCode::usage, "'", word, "' is no number");
  return value;
}

std::string binary(uint64_t value, int digits) {
  std::string text;
  for (int i = digits - 1; i >= 0; --i) text += (value >> i) & 1 ? '1' : '0';
  return text;
}

std::string hex(uint64_t value, int digits) {
  std::string text = "0x";
  for (int i = digits - 1; i >= 0; --i) text += "0123456789ABCDEF"[(value >> (4 * i)) & 15];
  return text;
}

// ---- bits: how a number is stored

struct FloatLayout {
  std::string_view name;
  int exponent, mantissa, bias;
};
constexpr FloatLayout kFloats[] = {{"float32", 8, 23, 127}, {"bf16", 8, 7, 127}, {"fp16", 5, 10, 15}, {"float64", 11, 52, 1023}};

uint64_t float_bits(double value, const FloatLayout& f) {
  if (f.name == "float64") return std::bit_cast<uint64_t>(value);
  const auto single = static_cast<float>(value);
  if (f.name == "float32") return std::bit_cast<uint32_t>(single);
  return static_cast<uint64_t>(static_cast<uint32_t>(format_named(f.name).encode(single))) & 0xffff;
}

std::string explain_float(double value, const FloatLayout& f) {
  const int width = 1 + f.exponent + f.mantissa;
  const uint64_t bits = float_bits(value, f), mantissa = bits & ((uint64_t{1} << f.mantissa) - 1);
  const uint64_t exponent = (bits >> f.mantissa) & ((uint64_t{1} << f.exponent) - 1);
  std::string text = str(value, " as ", f.name, "\n", "sign     ", bits >> (width - 1), "\n", "exponent ",
                         binary(exponent, f.exponent), " (", exponent, ")\n", "mantissa ", binary(mantissa, f.mantissa), "\n",
                         "hex      ", hex(bits, width / 4), "\n");
  const bool special = exponent == 0 || exponent == (uint64_t{1} << f.exponent) - 1;
  if (!special)
    text += str("value    ", (bits >> (width - 1)) ? "-" : "", "1.", binary(mantissa, f.mantissa), "b x 2^",
                static_cast<int64_t>(exponent) - f.bias, "\n");
  return text;
}

std::string explain_integer(double value, const Format& format) {
  const int32_t code = format.encode(static_cast<float>(value));
  const auto mask = (uint64_t{1} << format.bits) - 1;
  const uint64_t bits = static_cast<uint64_t>(static_cast<int64_t>(code)) & mask;
  std::string text = str(value, " as ", format.name, "\n", "code     ", code, "\n", "bits     ", binary(bits, format.bits), "\n",
                         "hex      ", hex(bits, (format.bits + 3) / 4), "\n");
  if (format.is_signed)
    text += str("sign     ", (bits >> (format.bits - 1)) & 1, ", two's complement: -", int64_t{1} << (format.bits - 1), " * ",
                (bits >> (format.bits - 1)) & 1, " + ", bits & (mask >> 1), "\n");
  return text;
}

std::string explain_bits(const Args& args) {
  std::string text;
  for (const std::string& word : args.words) {
    const FloatLayout* layout = nullptr;
    for (const FloatLayout& f : kFloats)
      if (f.name == args.type) layout = &f;
    text += layout ? explain_float(number(word), *layout) : explain_integer(number(word), format_named(args.type));
  }
  return text;
}

// ---- qparams: scale and zero point of a vector, in the three lines of the course

std::string bracketed(const Tensor& values, int digits) {
  std::vector<std::string> parts;
  for (int64_t i = 0; i < values.elements(); ++i) parts.push_back(fixed(value_as_double(values, i), digits));
  return "[" + join(parts, ", ") + "]";
}

void explain_qparams(const Args& args, const Context& c) {
  std::vector<float> values;
  for (const std::string& word : args.words) values.push_back(static_cast<float>(number(word)));
  if (args.mode != "normal" && args.mode != "clip")
    fail(ErrorCode::usage, "--mode is '", args.mode, "', it must be one of normal, clip");
  const Mode mode = args.mode == "clip" ? Mode::clip : Mode::normal;
  const QParams q = choose_qparams(values, mode, static_cast<int>(args.bits));
  const Tensor x = Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  QuantizedTensor t = quantize(x, mode, static_cast<int>(args.bits));
  if (c.json) {
    DocumentList codes, back;
    for (int64_t i = 0; i < x.elements(); ++i) {
      codes.push_back(value_as_int(t.codes, i));
      back.push_back(value_as_double(t.dequantize(), i));
    }
    return c.print(Document().set("scale", double{q.scale}).set("zero_point", int64_t{q.zero}).set("codes", codes).set("dequantized", back));
  }
  const std::string kind = str("INT", args.bits);
  c.print(str("scale = ", q.scale, ", zero point = ", q.zero, " (", args.mode, ": q = clamp(round(x / s + Z)), x' = (q - Z) * s)\n",
              "FP32: ", bracketed(x, 4), "\n", kind, ": ", bracketed(t.dequantize(), 4), "\n", kind,
              " integer representation: ", bracketed(t.int_repr(), 0), "\n"));
}

// ---- tables

std::string explain_formats() {
  TextTable table({"format", ">bits", ">minimum", ">maximum", ">values", "stored as"});
  for (const Format* f : formats()) {
    const std::string values = f->bits < 31 ? str(int64_t{1} << f->bits) : str("2^", f->bits);
    const bool half = !f->is_integer;
    const double most = f->name == "fp16" ? 65504.0 : 3.3895313892515355e38;
    table.row({std::string(f->name), str(f->bits), half ? str(-most) : str(f->code_min), half ? str(most) : str(f->code_max),
               values, std::string(name_of(f->file))});
  }
  table.row({"float32", "32", "-3.4028235e38", "3.4028235e38", "2^32", "f32"});
  return table.text();
}

std::string explain_choices() {
  TextTable model({"network", "way", "why"});
  model.row({"LSTM, GRU, RNN", "dynamic", "weights are read at every step: memory bound"});
  model.row({"BERT, Transformer", "dynamic", "bound by the memory bandwidth of the weights"});
  model.row({"CNN", "static", "bound by the memory bandwidth of the activations"});
  model.row({"CNN", "QAT", "where static is not accurate enough"});
  TextTable ops({"operator", "dynamic quantization"});
  for (const DynamicChoice& choice : dynamic_operators()) ops.row({std::string(choice.op), std::string(choice.why)});
  return model.text() + "\n" + ops.text();
}

std::string explain_presets() {
  TextTable table({"preset", "activations", "weights", "observer", "about"});
  const auto words = [](const Scheme& s) {
    constexpr std::string_view kSymmetries[] = {"affine", "symmetric", "symmetric restricted"};
    constexpr std::string_view kLayouts[] = {"per tensor", "per channel", "in blocks"};
    return str(s.format->name, " ", kSymmetries[static_cast<size_t>(s.symmetry)], " ", kLayouts[s.granularity],
               s.reduce_range ? ", reduced range" : "");
  };
  for (const Preset& p : presets())
    table.row({std::string(p.name), words(p.activation), words(p.weight), std::string(p.activation_observer), std::string(p.about)});
  TextTable list({"observer", "about"});
  for (const Observer* o : observers()) list.row({std::string(o->name), std::string(o->about)});
  return table.text() + "\n" + list.text();
}

void run_explain(const Args& args, const Context& c) {
  const bool wants_numbers = args.topic == "bits" || args.topic == "qparams";
  if (wants_numbers && args.words.empty()) fail(ErrorCode::usage, "explain ", args.topic, " needs numbers");
  if (args.topic == "bits") return c.print(explain_bits(args));
  if (args.topic == "qparams") return explain_qparams(args, c);
  if (args.topic == "formats") return c.print(explain_formats());
  if (args.topic == "choices") return c.print(explain_choices());
  if (args.topic == "presets") return c.print(explain_presets());
  const std::vector<std::string> topics = {"bits", "qparams", "formats", "choices", "presets"};
  const std::string near = nearest(args.topic, topics);
  fail(ErrorCode::usage, "nothing is known about '", args.topic, "'; ",
       near.empty() ? "topics are " + join(topics, ", ") : "did you mean '" + near + "'?");
}

Action declare(Options& o) {
  auto args = std::make_shared<Args>();
  o.positional("TOPIC", args->topic, "bits, qparams, formats, choices or presets");
  o.list("NUMBERS", args->words, "the numbers to explain, separated by commas or spaces");
  o.option("--type", args->type, "bits: float32, fp16, bf16, float64, int8, uint4, ...");
  o.option("--mode", args->mode, "qparams: normal or clip");
  o.option("--bits", args->bits, "qparams: width of the codes");
  o.footer("  bitwright explain bits 85.125\n  bitwright explain qparams 0.6004,-1.0151,1.1885");
  return [args](const Context& c) { run_explain(*args, c); };
}

}  // namespace

const Command& command_explain() {
  static const Command command{70, "the arithmetic itself: bits of a number, scale and zero point of a vector", declare};
  return command;
}

}  // namespace bitwright::cli
