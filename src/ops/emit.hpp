// Upgrades that turn one old or foreign node into several canonical ones build them with this.
#pragma once

#include "ops/op.hpp"

namespace bitwright {

/// Adds a node before the one being upgraded and returns its (new) output.
ValueId emit(UpgradeContext& u, const std::string& op, std::vector<ValueId> inputs,
             std::map<std::string, Attribute> attributes = {});
/// The same with several outputs.
std::vector<ValueId> emit_many(UpgradeContext& u, const std::string& op, std::vector<ValueId> inputs, size_t outputs,
                               std::map<std::string, Attribute> attributes = {});
/// The upgraded node itself becomes `op` of ai.onnx with these inputs and attributes; its outputs stay.
void become(UpgradeContext& u, const std::string& op, std::vector<ValueId> inputs,
            std::map<std::string, Attribute> attributes = {});

}  // namespace bitwright
