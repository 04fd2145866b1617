// Reading a GraphProto: values first, then nodes, so that files whose nodes are out of order (they exist) are sorted instead
// of refused. Functions are inlined, Constant nodes become constants, old operator forms are upgraded by the operators
// themselves (Op::upgrade).
#pragma once

#include <map>
#include <optional>

#include "graph/graph.hpp"
#include "io/onnx/proto.hpp"
#include "ops/infer.hpp"

namespace bitwright::onnx {

using Reader = protozero::pbf_reader;
using Opsets = std::map<std::string, int64_t>;

inline std::string normal_domain(std::string domain) { return domain == "ai.onnx" ? "" : domain; }

struct Function {
  std::string name, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<Reader> nodes;
  Opsets opsets;
  std::vector<Reader> default_attributes;
};

using Functions = std::map<std::pair<std::string, std::string>, Function>;  // by domain and name

/// Everything reading one graph needs; nested graphs get a copy with `parent` set.
struct Scope {
  Graph* graph;
  const Scope* parent = nullptr;
  std::map<std::string, ValueId> names;
  std::string prefix;  // of names inside inlined functions
  const Opsets* opsets;
  const std::map<std::string, Attribute>* function_attributes = nullptr;
  int depth = 0;
  std::shared_ptr<ShapeWalk> walk = {};  // made for opsets below 7

  ValueId find(const std::string& name) const {
    for (const Scope* s = this; s; s = s->parent)
      if (const auto at = s->names.find(name); at != s->names.end()) return at->second;
    return ValueId::none;
  }
  /// An optional input that the call of a function leaves out.
  bool is_left_out(const std::string& name) const {
    for (const Scope* s = this; s; s = s->parent)
      if (const auto at = s->names.find(name); at != s->names.end()) return at->second == ValueId::none;
    return false;
  }
};

class GraphReader {
 public:
  GraphReader(Source source, const Functions& functions) : source_(std::move(source)), functions_(functions) {}

  /// Fills scope.graph. Throws Error{malformed, unsupported, resource} naming node or value.
  void read(Reader message, Scope& scope);

 private:
  struct RawNode {
    std::vector<std::string> inputs, outputs;
    std::vector<Reader> attributes;
    Node node;
  };

  struct RawAttribute {
    std::string name, ref;
    int64_t type = 0;
    std::optional<Attribute> one;
    std::vector<int64_t> ints;
    std::vector<float> floats;
    std::vector<std::string> strings;
  };

  Source source_;
  const Functions& functions_;
  int inlined_ = 0;
  size_t inlined_nodes_ = 0;

  void read_inputs(const std::vector<Reader>& inputs, Scope& scope);
  void read_outputs(const std::vector<Reader>& outputs, Scope& scope);
  void read_nodes(const std::vector<Reader>& readers, Scope& scope);
  static RawNode read_raw(Reader message);
  void add_node(RawNode& raw, Scope& scope);
  void inline_function(const Function& f, const Node& call, Scope& scope);
  void read_attribute(Reader message, Scope& scope, Node& node);
  RawAttribute read_raw_attribute(Reader message, Scope& scope);
  static Attribute value_of(RawAttribute& raw);
  std::shared_ptr<Graph> read_nested(Reader message, Scope& scope);
};

/// In the scope the value has this name. Error{malformed} if another has.
void name_value(Scope& scope, const std::string& name, ValueId id);
/// Makes a value of this name in the scope.
ValueId declare(Scope& scope, const std::string& name);

}  // namespace bitwright::onnx
