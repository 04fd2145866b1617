// `bitwright explain TOPIC`: a topic is one file here that prints some of the arithmetic, on numbers that the user types or on
// a layer of a network.
#pragma once

#include "shared.hpp"

namespace bitwright::cli {

struct ExplainArgs {
  std::string topic, type, mode;  // of bits, of qparams; empty: not given
  std::vector<std::string> words;  // after the topic
  int64_t bits = 0;                // likewise
  DataArgs data;
};

struct Topic {
  std::string_view name, about;
  void (*explain)(const ExplainArgs& args, const Context& c);
};

extern const Topic kTopicBits, kTopicQParams, kTopicLayer, kTopicData, kTopicFormats, kTopicChoices, kTopicPresets, kTopicPasses;

/// The words as numbers. Error{usage} for a word that is none, or without words.
std::vector<double> numbers(const ExplainArgs& args);
/// A table as text or, with --json, as a list of its rows under `name`.
void print_table(const Context& c, const std::string& name, const TextTable& table);

}  // namespace bitwright::cli
