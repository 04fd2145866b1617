// State: values that a sequence of runs keeps from step to step. ONNX has no word for it: networks show their state as
// inputs (h, past_key_values.0.key) beside outputs (hn, present.0.key), and whoever calls them feeds one from the other.
// Here the Graph says which belong together, and a Run keeps the values (runtime/program.hpp). Files written by us carry
// the pairs in their metadata; in files of others they are found by name or declared by the user.
#pragma once

#include <span>

#include "graph/graph.hpp"

namespace bitwright {

/// Declares pairs "input=output"; the single word "none" forgets all that are declared. Error{usage} names the pair whose
/// input or output does not exist (with the nearest name), differs in type or shape, or has a partner already.
void declare_state(Graph& graph, std::span<const std::string> pairs);

/// Declares every pair whose names differ only in words for coming and going (h0 and hn, in_state and out_state,
/// past_key_values.0.key and present.0.key), whose names speak of state (state, hidden, cell, cache, h, c, ...), and whose
/// type and shape agree; only where the partner is the single one on both sides and an input and an output are left that
/// are no state. Returns the number of pairs found.
size_t find_state(Graph& graph);

/// "input 'h' takes output 'hn' of the step before", one per pair.
std::vector<std::string> describe_state(const Graph& graph);
/// Outputs without a partner that could be the state of this input, by type and shape: what a hint may offer.
std::vector<std::string> state_candidates(const Graph& graph, const std::string& input);

}  // namespace bitwright
