// A Recipe says everything about a quantization except the model and the data: one plain struct with one TOML and one JSON
// form, shared by command line and library and embedded in every model that is written. It starts from a preset, and each
// key changes one thing:
//
//   version = 1
//   preset = "fbgemm"
//   [activation]
//   observer = "percentile"
//   [[override]]
//   match = "layer1.*"
//   quantize = false
#pragma once

#include "calibrate/calibrate.hpp"
#include "io/data/options.hpp"
#include "io/document/document.hpp"
#include "passes/fold.hpp"
#include "quant/presets.hpp"

namespace bitwright {

struct Recipe {
  static constexpr int64_t kVersion = 1;

  int64_t version = kVersion;
  std::string preset = "bitwright";
  Rules rules;                          // method, schemes, exceptions
  ObserverOptions observer;             // percentile, bins
  std::string weight_observer = "minmax";
  Profile profile = Profile::ort;
  int64_t seed = 0;
  int64_t samples = 512;                // calibration records at most
  int64_t batch = 16;                   // records per calibration batch
  std::vector<std::string> skip_passes; // by name
  std::vector<std::string> extents;     // "NAME=NUMBER": free extents of the network made fixed
  std::vector<std::string> state;       // "input=output" pairs that the network keeps from step to step; or "none"
  int64_t opset = 0;                    // of the written file; 0: the lowest that holds the network
  QuantizedStyle style = QuantizedStyle::qdq;  // of the written file
  DataOptions data;

  Recipe() : Recipe(preset_named("bitwright")) {}
  explicit Recipe(const Preset& preset);
};

/// A preset by name, or a .toml or .json file. Errors: usage (unknown preset, key or word, with the nearest), io, malformed.
Recipe load_recipe(const std::string& preset_or_path);
/// `where` names the text in messages.
Recipe recipe_from(const Document& document, const std::string& where);
Document to_document(const Recipe& recipe);

/// A choice by the word that recipes use for it: "static", "ort", "float", "qdq". `what` begins the message. Error{usage}.
void read_word(std::string_view what, std::string_view word, Method& choice);
void read_word(std::string_view what, std::string_view word, Profile& choice);
void read_word(std::string_view what, std::string_view word, Edge& choice);
void read_word(std::string_view what, std::string_view word, QuantizedStyle& choice);

/// Sets format, granularity and group from a short word: "int8", "uint8", "fp16", "int4/32" (groups of 32),
/// "int8/tensor", "int8/channel". Error{usage}.
void set_format(Scheme& scheme, const std::string& word);

}  // namespace bitwright
