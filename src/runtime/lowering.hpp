// Lowering: from nodes and the table to steps. One file per operator family under lower/ defines
//
//     std::span<const LoweringRule> lowerings_<stem>();
//
// A rule looks at one node, and either adds steps for it and says nothing, or returns why it does not apply; then the next
// rule for that operator is asked, and at last the general one (lower/general.cpp), which computes any operator in float.
//
// Values have forms. `raw`: what a node computed, before its output entry. `floats`: after it, as float32 (or whatever type
// the value has). `codes`: after it, as integers on the entry's grid, plain or channels-last. Rules ask for the form they
// want; steps that convert are added on demand and shared.
#pragma once

#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "ops/op.hpp"
#include "runtime/engine_grid.hpp"
#include "runtime/move.hpp"

namespace bitwright {

/// Whether an entry changes values beforehand, so that codes or rounded floats exist before the consumer runs.
inline bool is_static(const Entry* entry) { return entry && entry->when != When::at_run && !entry->chain.empty(); }
inline bool is_at_run(const Entry* entry) { return entry && entry->when == When::at_run; }

enum class Order : uint8_t { plain, channels_last };

/// Why a rule does not apply; empty: it did.
using Reason = std::optional<std::string>;

class Lowering {
 public:
  Lowering(const Model& model, const CompileOptions& options, std::span<const Shape> input_shapes, Plan& plan,
           SharedConstants& shared);
  void run();

  const Graph& graph() const { return model_.graph; }
  const Quantization& table() const { return model_.quantization; }
  const Uses& uses() const { return uses_; }
  const CompileOptions& options() const { return options_; }
  bool simulated() const { return options_.target == Target::simulated; }

  /// Type and shape of a value, contents too if constant; nullptr when only the run will tell.
  const Tensor* known(ValueId value) const;
  const Tensor* constant(ValueId value) const;

  // ---- the table, as rules want to see it (always empty for the floating target)
  const Entry* input_entry(const Node& node, size_t i) const;
  const Entry* output_entry(ValueId value) const;
  /// The grid of the codes that input i of the node carries, if it is one the engine knows.
  std::optional<EngineGrid> input_grid(const Node& node, size_t i) const;
  std::optional<EngineGrid> output_grid(ValueId value) const;

  // ---- forms of inputs
  /// As the node computes with them: after its own entry, on the grid of this run where that is made at run time.
  BufferId floats(const Node& node, size_t i, Order order = Order::plain);
  BufferId codes(const Node& node, size_t i, Order order);
  /// As they come, for a node that makes its own codes of them.
  BufferId before_entry(const Node& node, size_t i, Order order) { return value_floats(node.input(i), order); }
  /// A value as a nested graph reads it.
  BufferId plain_floats(ValueId value) { return value_floats(value); }
  bool prefers_channels_last(const Node& node, size_t i) const;
  /// Where the codes or floats of input i lie, plain axes, in whatever order they were made; nothing where a view cannot be:
  /// shapes known at run time only, no elements, elements that are no whole bytes.
  std::optional<Seen> seen_codes(const Node& node, size_t i);
  std::optional<Seen> seen_floats(const Node& node, size_t i);
  /// The step that makes the codes of input i writes them to `place`, a part of the channels of an image in another buffer.
  /// False where it cannot, or where they have been read already.
  bool write_codes_into(const Node& node, size_t i, const Seen& place);
  /// A copy of the view's elements side by side, or where they are so: the view that any shape can be made of.
  Seen together(const Seen& seen) { return {gather(seen, Order::plain), MemoryView::dense(seen.view.shape())}; }
  /// A new buffer in this order for a value of this shape, and all of it.
  Seen make_seen(DType type, const Shape& shape, Order order);

  /// Whether the floats of input i are known now, and those (decoded where the table has codes).
  bool has_constant(const Node& node, size_t i) const;
  Tensor constant_floats(const Node& node, size_t i) const;

  const Tensor& described(BufferId buffer) const { return plan_.buffers[static_cast<size_t>(buffer)].tensor; }
  /// What kernels may use.
  Isa isa() const { return simulated() ? Isa::ref : options_.isa; }
  KernelWish wish(const std::string& problem) const;

