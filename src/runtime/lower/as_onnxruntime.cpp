// The target `onnxruntime`: what ONNX Runtime's session, with the options it has by default on x86-64, leaves in float
// is computed in float here too, convolutions in its order of summation. (This rule sorts first, so it is asked first.)
//
// Such a session recodes signed 8-bit activations as unsigned where one reader alone sees them, and fuses an operator
// into an integer one only if its activations then have one type, for products the unsigned one. A value with two
// readers, at every residual connection, keeps signed codes: so the operators around it run in float. (The session
// option session.qdqisint8allowed=1 fuses them all; then the numbers are those of the target `integer`.)
#include "kernels/chain/chain.hpp"
#include "ops/convolution.hpp"
#include "runtime/lowering.hpp"

namespace bitwright {
namespace {

constexpr int64_t kChunk = 128;  // output positions unfolded at a time

/// The type that the codes of a value have in such a session; none when it is not quantized to 8 bits per tensor.
DType session_type(const Lowering& lowering, const Entry* entry, ValueId value) {
  if (!entry || entry->when != When::statically || entry->chain.empty()) return DType::none;
  const Grid& grid = entry->chain.back();
  if (!engine_grid(grid) || grid.format->bits > 8) return DType::none;
  return grid.format->is_signed && lowering.uses().of(value).size() > 1 ? DType::i8 : DType::u8;
}

DType input_type(const Lowering& lowering, const Node& node, size_t i) {
  const Entry* own = lowering.input_entry(node, i);
  return session_type(lowering, own ? own : lowering.output_entry(node.input(i)), node.input(i));
}

/// Where the result becomes codes: behind clamps that the range of the codes contains anyway, else nowhere.
DType output_type(const Lowering& lowering, const Node& node) {
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  const auto grid = lowering.output_grid(tail.value);
  if (!grid) return DType::none;
  const auto bound = [&](int32_t code) { return static_cast<float>(code - grid->zero) * grid->scale; };
  if (bound(grid->lo) < tail.lo || bound(grid->hi) > tail.hi) return DType::none;
  return session_type(lowering, lowering.output_entry(tail.value), tail.value);
}

std::string why_in_float(const Lowering& lowering, const Node& node) {
  const bool product = node.is("Conv") || node.is("MatMul") || node.is("Gemm");
  const bool two = node.is("Add") || node.is("Mul");
  if (node.is("ConvTranspose")) return "ONNX Runtime has no integer transposed convolution";
  if (!product && !two && !node.is("AveragePool") && !node.is("GlobalAveragePool")) return "";
  const DType x = input_type(lowering, node, 0), y = output_type(lowering, node);
  if (x == DType::none || y == DType::none) return "";  // float for us, too
  if (x != y) return str("ONNX Runtime does not fuse it: ", name_of(x), " in, ", name_of(y), " out");
  if (two && input_type(lowering, node, 1) != x) return "ONNX Runtime does not fuse it: its inputs have two types";
  const bool narrow = (node.is("Conv") || node.is("MatMul")) && x != DType::u8;
  return narrow ? "ONNX Runtime fuses it for unsigned activations only" : "";
}

/// Input position that tap `tap` of output position `at` reads, or -1 in the padding.
int64_t source(const Window& w, int64_t at, int64_t tap) {
  const auto o = Window::split(at, w.out), t = Window::split(tap, w.kernel);
  int64_t flat = 0;
  for (int d = 0; d < 3; ++d) {
    const auto i = static_cast<size_t>(d);
    const int64_t x = w.source(d, o[i], t[i]);
    if (x < 0 || x >= w.in[i]) return -1;
    flat = flat * w.in[i] + x;
  }
  return flat;
}

/// Rows (channel, tap) of kChunk output positions from `begin` on: what the weights are multiplied by.
void unfold(const Window& w, const float* image, int64_t channels, int64_t begin, int64_t count, float* to) {
  for (int64_t tap = 0; tap < w.taps(); ++tap)
    for (int64_t j = 0; j < count; ++j) {
      const int64_t at = source(w, begin + j, tap);
      for (int64_t c = 0; c < channels; ++c)
        to[(c * w.taps() + tap) * kChunk + j] = at < 0 ? 0.0f : image[c * w.in_size() + at];
    }
}

class ChainConvStep : public Step {
 public:
  Convolution conv;
  ChainKernel kernel = nullptr;

