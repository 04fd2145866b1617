#include <cctype>
#include <cstdlib>
#include <map>

#include "graph/nested.hpp"
#include "graph/text.hpp"

namespace bitwright {
namespace {

constexpr int64_t kMostElements = int64_t{1} << 24;  // of a tensor spelled out in text

struct Token {
  enum Kind { word, string, number, symbol, end } kind = end;
  std::string text;
};

class Parser {
 public:
  Parser(std::string_view text, const FindTensor& find) : text_(text), find_(find) { advance(); }

  Model model() {
    Model m;
    graph(m.graph, {});
    while (token_.kind != Token::end) {
      if (accept("profile")) {
        profile(m);
      } else {
        expect("at");
        entry(m);
      }
    }
    verify(m);
    return m;
  }

 private:
  using Names = std::map<std::string, ValueId>;
  std::string_view text_;
  const FindTensor& find_;
  size_t at_ = 0;
  int line_ = 1, depth_ = 0;
  Token token_;
  std::vector<PlacedNode> nodes_;

  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) const {
    fail(ErrorCode::malformed, "line ", line_, ": ", parts...);
  }

  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/'; }

  void advance() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) line_ += text_[at_++] == '\n';
    token_ = {};
    if (at_ >= text_.size()) return;
    const char c = text_[at_];
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : ' ';
    if (c == '"') return read_string();
    if (std::isdigit(static_cast<unsigned char>(c)) || ((c == '-' || c == '.') && (is_word(next)))) return read_number();
    token_.kind = is_word(c) ? Token::word : Token::symbol;
    do token_.text += text_[at_++];
    while (token_.kind == Token::word && at_ < text_.size() && is_word(text_[at_]));
  }
  void read_string() {
    token_.kind = Token::string;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        token_.text += text_[++at_] == 'n' ? '\n' : text_[at_];
      } else {
        token_.text += text_[at_];
      }
    }
    if (at_ >= text_.size()) bad("a string has no end");
    ++at_;
  }
  void read_number() {
    token_.kind = Token::number;
    do token_.text += text_[at_++];
    while (at_ < text_.size() && (is_word(text_[at_]) || ((text_[at_] == '+' || text_[at_] == '-') && (text_[at_ - 1] == 'e'))));
  }

  bool accept(std::string_view what) {
    if (token_.kind == Token::string || token_.text != what || token_.kind == Token::end) return false;
    advance();
    return true;
  }
  void expect(std::string_view what) {
    if (!accept(what)) bad("wanted '", what, "', got '", token_.text, "'");
  }
  std::string take_name() {
    if (token_.kind != Token::word && token_.kind != Token::string) bad("wanted a name, got '", token_.text, "'");
    std::string name = token_.text;
    advance();
    return name;
  }
  int64_t take_int() {
    char* end = nullptr;
    const long long v = std::strtoll(token_.text.c_str(), &end, 10);
    if (token_.kind != Token::number || *end) bad("wanted a whole number, got '", token_.text, "'");
    advance();
    return v;
  }
  double take_real() {
    char* end = nullptr;
    const double v = std::strtod(token_.text.c_str(), &end);
    if (token_.kind == Token::end || token_.kind == Token::string || end == token_.text.c_str() || *end)
      bad("wanted a number, got '", token_.text, "'");
    advance();
    return v;
  }
  /// In single precision at once: rounding a double again could give a neighbour.
  float take_float() {
    const std::string text = token_.text;
    take_real();
    return std::strtof(text.c_str(), nullptr);
  }

  Shape shape(Graph* g) {
    Shape dims;
    expect("[");
    while (!accept("]")) {
      if (!dims.empty()) expect(",");
      if (g && accept("?")) {
        dims.push_back(kUnknownDim);
      } else if (g && token_.kind != Token::number) {
        dims.push_back(g->symbol(take_name()));
      } else {
        dims.push_back(take_int());
        if (dims.back() < 0) bad("an extent is negative");
      }
    }
    return dims;
  }
  DType dtype() {
    const std::string name = take_name();
    const DType type = dtype_named(name);
    if (type == DType::none) bad("'", name, "' is no element type");
    return type;
  }

  Tensor tensor(const std::string& name, bool equals = false) {
    const DType type = dtype();
    const Shape dims = shape(nullptr);
    if (equals) expect("=");
    if (accept("#")) {
      Tensor found = find_ ? find_(name) : Tensor();
      if (found.dtype() != type || found.shape() != dims) bad("the contents of '", name, "' are not at hand");
      return found;
    }
    expect("{");
    if (elements_of(dims) > kMostElements || elements_of(dims) > static_cast<int64_t>(text_.size()))
      bad("a tensor ", to_string(dims), " has no room in this text");
    Tensor made = type == DType::string ? Tensor::of_strings(dims, std::vector<std::string>(static_cast<size_t>(elements_of(dims))))
                                        : Tensor(type, dims);
    for (int64_t i = 0; i < made.elements(); ++i) {
      if (i) expect(",");
      element(made, static_cast<size_t>(i));
    }
    expect("}");
    return made;
  }
  void element(Tensor& made, size_t i) {
    if (made.dtype() == DType::string) {
      made.strings()[i] = take_name();
      return;
    }
    dispatch(made.dtype(), [&]<class T>(T*) {
      if constexpr (std::is_same_v<T, double>) {
        made.values<T>()[i] = take_real();
      } else if constexpr (std::is_same_v<T, bool>) {
        made.values<T>()[i] = take_int() != 0;
      } else if constexpr (std::is_integral_v<T>) {
        made.values<T>()[i] = static_cast<T>(take_int());
      } else {
        made.values<T>()[i] = T(take_float());
      }
    });
  }

  // ---- graphs

  void graph(Graph& g, Names names) {
    if (++depth_ > 32) bad("graphs are nested too deep");
    expect("graph");
    g.name = take_name();
    expect("{");
    while (!accept("}")) {
      if (token_.kind == Token::end) bad("a graph has no end");
      if (accept("input")) {
        g.inputs.push_back(declare(g, names));
      } else if (accept("const")) {
        const std::string name = take_name();
        expect(":");
        names[name] = g.add_constant(name, tensor(name, true));
      } else if (accept("output")) {
        output(g, names);
      } else {
        node(g, names);
      }
    }
    --depth_;
  }
  void output(Graph& g, const Names& names) {
    g.outputs.push_back(find(names, take_name()));
    if (!accept("-")) return;
    expect(">");
    const std::string name = take_name();
    const ValueId kept = find(names, name);
    for (size_t i = 0; i < g.inputs.size(); ++i)
      if (g.inputs[i] == kept) return g.state.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(g.outputs.size() - 1)});
    bad("'", name, "' is no input: it cannot be state");
  }
  ValueId find(const Names& names, const std::string& name) const {
    const auto at = names.find(name);
    if (at == names.end()) bad("nothing makes '", name, "'");
    return at->second;
  }
  ValueId declare(Graph& g, Names& names) {
    const std::string name = take_name();
    const ValueId id = g.add_value(name);
    names[name] = id;
    if (!accept(":")) return id;
    const DType type = dtype();
    const bool shaped = token_.text == "[" && token_.kind == Token::symbol;
    const Shape dims = shaped ? shape(&g) : Shape();
    Value& value = g.value(id);
    value.dtype = type, value.has_shape = shaped, value.shape = dims;
    return id;
  }
  void node(Graph& g, Names& names) {
    std::vector<ValueId> outputs, inputs;
    Names made = names;
    do outputs.push_back(accept("_") ? ValueId::none : declare(g, made));
    while (accept(","));
    expect("=");
    std::string op = take_name(), domain;
    if (const size_t dot = op.rfind('.'); dot != std::string::npos) domain = op.substr(0, dot), op = op.substr(dot + 1);
    expect("(");
    while (!accept(")")) {
      if (!inputs.empty()) expect(",");
      inputs.push_back(accept("_") ? ValueId::none : find(names, take_name()));
    }
    std::map<std::string, Attribute> attributes;
    while (token_.kind == Token::word || token_.kind == Token::string) {
      const size_t mark = at_;
      const Token kept = token_;
      const int line = line_;
      const std::string key = take_name();
      if (!(token_.kind == Token::symbol && token_.text == "=") || is_statement(kept)) {
        at_ = mark, token_ = kept, line_ = line;
        break;
      }
      advance();
      // `y = Relu(x)` on the next line looks like an attribute until its parenthesis.
      if ((token_.kind == Token::word || token_.kind == Token::string) && peek('(')) {
        at_ = mark, token_ = kept, line_ = line;
        break;
      }
      attributes[key] = attribute(g, names, key);
    }
    std::string name;
    if (accept("@")) name = take_name();
    Node& n = g.add_node(op, inputs, outputs, name);
    n.domain = domain;
    n.attributes = std::move(attributes);
    names = std::move(made);
  }
  static bool is_statement(const Token& t) {
    return t.kind == Token::word && (t.text == "input" || t.text == "output" || t.text == "const");
  }
  bool peek(char c) const { return at_ < text_.size() && text_[at_] == c; }

  Attribute attribute(Graph& g, const Names& names, const std::string& key) {
    if (token_.kind == Token::string) return take_name();
    if (token_.kind == Token::word && token_.text == "graph") {
      auto nested = std::make_shared<Graph>(g, nullptr);
      graph(*nested, names);
      return nested;
    }
    if (token_.kind == Token::word && peek('[') && token_.text.size() == 1) return list();
    if (token_.kind == Token::word && dtype_named(token_.text) != DType::none) return tensor(key);
    if (token_.text.find_first_of(".en") != std::string::npos) return take_float();
    return take_int();
  }
  Attribute list() {
    const char kind = token_.text[0];
    advance();
    expect("[");
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
    for (bool first = true; !accept("]"); first = false) {
      if (!first) expect(",");
      if (kind == 'i') ints.push_back(take_int());
      if (kind == 'f') floats.push_back(take_float());
      if (kind == 's') strings.push_back(take_name());
      if (kind != 'i' && kind != 'f' && kind != 's') bad("'", std::string(1, kind), "[' is no list");
    }
    if (kind == 'i') return ints;
    if (kind == 'f') return floats;
    return strings;
  }

  // ---- quantization

  void profile(Model& m) {
    const std::string name = take_name();
    for (const Profile p : {Profile::ort, Profile::real, Profile::tflite})
      if (name == name_of(p)) m.quantization.profile = p;
  }
  void entry(Model& m) {
    Site site;
    std::string where;
    if (accept("input")) {
      site = {kGraphInput, Side::output, static_cast<uint16_t>(take_int())};
    } else {
      const int64_t position = take_int();
      if (nodes_.empty()) nodes_ = all_nodes(m.graph);
      if (position < 0 || position >= std::ssize(nodes_)) bad("there is no node ", position);
      const std::string side = take_name();
      site.node = nodes_[static_cast<size_t>(position)].node->id;
      site.side = side == "input" ? Side::input : side == "output" ? Side::output : Side::inner;
      site.index = static_cast<uint16_t>(take_int());
      where = str(position, ".", side, ".", site.index);
    }
    expect(":");
    Entry& made = m.quantization.at[site];
    const std::string when = take_name();
    made.when = when == "at_run" ? When::at_run : when == "derived" ? When::derived : When::statically;
    made.per_row = accept("per_row");
    if (accept("tied")) made.tied = static_cast<GroupId>(take_int());
    while (accept("{")) made.chain.push_back(grid(where));
    if (accept("codes")) made.codes = tensor(where + ".codes");
  }
  Grid grid(const std::string& where) {
    Grid g;
    const std::string format = take_name();
    g.format = find_format(format);
    if (!g.format) bad("'", format, "' is no format");
    g.qmin = static_cast<int32_t>(take_int());
    g.qmax = static_cast<int32_t>(take_int());
    if (accept("channel")) g.layout = {Layout::channel, static_cast<int>(take_int()), 0};
    if (accept("block")) {
      g.layout.kind = Layout::block;
      g.layout.axis = static_cast<int>(take_int());
      g.layout.block_size = take_int();
    }
    if (accept("scale")) g.scale = tensor(where + ".scale");
    if (accept("zero")) g.zero = tensor(where + ".zero");
    if (accept("table")) g.table = tensor(where + ".table");
    expect("}");
    return g;
  }
};

}  // namespace

Model parse_model(std::string_view text, const FindTensor& find) { return Parser(text, find).model(); }

}  // namespace bitwright
