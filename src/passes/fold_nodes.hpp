// Shared by fold and materialise: Q/DQ nodes as Grids and Grids as Q/DQ nodes, and the patterns of integer operators.
#pragma once

#include <limits>
#include <optional>

#include "graph/node_names.hpp"
#include "graph/rewriter.hpp"
#include "passes/fold.hpp"

namespace bitwright {

bool is_quantize(const Node& node);
bool is_dequantize(const Node& node);

/// What scales may be: float32 where codes are computed with; constants that are only decoded may have 16-bit ones.
enum class Scales : uint8_t { f32, any_float };

/// The grid that a Q or DQ node with constant scale spells; `codes` is the type of its codes where known otherwise than from
/// the zero point. `why` says what is missing when there is none.
std::optional<Grid> grid_of(const Graph& graph, const Node& node, DType codes, std::string* why, Scales scales = Scales::f32);

/// Where the model's metadata hold a QuantizationNote (behind it the name of the DQ) and the profile.
inline const std::string kNoteKey = "bitwright.quantization/";
inline const std::string kProfileKey = "bitwright.profile";

/// The floats that a grid's outermost codes stand for, where a Clip of floats before Q says what the codes' type does not:
/// runtimes have no Clip of 16-bit codes. fl(fl(k s) / s) rounds to k for all |k| < 2^17, so Q of the clipped value is the
/// clipped code. Nothing for grids that want no such Clip (8-bit codes, all codes of the type) or that cannot have it.
std::optional<std::pair<float, float>> float_limits(const Grid& grid);

bool same_chain(std::span<const Grid> a, std::span<const Grid> b);

/// What ONNX nodes cannot say about an entry, as the text "int5 -15 15 tied 3".
struct QuantizationNote {
  const Format* format = nullptr;
  int32_t qmin = 0, qmax = 0;
  GroupId tied = 0;
};
/// Empty when there is nothing to say.
std::string note_of(const Entry& entry, const Grid& grid, bool constant);
/// A note that fits no format is ignored: files may say anything.
std::optional<QuantizationNote> read_note(const std::string& text);

using Metadata = std::map<std::string, std::string>;
/// Completes a grid by what the metadata note for the DQ of this name, where that fits the file's type and the codes.
void apply_note(const Metadata& metadata, const std::string& dq, Grid& grid, const Tensor* codes, GroupId& tied);

// ---- run-time quantization

/// ConvInteger and MatMulInteger between codes and the product of two scales become float operators with entries, run-time
/// ones behind DynamicQuantizeLinear.
void lift_integer_products(Rewriter& r, const Metadata& metadata, FoldReport& report);
/// The same where ordinary operators compute codes row by row.
void lift_dynamic_rows(Rewriter& r, const Metadata& metadata);

/// Codes of a value with the scale and zero point that were computed for it (per row: both f32).
struct DynamicCodes {
  ValueId codes, scale, zero;
};
DynamicCodes write_row_codes(Rewriter& r, ValueId x, const std::string& stem);
/// (codes - zero) * scale
ValueId write_row_values(Rewriter& r, const DynamicCodes& x, const std::string& stem);

/// The inverse of lifting for one operator whose data input has a run-time entry: ConvInteger or MatMulInteger with its
/// scales. False if the operator, its weights or their grid have no such form; then nothing has happened.
bool lower_dynamic(Rewriter& r, Node node, const DynamicCodes& x, bool per_row);

struct IntegerWeights {
  ValueId codes;
  Grid grid;
  NodeId unread;  // the DQ that no one else reads
};
void write_row_product(Rewriter& r, const DynamicCodes& x, const IntegerWeights& w, const std::string& stem, ValueId y);

/// com.microsoft.DynamicQuantizeLSTM with constant weights becomes an LSTM with codes and run-time entries.
void lift_dynamic_recurrent(Rewriter& r, const std::map<std::string, std::string>& metadata, FoldReport& report);
/// The hidden state of a recurrent cell whose input is quantized at run time and whose weights are codes is so, too.
void mark_hidden_states(Model& model);
/// The inverse for an LSTM whose weights are codes behind DQ; it gets a name if it has none, for what is noted of it. False,
/// and nothing has happened, where it has no such form.
bool lower_dynamic_recurrent(Rewriter& r, NodeId id, std::map<std::string, std::string>& metadata, NodeNames& names);

}  // namespace bitwright
