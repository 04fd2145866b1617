// ONNX files in and out. Reading gives the Graph in canonical form (operators of the newest opset), with Q/DQ still as
// nodes: passes/fold.hpp moves them into the Quantization.
#pragma once

#include <optional>
#include <set>

#include "graph/quantization.hpp"

namespace bitwright {

/// Reads an ONNX model, opset 7 to 23 (older ones as far as before_7.hpp goes), with external data beside it. Weights stay mapped from the file where aligned.
/// Throws Error{io, malformed, unsupported} that names file and node.
Model read_onnx(const std::string& path);
/// The same from memory (fuzzing, tests); external data are refused. The bytes must outlive the model.
Model read_onnx(std::span<const std::byte> bytes, const std::string& name);

struct OnnxWriteOptions {
  std::optional<int> opset;             // lowest that holds the graph, at least 13, if not given
  size_t external_above = 1900u << 20;  // a file larger than this many bytes gets its tensors in <file>.data
};
struct OnnxWritten {
  int opset = 0;
  size_t bytes = 0;  // model and external data
};
/// Writes a graph (Q/DQ as nodes: see materialise). Throws Error{unsupported} naming the node that the opset cannot
/// express, Error{io}. The file appears whole or not at all.
OnnxWritten write_onnx(const Model& model, const std::string& path, const OnnxWriteOptions& options = {});

/// The files with tensors of a model, as it names them, and whether it was written by us. What is no ONNX file has none.
/// Error{io} where it cannot be opened.
struct DataFiles {
  bool ours = false;
  std::set<std::string> locations;  // relative to the model's folder
};
DataFiles data_files(const std::string& path);
/// Bytes of a model and of the files with its tensors; 0 where there is none.
uint64_t bytes_on_disk(const std::string& path);

namespace onnx {
/// A file that holds one TensorProto (.pb).
Tensor read_tensor_file(const std::string& path);
}

}  // namespace bitwright