  void run(StepContext& context) const override {
    const Window& w = conv.w;
    const int64_t pixels = w.out_size(), chunks = (pixels + kChunk - 1) / kChunk;
    const int64_t channels = conv.channels / conv.groups, features = conv.features / conv.groups;
    const float* x = context.at(reads[0]).values<float>().data();
    ChainArgs args{.m = features, .k = channels * w.taps(), .b_stride = kChunk, .dst_stride = pixels};
    args.block = onnxruntime_block(pixels, args.k);
    context.rows(conv.batch * conv.groups * chunks, 1, [&](int64_t begin, int64_t end, std::byte* scratch) {
      ChainArgs mine = args;
      auto* rows = reinterpret_cast<float*>(scratch);
      mine.b = rows;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / chunks, group = image % conv.groups, first = i % chunks * kChunk;
        mine.n = std::min(kChunk, pixels - first);
        unfold(w, x + image * channels * w.in_size(), channels, first, mine.n, rows);
        mine.a = context.at(reads[1]).values<float>().data() + group * features * args.k;
        if (reads.size() > 2) mine.bias = context.at(reads[2]).values<float>().data() + group * features;
        mine.dst = context.at(writes[0]).values<float>().data() + image * features * pixels + first;
        kernel(mine);
      }
    });
  }
};

void lower_conv(Lowering& lowering, const Node& node, std::string why) {
  std::vector<Tensor> shapes;
  for (const ValueId id : node.inputs) shapes.push_back(id == ValueId::none ? Tensor() : *lowering.known(id));
  auto step = std::make_unique<ChainConvStep>();
  step->conv = read_convolution(OpContext(node, shapes, true), 0, 1, 2);
  const Convolution& conv = step->conv;
  const ChainRow& row = select_chain(lowering.options().isa);
  const int64_t k = conv.channels / conv.groups * conv.w.taps();
  step->kernel = row.kernel;
  step->scratch_bytes = k * kChunk * static_cast<int64_t>(sizeof(float));
  step->info.node = node.id;
  step->info.name = display_name(node);
  step->info.kernel = str("float Conv (", row.name, ")");
  step->info.macs = conv.batch * conv.features * conv.w.out_size() * k;
  step->info.notes = {std::move(why)};
  if (conv.groups > 1 && conv.features == conv.groups)
    step->info.notes.push_back("ONNX Runtime sums depthwise convolutions in another order");
  for (size_t i = 0; i < node.inputs.size(); ++i)
    if (node.inputs[i] != ValueId::none) step->reads.push_back(lowering.floats(node, i));
  const BufferId out = lowering.make(DType::f32, conv.output_shape());
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.define_raw(node.output(), out);
}

Reason lower_unfused(Lowering& lowering, const Node& node) {
  if (lowering.options().target != Target::onnxruntime) return "";
  std::string why = why_in_float(lowering, node);
  if (why.empty()) return "";
  const bool real = lowering.known(node.input(0))->dtype() == DType::f32;
  if (node.is("Conv") && real && lowering.known(node.output())->elements() > 0) {
    lower_conv(lowering, node, std::move(why));
  } else {
    lower_general(lowering, node, {std::move(why)});
  }
  return {};
}

const LoweringRule kRules[] = {{"*", lower_unfused, Stage::before_all}};

}  // namespace

std::span<const LoweringRule> lowerings_as_onnxruntime() { return kRules; }

}  // namespace bitwright
