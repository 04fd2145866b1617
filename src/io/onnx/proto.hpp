// Field numbers of onnx.proto, and reading tools shared by the ONNX files here. The schema is read by hand over a mapped
// file (protozero), so no message is copied and there is no 2 GB limit.
#pragma once

#include <string>

#include "core/spill.hpp"
#include "io/onnx/external.hpp"
#include "io/onnx/protozero.hpp"

namespace bitwright::onnx {

namespace model_field {
enum : uint32_t { ir_version = 1, producer_name, producer_version, domain, version, doc, graph, opset_import,
                  metadata = 14, functions = 25 };
}
namespace opset_field {
enum : uint32_t { domain = 1, version };
}
namespace graph_field {
enum : uint32_t { node = 1, name, initializer = 5, doc = 10, input, output, value_info, sparse_initializer = 15, metadata };
}
namespace node_field {
enum : uint32_t { input = 1, output, name, op_type, attribute, doc, domain, overload };
}
namespace attribute_field {
enum : uint32_t { name = 1, f, i, s, t, g, floats, ints, strings, tensors, graphs, type = 20, ref_name, sparse_tensor };
}
namespace tensor_field {
enum : uint32_t { dims = 1, data_type, segment, float_data, int32_data, string_data, int64_data, name, raw_data,
                  double_data, uint64_data, doc, external_data, data_location };
}
namespace value_info_field {
enum : uint32_t { name = 1, type };
}
namespace type_field {
enum : uint32_t { tensor = 1 };
}
namespace tensor_type_field {
enum : uint32_t { elem_type = 1, shape };
}
namespace shape_field {
enum : uint32_t { dim = 1 };
}
namespace dim_field {
enum : uint32_t { value = 1, param };
}
namespace function_field {
enum : uint32_t { name = 1, input = 4, output, attribute, node, doc, opset_import, domain, attribute_proto };
}
namespace entry_field {
enum : uint32_t { key = 1, value };
}
namespace sparse_field {
enum : uint32_t { values = 1, indices, dims };
}

/// ModelProto.producer_name of what we write.
constexpr std::string_view kProducer = "bitwright";

/// Metadata "bitwright.state/INPUT" = OUTPUT: a pair of Graph::state.
inline const std::string kStateKey = "bitwright.state/";

/// Where tensors of a file may take their bytes from.
struct Source {
  std::shared_ptr<const void> keep;  // keeps the mapped model file alive
  std::shared_ptr<ExternalData> external;
  std::string file;                  // for messages
  std::shared_ptr<SpillFile> copies = std::make_shared<SpillFile>();  // of large tensors that are not aligned
};

/// A TensorProto as a Tensor: raw data that is aligned stays mapped, everything else is copied, to a file of its own if it is
/// large: memory that can be forgotten either way. `name` receives the
/// tensor's name. Error{malformed} when type, dims and data do not fit each other; Error{io} for external data.
Tensor read_tensor(protozero::pbf_reader message, const Source& source, std::string* name = nullptr);
/// A SparseTensorProto made dense.
Tensor read_sparse_tensor(protozero::pbf_reader message, const Source& source, std::string* name);

/// Appends the integers of a repeated field, packed or not.
void read_ints(protozero::pbf_reader& message, std::vector<int64_t>& out);

inline std::string text(protozero::pbf_reader& message) {
  const auto view = message.get_view();
  return {view.data(), view.size()};
}

}  // namespace bitwright::onnx
