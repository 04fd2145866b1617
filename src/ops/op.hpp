// An operator is one entry of a table: what it is called, how old forms become the canonical one, how it is computed,
// how quantizers treat it. To add operators, add one file to ops/catalogue/: file `<stem>.cpp` defines
//
//     std::span<const Op> ops_<stem>();          // one operator, or a family that shares one implementation
//
// The computation (`run`) is written once and serves as shape inference too. It asks for its outputs by type and shape,
// returns early when only shapes are wanted, and then fills them:
//
//     void run_relu(OpContext& c) {
//       Tensor& y = c.output(0, c.input(0).dtype(), c.input(0).shape());
//       if (c.shape_only()) return;
//       ...
//     }
//
// In shape-only mode inputs have types and shapes, and contents only where they are constants. An operator whose output
// shape depends on the contents of an input (Reshape, TopK) asks for them with c.data(i) before c.output(): where they are
// not known this throws DataNeeded, and a Program that holds the node becomes dynamic.
#pragma once

#include <functional>
#include <span>

#include "core/threads.hpp"
#include "graph/graph.hpp"

namespace bitwright {

/// Thrown by OpContext::data in shape-only mode; caught by shape inference, never seen by users.
struct DataNeeded {};

/// Runs a nested graph on given inputs: provided by whoever executes the node.
using RunNested = std::function<std::vector<Tensor>(const Graph& nested, std::span<const Tensor> inputs)>;

class CellProducts;

class OpContext {
 public:
  OpContext(const Node& node, std::span<const Tensor> inputs, bool shape_only, Threads* threads = nullptr)
      : node_(node), inputs_(inputs), outputs_(node.outputs.size()), shape_only_(shape_only), threads_(threads) {}

  const Node& node() const { return node_; }
  bool shape_only() const { return shape_only_; }

  size_t input_count() const { return inputs_.size(); }
  bool has(size_t i) const { return i < inputs_.size() && !inputs_[i].empty(); }
  /// Input i: type and shape always, contents unless shape_only. Error{malformed} if it is left out.
  const Tensor& input(size_t i) const;
  /// Input i with contents; see DataNeeded.
  const Tensor& data(size_t i) const;

  bool wants(size_t i) const { return i < node_.outputs.size() && node_.outputs[i] != ValueId::none; }
  /// Makes output i, or takes the memory that the caller prepared for it. Outputs that nobody wants are made all the same.
  Tensor& output(size_t i, DType type, Shape shape);
  /// Output i shares the memory of `tensor` (Identity, Reshape): allowed where nobody prepared memory, else copied.
  void forward(size_t i, const Tensor& tensor);

  /// Work in chunks: f(begin, end) over [0, count); results must not depend on the cut.
  void parallel(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> f) const;

  [[noreturn]] void malformed(std::string_view what) const;
  [[noreturn]] void unsupported(std::string_view what) const;

  RunNested run_nested;           // empty unless the executor can run sub-graphs
  std::vector<Tensor> prepared;   // memory for outputs, by index; may be empty
  const CellProducts* cell_products = nullptr;  // integer weights of a recurrent operator, see recurrent.hpp
  std::vector<Tensor> take_outputs() { return std::move(outputs_); }

 private:
  const Node& node_;
  std::span<const Tensor> inputs_;
  std::vector<Tensor> outputs_;
  bool shape_only_;
  Threads* threads_;
};

/// What changes a node of an old opset into the canonical form. May add constants and nodes before it.
struct UpgradeContext {
  Graph& graph;
  Node& node;
  int opset;                  // of the file, for the node's domain
  std::vector<Node>& before;  // nodes to insert before this one
  std::vector<Node>& after;   // and after

  /// Turns attribute `key` (ints) into constant input `index` (i64 vector), if it is there.
  void attribute_to_input(const std::string& key, size_t index);
  ValueId constant(const std::string& suffix, Tensor tensor);
};

/// How the quantizer treats an operator (docs/quantization.md, "Which values get a grid").
struct QuantRule {
  enum class Kind : uint8_t {
    floating,   // stays float
    linear,     // weights x activations with int32 accumulators: Conv, Gemm, MatMul
    shared,     // codes pass through: all inputs and outputs share one grid (MaxPool, Reshape, Concat)
    rescale,    // computed on codes, own output grid: Add, Mul, AveragePool
    table,      // one 8-bit input, any function: a table; own output grid
    fixed,      // as table, output grid known beforehand: Sigmoid, Softmax
  };
  Kind kind = Kind::floating;
  std::vector<uint16_t> data_inputs = {0};  // inputs that carry activations (empty = all)
  int weight_input = -1;                    // linear: the constant that becomes codes
  int bias_input = -1;
  int weight_axis = 0;                      // output channel axis of the weights
  float fixed_min = 0, fixed_max = 0;       // fixed: range of the output
  bool clamp_only = false;                  // an activation that a linear operator's requantize absorbs (Relu, Clip)
};

struct Op {
  std::string_view name;
  std::string_view domain = "";
  int min_inputs = 1, max_inputs = 1;    // -1: any number
  int min_outputs = 1, max_outputs = 1;
  int since = 1;                         // lowest opset in which the canonical form is legal
  void (*run)(OpContext&) = nullptr;
  void (*upgrade)(UpgradeContext&) = nullptr;
  /// For exporting below `since`: changes node to the form of `opset`; returns false when it has none.
  bool (*downgrade)(UpgradeContext&) = nullptr;
  QuantRule quant = {};
  bool deterministic = true;             // false: random numbers, never folded
};

/// The operator of a node, or nullptr for one we do not know.
const Op* find_op(std::string_view domain, std::string_view name);
std::vector<const Op*> all_ops();

/// op.run, with the node's name on errors that do not have one: those of tensors.
void run_operator(const Op& op, OpContext& context);
/// Types and shapes of a node's outputs for given inputs (contents where known). Empty optional: they depend on data.
/// Throws Error naming the node for an unknown operator, wrong arity or inputs that do not fit.
bool infer_outputs(const Node& node, std::span<const Tensor> inputs, std::vector<Tensor>& outputs);
/// Computes a node; the outputs are fresh tensors.
std::vector<Tensor> evaluate(const Node& node, std::span<const Tensor> inputs, Threads* threads = nullptr,
                             const RunNested& run_nested = {});

/// Plain interpreter: computes a whole graph node by node. `outer` finds values of enclosing graphs.
std::vector<Tensor> interpret(const Graph& graph, std::span<const Tensor> inputs, Threads* threads = nullptr,
                              const std::function<Tensor(ValueId)>& outer = {});

// ---- helpers that many operators use

/// Axis in [0, rank); Error{malformed} naming the node otherwise.
int64_t normal_axis(const OpContext& c, int64_t axis, int64_t rank);
/// Numpy broadcasting of two shapes; Error{mismatch} naming the node.
Shape broadcast_shapes(const OpContext& c, std::span<const int64_t> a, std::span<const int64_t> b);

}  // namespace bitwright