  // ---- what a rule makes
  BufferId make(DType type, Shape shape);
  BufferId make_constant(Tensor tensor);
  /// A buffer whose type and shape only the run will tell.
  BufferId make_unknown();
  /// The node's own result, before the output entry.
  void define_raw(ValueId value, BufferId buffer, Order order = Order::plain);
  /// The same where the node has moved nothing: the result is part of what an earlier step made.
  void define_raw(ValueId value, Seen seen);
  void define_codes(ValueId value, Seen seen);
  /// The result as floats that already lie on the output grid (simulated target).
  void define_floats(ValueId value, BufferId buffer);
  /// The result on the value's own (output) grid.
  void define_codes(ValueId value, BufferId buffer, Order order);
  /// Where the step that makes the value leaves its range (runtime/ranges.hpp), if it does.
  BufferId range(ValueId value) const { return ranges_.count(value) ? ranges_.at(value) : kNoBuffer; }
  void define_range(ValueId value, BufferId buffer) { ranges_[value] = buffer; }
  void define_known(ValueId value, Tensor tensor) { known_[value] = std::move(tensor); }

  /// make() once for all plans of the Program, under the node and what the result depends on besides the model (a kernel's
  /// name, a clamp's limits). A node whose parameters follow from the shapes of the call gets its own. What is made may have
  /// keep_in(KeptMemory&), which moves its weights there.
  template <class Make>
  auto shared(const Node& node, const std::string& purpose, Make make) -> std::shared_ptr<const decltype(make())> {
    using T = decltype(make());
    if (!has_stored_parameters(node)) return std::make_shared<const T>(make());
    std::shared_ptr<const void>& kept = shared_.made[{node.id, purpose}];
    if (!kept) {
      auto made = std::make_shared<T>(make());
      if constexpr (requires { made->keep_in(shared_.memory); }) made->keep_in(shared_.memory);
      kept = std::move(made);
    }
    return std::static_pointer_cast<const T>(kept);
  }

  template <class S>
  S& add(std::unique_ptr<S> step) {
    S& added = *step;
    plan_.steps.push_back(std::move(step));
    return added;
  }

  // ---- fusing activations that only clamp
  struct Tail {
    ValueId value = ValueId::none;  // the last value of the chain: what the fused step defines
    float lo = -INFINITY, hi = INFINITY;
    std::vector<NodeId> absorbed;
    std::string names;              // " + Relu"
    std::string key() const { return str(lo, " ", hi); }
  };
  /// Follows a value through clamp-only activations as long as nothing else looks at what lies between, up to the first
  /// value with an output entry.
  Tail clamp_tail(ValueId value) const;
  void absorb(const Tail& tail) { done_.insert(tail.absorbed.begin(), tail.absorbed.end()); }

  /// The node needs no lowering of its own. Steps that nobody reads then are dropped at the end.
  void absorb(NodeId node) { done_.insert(node); }
  /// The node that alone reads a value, where nothing else (a tap, an output, a nested graph) sees it; else null.
  const Node* only_reader(ValueId value) const;
  /// The node that computes a value, or null.
  const Node* producer(ValueId value) const;
  /// Whether steps so far have made the value in some form.
  bool exists(ValueId value) const { return forms_.count(value) != 0; }

 private:
  /// One buffer per order, made on demand; or where it lies in others.
  struct Form {
    BufferId in[2] = {kNoBuffer, kNoBuffer};
    std::shared_ptr<const Seen> seen;
    BufferId& operator[](Order order) { return in[static_cast<size_t>(order)]; }
    BufferId operator[](Order order) const { return in[static_cast<size_t>(order)]; }
    bool exists() const { return in[0] != kNoBuffer || in[1] != kNoBuffer || seen; }
    /// An order in which it exists or is made with least effort, the wanted one if possible.
    Order nearest(Order wanted) const;
    static Order other(Order order) { return order == Order::plain ? Order::channels_last : Order::plain; }
  };
  struct Forms {
    Form raw, floats, codes;
  };

