#include <algorithm>
#include <cctype>
#include <unordered_set>

#include "graph/nested.hpp"
#include "graph/text.hpp"

namespace bitwright {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + "\"";
}

bool plain_word(std::string_view name) {
  static const std::string_view kKeywords[] = {"_", "input", "output", "const", "graph", "at"};
  if (name.empty() || name[0] == '.' || std::isdigit(static_cast<unsigned char>(name[0]))) return false;  // else a number
  if (std::find(std::begin(kKeywords), std::end(kKeywords), name) != std::end(kKeywords)) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/';
  });
}
std::string word(std::string_view name) { return plain_word(name) ? std::string(name) : quoted(name); }

/// A float that reads back as a float: 1 becomes 1.0.
std::string real(double v, bool single) {
  std::string text = single ? str(static_cast<float>(v)) : str(v);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

class Printer {
 public:
  explicit Printer(const PrintOptions& options) : options_(options) {}
  std::string out;

  void graph(const Graph& g, const std::string& indent) {
    name_values(g);
    out += "graph " + quoted(g.name) + " {\n";
    const std::string inner = indent + "  ";
    for (const ValueId id : g.inputs) out += inner + "input " + typed(g, id) + "\n";
    constants(g, inner);
    for (const Node& node : g.nodes) {
      out += inner;
      this->node(g, node, inner);
    }
    for (size_t i = 0; i < g.outputs.size(); ++i) {
      out += inner + "output " + name(g.outputs[i]);
      for (const StatePair& pair : g.state)
        if (pair.output == i) out += " -> " + name(g.inputs[pair.input]);
      out += "\n";
    }
    out += indent + "}\n";
  }

  void entries(const Model& model) {
    for (size_t i = 0; i < model.graph.inputs.size(); ++i) entry_at(model, {kGraphInput, Side::output, static_cast<uint16_t>(i)}, str("input ", i));
    const std::vector<PlacedNode> nodes = all_nodes(model.graph);
    for (size_t position = 0; position < nodes.size(); ++position) {
      const NodeId id = nodes[position].node->id;
      for (auto at = model.quantization.at.lower_bound({id, Side::output, 0});
           at != model.quantization.at.end() && at->first.node == id; ++at) {
        static constexpr std::string_view kSides[] = {"output", "input", "inner"};
        entry_at(model, at->first, str(position, " ", kSides[static_cast<size_t>(at->first.side)], " ", at->first.index));
      }
    }
  }

 private:
  const PrintOptions& options_;
  std::unordered_map<ValueId, std::string> names_;
  std::unordered_set<std::string> used_;

  void name_values(const Graph& g) {
    std::vector<const Value*> values;
    for (const auto& [id, value] : g.values()) values.push_back(&value);
    std::sort(values.begin(), values.end(), [](const Value* a, const Value* b) { return a->id < b->id; });
    auto give = [&](const Value& value) {
      if (names_.count(value.id)) return;
      std::string made = value.name.empty() ? "v" : value.name;
      for (int i = 1; !used_.insert(made).second; ++i) made = str(value.name.empty() ? "v" : value.name, "_", i);
      names_[value.id] = made;
    };
    for (const ValueId id : g.inputs) give(g.value(id));
    for (const ValueId id : g.outputs)
      if (g.has_value(id)) give(g.value(id));
    for (const Value* value : values) give(*value);
  }
  std::string name(ValueId id) const { return id == ValueId::none ? "_" : word(names_.at(id)); }

  static std::string shape(const Graph& g, const Shape& s) {
    std::string text = "[";
    for (size_t i = 0; i < s.size(); ++i)
      text += (i ? "," : "") + (s[i] == kUnknownDim ? "?" : s[i] < 0 ? word(g.symbol_name(s[i])) : str(s[i]));
    return text + "]";
  }
  std::string typed(const Graph& g, ValueId id) const {
    const Value& value = g.value(id);
    std::string text = name(id);
    if (value.dtype != DType::none) text += str(": ", name_of(value.dtype));
    if (value.dtype != DType::none && value.has_shape) text += shape(g, value.shape);
    return text;
  }

  /// Constants in the order in which nodes read them: ids differ between models that are otherwise equal.
  void constants(const Graph& g, const std::string& indent) {
    std::unordered_set<ValueId> seen;
    auto visit = [&](ValueId id) {
      if (!g.constant(id) || !seen.insert(id).second) return;
      out += indent + "const " + name(id) + ": " + tensor(*g.constant(id), " = ") + "\n";
    };
    for (const Node& node : g.nodes)
      for (const ValueId id : node.inputs) visit(id);
    for (const ValueId id : g.outputs) visit(id);
    const Uses uses(g);
    std::vector<ValueId> rest;  // read in nested graphs
    for (const auto& [id, value] : g.values())
      if (value.is_constant() && !seen.count(id) && !uses.of(id).empty()) rest.push_back(id);
    std::sort(rest.begin(), rest.end());
    for (const ValueId id : rest) visit(id);
  }

  std::string tensor(const Tensor& t, std::string_view before = "") const {
    std::string text = str(name_of(t.dtype()), to_string(t.shape()), before);
    if (t.elements() > options_.inline_elements || bits_of(t.dtype()) > 64 || (t.dtype() != DType::string && bits_of(t.dtype()) < 8))
      return text + "#";
    text += "{";
    for (int64_t i = 0; i < t.elements(); ++i) text += (i ? ", " : "") + element(t, i);
    return text + "}";
  }
  static std::string element(const Tensor& t, int64_t i) {
    if (t.dtype() == DType::string) return quoted(t.strings()[static_cast<size_t>(i)]);
    if (t.dtype() == DType::f32 || t.dtype() == DType::f16 || t.dtype() == DType::bf16) return str(static_cast<float>(value_as_double(t, i)));
    return is_float(t.dtype()) ? str(value_as_double(t, i)) : str(value_as_int(t, i));
  }

  void node(const Graph& g, const Node& n, const std::string& indent) {
    for (size_t i = 0; i < n.outputs.size(); ++i)
      out += (i ? ", " : "") + (n.outputs[i] == ValueId::none ? "_" : typed(g, n.outputs[i]));
    out += " = " + word(n.domain.empty() ? n.op : n.domain + "." + n.op) + "(";
    for (size_t i = 0; i < n.inputs.size(); ++i) out += (i ? ", " : "") + name(n.inputs[i]);
    out += ")";
    for (const auto& [key, value] : n.attributes) {
      out += " " + word(key) + "=";
      attribute(value, indent);
    }
    if (!n.name.empty()) out += " @" + quoted(n.name);
    out += "\n";
  }

  void attribute(const Attribute& a, const std::string& indent) {
    if (const auto* i = std::get_if<int64_t>(&a)) out += str(*i);
    if (const auto* f = std::get_if<float>(&a)) out += real(*f, true);
    if (const auto* s = std::get_if<std::string>(&a)) out += quoted(*s);
    if (const auto* t = std::get_if<Tensor>(&a)) out += tensor(*t);
    if (const auto* g = std::get_if<std::shared_ptr<Graph>>(&a)) {
      graph(**g, indent);
      out.pop_back();
    }
    auto list = [&](const auto& items, const auto& text, char letter) {
      out += str(letter, "[");
      for (size_t k = 0; k < items.size(); ++k) out += (k ? ", " : "") + text(items[k]);
      out += "]";
    };
    if (const auto* v = std::get_if<std::vector<int64_t>>(&a)) list(*v, [](int64_t i) { return str(i); }, 'i');
    if (const auto* v = std::get_if<std::vector<float>>(&a)) list(*v, [](float f) { return real(f, true); }, 'f');
    if (const auto* v = std::get_if<std::vector<std::string>>(&a)) list(*v, [](const std::string& s) { return quoted(s); }, 's');
  }

  void entry_at(const Model& model, const Site& site, const std::string& where) {
    const Entry* entry = model.quantization.find(site);
    if (!entry) return;
    static constexpr std::string_view kWhen[] = {"static", "at_run", "derived"};
    out += "at " + where + ": " + std::string(kWhen[static_cast<size_t>(entry->when)]);
    if (entry->per_row) out += " per_row";
    if (entry->tied) out += str(" tied ", entry->tied);
    for (const Grid& grid : entry->chain) out += " " + this->grid(grid);
    if (!entry->codes.empty()) out += " codes " + tensor(entry->codes);
    out += "\n";
  }
  std::string grid(const Grid& g) const {
    std::string text = str("{", g.format->name, " ", g.qmin, " ", g.qmax);
    if (g.layout.kind == Layout::channel) text += str(" channel ", g.layout.axis);
    if (g.layout.kind == Layout::block) text += str(" block ", g.layout.axis, " ", g.layout.block_size);
    if (!g.scale.empty()) text += " scale " + tensor(g.scale);
    if (!g.zero.empty()) text += " zero " + tensor(g.zero);
    if (!g.table.empty()) text += " table " + tensor(g.table);
    return text + "}";
  }
};

}  // namespace

std::string print(const Graph& graph, const PrintOptions& options) {
  Printer printer(options);
  printer.graph(graph, "");
  return printer.out;
}

std::string print(const Model& model, const PrintOptions& options) {
  Printer printer(options);
  printer.graph(model.graph, "");
  if (model.quantization.profile != Profile::ort) printer.out += str("profile ", name_of(model.quantization.profile), "\n");
  printer.entries(model);
  return printer.out;
}

}  // namespace bitwright
