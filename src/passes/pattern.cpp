#include "passes/pattern.hpp"

#include "graph/text.hpp"

namespace bitwright {
namespace {

bool same_attribute(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  return std::visit(
      [&]<class T>(const T& x) {
        if constexpr (std::is_same_v<T, Tensor> || std::is_same_v<T, std::shared_ptr<Graph>>) {
          return false;
        } else {
          return x == std::get<T>(b);
        }
      },
      a);
}

bool same_node(const Node& a, const Node& b) {
  if (a.op != b.op || a.domain != b.domain || a.inputs.size() != b.inputs.size()) return false;
  if (a.attributes.size() != b.attributes.size() || a.outputs.size() != b.outputs.size()) return false;
  for (const auto& [key, value] : a.attributes) {
    const auto at = b.attributes.find(key);
    if (at == b.attributes.end() || !same_attribute(value, at->second)) return false;
  }
  return true;
}

class Matcher {
 public:
  Matcher(const Graph& example, Rewriter& r) : example_(example), uses_(example), r_(r) {}

  bool same(ValueId wanted, ValueId given) {
    if (wanted == ValueId::none || given == ValueId::none) return wanted == given;
    if (const Tensor* constant = example_.constant(wanted)) {  // by contents: files may hold several that are equal
      const Tensor* other = r_.graph().constant(given);
      return other && other->dtype() == constant->dtype() && other->elements() == constant->elements() &&
             identical(other->reshaped(constant->shape()), *constant);
    }
    const auto [at, fresh] = bound_.try_emplace(wanted, given);
    if (!fresh) return at->second == given;
    const int64_t position = uses_.producer(wanted);
    if (position < 0) return true;  // an input
    const Node& node = example_.nodes[static_cast<size_t>(position)];
    const Node* other = r_.producer(given);
    if (!other || !same_node(node, *other)) return false;
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] == wanted && other->outputs[i] != given) return false;
    const std::vector<ValueId> inputs = other->inputs;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!same(node.inputs[i], inputs[i])) return false;
    return true;
  }
  ValueId bound(ValueId wanted) const {
    const auto at = bound_.find(wanted);
    return at == bound_.end() ? ValueId::none : at->second;
  }

 private:
  const Graph& example_;
  const Uses uses_;
  Rewriter& r_;
  std::map<ValueId, ValueId> bound_;
};

}  // namespace

Pattern::Pattern(const std::string& text) : graph_(parse_model(text).graph) {}

std::vector<ValueId> Pattern::write(Rewriter& r, const std::vector<ValueId>& inputs, const std::string& stem,
                                    std::vector<ValueId> outputs) const {
  BW_CHECK(inputs.size() == graph_.inputs.size());
  outputs.resize(graph_.outputs.size(), ValueId::none);
  std::map<ValueId, ValueId> made = {{ValueId::none, ValueId::none}};
  for (size_t i = 0; i < inputs.size(); ++i) made[graph_.inputs[i]] = inputs[i];
  for (size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i] != ValueId::none) made[graph_.outputs[i]] = outputs[i];
  auto value = [&](ValueId id) {
    if (const auto at = made.find(id); at != made.end()) return at->second;
    const Value& example = graph_.value(id);
    const std::string name = stem + "_" + example.name;
    return made[id] = example.is_constant() ? r.add_constant(name, example.constant) : r.add_value(name, example.dtype);
  };
  for (const Node& node : graph_.nodes) {
    std::vector<ValueId> from, to;
    for (const ValueId id : node.inputs) from.push_back(value(id));
    for (const ValueId id : node.outputs) to.push_back(value(id));
    const std::string name = node.name.empty() ? stem + "_" + graph_.value(node.outputs[0]).name : stem;
    r.add(node.op, from, to, name).attributes = node.attributes;
  }
  for (size_t i = 0; i < outputs.size(); ++i) outputs[i] = value(graph_.outputs[i]);
  return outputs;
}

std::optional<std::vector<ValueId>> Pattern::match(Rewriter& r, const std::vector<ValueId>& outputs) const {
  BW_CHECK(outputs.size() == graph_.outputs.size());
  Matcher matcher(graph_, r);
  for (size_t i = 0; i < outputs.size(); ++i)
    if (!matcher.same(graph_.outputs[i], outputs[i])) return {};
  std::vector<ValueId> inputs;
  for (const ValueId id : graph_.inputs) inputs.push_back(matcher.bound(id));
  return inputs;
}

}  // namespace bitwright