  void arrange(const Graph& scope);
  bool take_branch(const Node& node);
  void lower(const Node& node);
  void tell_refusals(const Node& node, const std::vector<std::string>& refusals);
  bool has_stored_parameters(const Node& node) const;
  bool fold(const Node& node);
  void infer(const Node& node);
  BufferId result(ValueId value);
  void own_states();
  void drop_unread();
  void tap(ValueId value);
  bool is_seen_elsewhere(BufferId id, const Form& form) const;
  bool is_tapped(ValueId value) const { return tapped_.count(value) != 0; }
  BufferId in_order(Form& form, Order order);
  /// The view's elements side by side: part of its buffer where they lie so, else a copy.
  BufferId gather(const Seen& seen, Order order);
  BufferId make_alias(BufferId of, Shape shape, int64_t bytes);
  std::optional<Seen> seen(const Form& form) const;
  Form& floats_form(ValueId value, Order order);
  Form& floats_form(const Node& node, size_t i, Order order);
  Form& codes_form(ValueId value, Order order);
  Form& codes_form(const Node& node, size_t i, Order order);
  Form& run_time_form(ValueId value, bool per_row);
  BufferId value_floats(ValueId value, Order order = Order::plain) { return in_order(floats_form(value, order), order); }
  BufferId quantized(BufferId floats, const EngineGrid& grid);
  BufferId quantized_pixels(BufferId floats, const EngineGrid& grid);
  BufferId through_chain(BufferId floats, std::span<const Grid> chain);
  BufferId make_like(BufferId floats);

  const Model& model_;
  const CompileOptions& options_;
  Plan& plan_;
  SharedConstants& shared_;
  Uses uses_;
  std::unordered_map<ValueId, Tensor> known_;
  std::unordered_map<ValueId, Forms> forms_;
  std::unordered_map<ValueId, BufferId> ranges_;
  std::map<Site, Forms> site_forms_;
  std::map<std::pair<ValueId, bool>, Form> run_time_forms_;  // floats on the run's grid, per row or not
  /// What to lower, in order: nodes, those of the branch that an If takes among them, and then what the If makes of it.
  struct Item {
    const Node* node;
    const Graph* taken = nullptr;
  };
  std::vector<Item> order_;
  std::unordered_map<ValueId, Site> producer_;
  std::unordered_set<NodeId> done_;
  std::unordered_set<ValueId> tapped_;
};

/// Rules are asked stage by stage, within a stage in the order of their files: codes before floats, and of those our own
/// kernels before what computes an operator as the catalogue does.
enum class Stage : uint8_t { before_all, codes, float_kernels, floats };

struct LoweringRule {
  std::string_view op;  // "" domain; "*": asked for every operator
  Reason (*lower)(Lowering& lowering, const Node& node);
  Stage stage = Stage::codes;
};

/// The rules for an operator, in the order they are asked.
std::vector<const LoweringRule*> lowering_rules(const Node& node);
/// Computes any operator through its catalogue entry, in float or whatever type its inputs have.
void lower_general(Lowering& lowering, const Node& node, std::vector<std::string> refusals);

/// A step that computes a node through its catalogue entry on the given buffers.
std::unique_ptr<Step> operator_step(const Node& node, std::vector<BufferId> inputs, std::vector<BufferId> outputs,
                                    std::shared_ptr<const CellProducts> products = {});

// ---- steps that convert
std::unique_ptr<Step> quantize_step(BufferId src, BufferId dst, const EngineGrid& grid);
/// From floats of shape `plain` = [N, C, ...] to codes channels last.
std::unique_ptr<Step> quantize_pixels_step(BufferId src, BufferId dst, const EngineGrid& grid, const Shape& plain, Isa isa);
std::unique_ptr<Step> dequantize_step(BufferId src, BufferId dst, const EngineGrid& grid);
std::unique_ptr<Step> fake_quantize_step(BufferId src, BufferId dst, const Grid& grid);
/// The floats that DynamicQuantizeLinear and DequantizeLinear make, with one range for all or one per row of the last axis.
std::unique_ptr<Step> fake_quantize_at_run_step(BufferId src, BufferId dst, bool per_row, Isa isa);
/// [N,C,...] -> [N,...,C]
Shape channels_last_shape(const Shape& plain);

}  // namespace bitwright
