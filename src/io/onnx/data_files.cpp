// Which files belong to a model: its message is walked, tensors are not read.
#include <algorithm>
#include <filesystem>

#include "io/onnx/onnx.hpp"
#include "io/onnx/proto.hpp"

namespace bitwright {
namespace onnx {
namespace {

using Reader = protozero::pbf_reader;

constexpr int kDeepest = 200;  // messages in messages

enum class Kind : uint8_t { model, function, graph, node, attribute, sparse, tensor, location };

/// Messages that hold others on the way to tensors.
struct Child {
  Kind in;
  uint32_t tag;
  Kind kind;
};
constexpr Child kChildren[] = {{Kind::model, model_field::graph, Kind::graph},
                               {Kind::model, model_field::functions, Kind::function},
                               {Kind::function, function_field::node, Kind::node},
                               {Kind::graph, graph_field::node, Kind::node},
                               {Kind::graph, graph_field::initializer, Kind::tensor},
                               {Kind::graph, graph_field::sparse_initializer, Kind::sparse},
                               {Kind::sparse, sparse_field::values, Kind::tensor},
                               {Kind::sparse, sparse_field::indices, Kind::tensor},
                               {Kind::node, node_field::attribute, Kind::attribute},
                               {Kind::attribute, attribute_field::t, Kind::tensor},
                               {Kind::attribute, attribute_field::g, Kind::graph},
                               {Kind::attribute, attribute_field::sparse_tensor, Kind::sparse},
                               {Kind::tensor, tensor_field::external_data, Kind::location}};

void read_location(Reader entry, std::set<std::string>& locations) {
  std::string key, value;
  while (entry.next()) {
    if (entry.tag() == entry_field::key) key = text(entry);
    else if (entry.tag() == entry_field::value) value = text(entry);
    else entry.skip();
  }
  if (key == "location") locations.insert(value);
}

void walk(Reader message, Kind kind, DataFiles& found, int depth) {
  while (depth < kDeepest && message.next()) {
    const auto child = std::find_if(std::begin(kChildren), std::end(kChildren),
                                    [&](const Child& c) { return c.in == kind && c.tag == message.tag(); });
    if (kind == Kind::model && message.tag() == model_field::producer_name) found.ours = text(message) == kProducer;
    else if (child == std::end(kChildren)) message.skip();
    else if (child->kind == Kind::location) read_location(message.get_message(), found.locations);
    else walk(message.get_message(), child->kind, found, depth + 1);
  }
}

}  // namespace
}  // namespace onnx

DataFiles data_files(const std::string& path) {
  const MappedFile file = MappedFile::open(path);
  DataFiles found;
  try {
    onnx::walk({reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}, onnx::Kind::model, found, 0);
  } catch (const protozero::exception&) {
    return {};
  }
  return found;
}

uint64_t bytes_on_disk(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto size_of = [&](const fs::path& file) {
    const auto size = fs::file_size(file, error);
    return error ? 0 : static_cast<uint64_t>(size);
  };
  uint64_t bytes = size_of(path);
  if (bytes == 0) return 0;
  for (const std::string& location : data_files(path).locations) bytes += size_of(fs::path(path).parent_path() / location);
  return bytes;
}

}  // namespace bitwright
