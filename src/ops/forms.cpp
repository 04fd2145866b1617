#include "ops/forms.hpp"

namespace bitwright {

const Tensor* constant_input(const UpgradeContext& u, size_t index) {
  const ValueId id = u.node.input(index);
  return id != ValueId::none && u.graph.has_value(id) ? u.graph.constant(id) : nullptr;
}

const Shape* known_shape(const UpgradeContext& u, size_t index) {
  const ValueId id = u.node.input(index);
  if (id == ValueId::none || !u.graph.has_value(id)) return nullptr;
  const Value& value = u.graph.value(id);
  return value.has_shape || value.is_constant() ? &value.shape : nullptr;
}

bool input_to_attribute(UpgradeContext& u, size_t index, const std::string& key) {
  if (u.node.input(index) != ValueId::none) {
    const Tensor* constant = constant_input(u, index);
    if (!constant) return false;
    u.node.attributes[key] = values_as_int(*constant);
  }
  if (index < u.node.inputs.size()) u.node.inputs[index] = ValueId::none;
  while (!u.node.inputs.empty() && u.node.inputs.back() == ValueId::none) u.node.inputs.pop_back();
  return true;
}

bool drop_attribute(UpgradeContext& u, const std::string& key, int64_t value) {
  const auto at = u.node.attributes.find(key);
  if (at == u.node.attributes.end()) return true;
  const auto* held = std::get_if<int64_t>(&at->second);
  if (!held || *held != value) return false;
  u.node.attributes.erase(at);
  return true;
}

}  // namespace bitwright
