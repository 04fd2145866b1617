#include "ops/emit.hpp"

namespace bitwright {

std::vector<ValueId> emit_many(UpgradeContext& u, const std::string& op, std::vector<ValueId> inputs, size_t outputs,
                               std::map<std::string, Attribute> attributes) {
  Node made;
  made.id = u.graph.new_node_id();
  made.op = op;
  made.name = str(u.node.name.empty() ? u.node.op : u.node.name, ".", op, u.before.size());
  made.inputs = std::move(inputs);
  made.attributes = std::move(attributes);
  for (size_t i = 0; i < outputs; ++i) made.outputs.push_back(u.graph.add_value(str(made.name, "_", i)));
  u.before.push_back(made);
  return made.outputs;
}

ValueId emit(UpgradeContext& u, const std::string& op, std::vector<ValueId> inputs,
             std::map<std::string, Attribute> attributes) {
  return emit_many(u, op, std::move(inputs), 1, std::move(attributes))[0];
}

void become(UpgradeContext& u, const std::string& op, std::vector<ValueId> inputs,
            std::map<std::string, Attribute> attributes) {
  u.node.op = op;
  u.node.domain.clear();
  u.node.inputs = std::move(inputs);
  u.node.attributes = std::move(attributes);
}

}  // namespace bitwright
