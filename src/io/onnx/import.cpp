// ModelProto -> Model.
#include <filesystem>

#include "core/mapped_file.hpp"
#include "graph/state.hpp"
#include "io/onnx/import_graph.hpp"
#include "io/onnx/onnx.hpp"

namespace bitwright {
namespace onnx {
namespace {

class Importer {
 public:
  explicit Importer(Model& model) : model_(model) {}

  void read(Reader message, Source source) {
    std::vector<Reader> graphs;
    while (message.next()) {
      switch (message.tag()) {
        case model_field::ir_version: model_.info.ir_version = message.get_int64(); break;
        case model_field::producer_name: model_.info.producer = text(message); break;
        case model_field::producer_version: model_.info.producer_version = text(message); break;
        case model_field::domain: model_.info.domain = text(message); break;
        case model_field::version: model_.info.version = message.get_int64(); break;
        case model_field::doc: model_.info.doc = text(message); break;
        case model_field::graph: graphs.push_back(message.get_message()); break;
        case model_field::opset_import: read_opset(message.get_message(), model_.info.opsets); break;
        case model_field::metadata: read_metadata(message.get_message()); break;
        case model_field::functions: read_function(message.get_message()); break;
        default: message.skip();
      }
    }
    if (graphs.size() != 1) fail(ErrorCode::malformed, "holds ", graphs.size(), " graphs: not an ONNX model");
    if (!model_.info.opsets.count("")) model_.info.opsets[""] = 1;
    const int64_t opset = model_.info.opsets[""];
    if (opset > kNewestOpset)
      model_.info.notes.push_back(str("opset ", opset, " is newer than ", kNewestOpset, ": operators are read as of that"));
    if (opset < 7) model_.info.notes.push_back(str("opset ", opset, " is older than 7: operators are brought into their newer forms"));
    Scope scope{.graph = &model_.graph, .opsets = &model_.info.opsets};
    GraphReader(std::move(source), functions_).read(graphs[0], scope);
    if (model_.graph.outputs.empty()) fail(ErrorCode::malformed, "the graph has no outputs");
    read_state();
  }

 private:
  static constexpr int64_t kNewestOpset = 25;  // which added types only

  static void read_opset(Reader message, Opsets& opsets) {
    std::string domain;
    int64_t version = 1;
    while (message.next()) {
      switch (message.tag()) {
        case opset_field::domain: domain = text(message); break;
        case opset_field::version: version = message.get_int64(); break;
        default: message.skip();
      }
    }
    opsets[normal_domain(domain)] = version;
  }

  void read_metadata(Reader message) {
    std::string key, value;
    while (message.next()) {
      switch (message.tag()) {
        case entry_field::key: key = text(message); break;
        case entry_field::value: value = text(message); break;
        default: message.skip();
      }
    }
    model_.info.metadata[key] = value;
  }

  // What export.cpp wrote: bitwright.state/INPUT = OUTPUT. Pairs that do not fit the graph are left out, with a note.
  void read_state() {
    auto& metadata = model_.info.metadata;
    for (auto at = metadata.lower_bound(kStateKey); at != metadata.end() && at->first.rfind(kStateKey, 0) == 0;) {
      const std::string pair = at->first.substr(kStateKey.size()) + "=" + at->second;
      try {
        declare_state(model_.graph, {&pair, 1});
      } catch (const Error& e) {
        model_.info.notes.push_back(e.what());
      }
      at = metadata.erase(at);
    }
  }

  void read_function(Reader message) {
    Function f;
    while (message.next()) {
      switch (message.tag()) {
        case function_field::name: f.name = text(message); break;
        case function_field::domain: f.domain = normal_domain(text(message)); break;
        case function_field::input: f.inputs.push_back(text(message)); break;
        case function_field::output: f.outputs.push_back(text(message)); break;
        case function_field::node: f.nodes.push_back(message.get_message()); break;
        case function_field::opset_import: read_opset(message.get_message(), f.opsets); break;
        case function_field::attribute_proto: f.default_attributes.push_back(message.get_message()); break;
        default: message.skip();
      }
    }
    functions_[{f.domain, f.name}] = std::move(f);
  }

  Model& model_;
  Functions functions_;
};

}  // namespace
}  // namespace onnx

namespace {

Model read_bytes(std::span<const std::byte> bytes, const std::string& name, onnx::Source source) {
  Model model;
  try {
    if (bytes.empty()) fail(ErrorCode::malformed, "is empty");
    onnx::Importer(model).read({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, std::move(source));
    verify(model.graph);
  } catch (const protozero::unknown_pbf_wire_type_exception&) {
    fail(ErrorCode::malformed, name, ": is not an ONNX model or is cut off: its bytes are no fields");
  } catch (const protozero::exception& e) {
    fail(ErrorCode::malformed, name, ": is not an ONNX model or is cut off: ", e.what());
  } catch (const Error& e) {
    throw e.within(name);
  }
  return model;
}

}  // namespace

Model read_onnx(const std::string& path) {
  const MappedFile file = MappedFile::open(path);
  std::string folder = std::filesystem::path(path).parent_path().string();
  if (folder.empty()) folder = ".";
  return read_bytes(file.bytes, path, {file.keep, std::make_shared<onnx::ExternalData>(folder), path});
}

Model read_onnx(std::span<const std::byte> bytes, const std::string& name) {
  return read_bytes(bytes, name, {nullptr, std::make_shared<onnx::ExternalData>(""), name});
}

}  // namespace bitwright
