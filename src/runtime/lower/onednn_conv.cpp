// Float convolution on oneDNN, channels last. (The name sorts behind "convolution": codes are asked first.)
//
// An image is cut into strips of output rows, each about kStripMacs of work; a strip reads its rows of the source with
// as much padding as falls to it, so at most three kinds of strips (top, middle, bottom) are compiled.
#include "ops/window.hpp"
#include "runtime/onednn.hpp"

namespace bitwright {
namespace {

#ifdef BITWRIGHT_WITH_ONEDNN

using Dims = dnnl::memory::dims;
using Tag = dnnl::memory::format_tag;

struct Strip {
  int64_t out0 = 0, outs = 0;  // output rows
  int64_t in0 = 0, ins = 0;    // source rows
  int64_t top = 0, bottom = 0;  // padding
  size_t kind = 0;              // index into primitives
};

struct Kind {
  dnnl::convolution_forward::primitive_desc desc;
  dnnl::primitive primitive;
};

struct Shape2d {
  int64_t n, c, h, w, oc, oh, ow, groups, kh, kw, sh, sw, dh, dw;
  Dims pads;  // top, left, bottom, right
};

class OneDnnConvStep : public Step {
 public:
  Shape2d s;
  std::vector<Strip> strips;
  std::vector<Kind> kinds;
  std::shared_ptr<const dnnl::memory> weights, bias;

  void run(StepContext& context) const override {
    const float* src = context.at(reads[0]).values<float>().data();
    float* dst = context.at(writes[0]).values<float>().data();
    const auto count = static_cast<int64_t>(strips.size());
    context.rows(s.n * count, 1, [&](int64_t begin, int64_t end, std::byte* scratch) {
      for (int64_t i = begin; i < end; ++i) {
        const Strip& strip = strips[static_cast<size_t>(i % count)];
        const Kind& kind = kinds[strip.kind];
        const float* from = src + (i / count * s.h + strip.in0) * s.w * s.c;
        float* to = dst + (i / count * s.oh + strip.out0) * s.ow * s.oc;
        dnnl::engine& engine = onednn_engine();
        std::unordered_map<int, dnnl::memory> arguments = {
            {DNNL_ARG_SRC, dnnl::memory(kind.desc.src_desc(), engine, const_cast<float*>(from))},
            {DNNL_ARG_WEIGHTS, *weights},
            {DNNL_ARG_DST, dnnl::memory(kind.desc.dst_desc(), engine, to)},
            {DNNL_ARG_SCRATCHPAD, dnnl::memory(kind.desc.scratchpad_desc(), engine, scratch)}};
        if (bias) arguments.emplace(DNNL_ARG_BIAS, *bias);
        execute_alone(kind.primitive, arguments);
      }
    });
  }
};

bool read_shape(const Lowering& lowering, const Node& node, Shape2d& s) {
  const Tensor &x = *lowering.known(node.input(0)), &w = *lowering.known(node.input(1));
  const Tensor& y = *lowering.known(node.output());
  if (x.rank() != 4 || x.dtype() != DType::f32 || x.elements() == 0 || y.elements() == 0) return false;
  const Window v = read_window(OpContext(node, {}, true), x.shape(), Shape(w.shape().begin() + 2, w.shape().end()));
  s = {x.dim(0), x.dim(1), x.dim(2), x.dim(3), y.dim(1), y.dim(2), y.dim(3), node.attr_int("group", 1), w.dim(2), w.dim(3),
       v.stride[1], v.stride[2], v.dilation[1], v.dilation[2], {}};
  const int64_t needs[2] = {(s.oh - 1) * s.sh + (s.kh - 1) * s.dh + 1 - s.h, (s.ow - 1) * s.sw + (s.kw - 1) * s.dw + 1 - s.w};
  // What the declared padding has beyond what the last output reads is never touched: padding may become negative there.
  s.pads = {v.pad[1], v.pad[2], needs[0] - v.pad[1], needs[1] - v.pad[2]};
  return s.pads[2] >= -s.h && s.pads[3] >= -s.w;
}

bool alike(const Strip& a, const Strip& b) {
  return a.outs == b.outs && a.ins == b.ins && a.top == b.top && a.bottom == b.bottom;
}

Kind compile(const Shape2d& s, const Strip& strip, const dnnl::memory::desc* weights, bool bias,
             const Lowering::Tail& tail) {
  const Dims wd = s.groups == 1 ? Dims{s.oc, s.c, s.kh, s.kw} : Dims{s.groups, s.oc / s.groups, s.c / s.groups, s.kh, s.kw};
  const dnnl::memory::desc any(wd, dnnl::memory::data_type::f32, Tag::any);
  Kind kind;
  kind.desc = dnnl::convolution_forward::primitive_desc(
      onednn_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      dense({1, s.c, strip.ins, s.w}, Tag::nhwc), weights ? *weights : any,
      bias ? dense({s.oc}, Tag::x) : dnnl::memory::desc(), dense({1, s.oc, strip.outs, s.ow}, Tag::nhwc), {s.sh, s.sw},
      {s.dh - 1, s.dw - 1}, {strip.top, s.pads[1]}, {strip.bottom, s.pads[3]}, attributes_of(tail));
  kind.primitive = dnnl::convolution_forward(kind.desc);
  return kind;
}

std::vector<Strip> cut(const Shape2d& s, int64_t wanted) {
  const int64_t rows = (s.oh + wanted - 1) / wanted;
  std::vector<Strip> strips;
  for (int64_t out0 = 0; out0 < s.oh; out0 += rows) {
    Strip strip{.out0 = out0, .outs = std::min(rows, s.oh - out0)};
    const int64_t first = out0 * s.sh - s.pads[0], last = (out0 + strip.outs - 1) * s.sh - s.pads[0] + (s.kh - 1) * s.dh;
    strip.in0 = std::min(std::max<int64_t>(0, first), s.h - 1);
    const int64_t end = std::max(strip.in0 + 1, std::min(s.h, last + 1));
    strip.ins = end - strip.in0;
    strip.top = strip.in0 - first;
    strip.bottom = last + 1 - end;
    strips.push_back(strip);
  }
  return strips;
}

/// One primitive per kind of strip; all read the weights in the layout of the first. False when some strip would fall to
/// another implementation than the first (oneDNN's reference, at worst).
bool compile_strips(OneDnnConvStep& step, bool bias, const Lowering::Tail& tail) {
  step.kinds.clear();
  step.scratch_bytes = 0;
  for (size_t i = 0; i < step.strips.size(); ++i) {
    Strip& strip = step.strips[i];
    size_t same = 0;
    while (same < i && !alike(step.strips[same], strip)) ++same;
    if (same < i) {
      strip.kind = step.strips[same].kind;
      continue;
    }
    strip.kind = step.kinds.size();
    dnnl::memory::desc fixed;
    if (!step.kinds.empty()) fixed = step.kinds[0].desc.weights_desc();
    step.kinds.push_back(compile(step.s, strip, step.kinds.empty() ? nullptr : &fixed, bias, tail));
    const auto& desc = step.kinds.back().desc;
    if (std::string_view(desc.impl_info_str()) != step.kinds[0].desc.impl_info_str()) return false;
    step.scratch_bytes = std::max(step.scratch_bytes, static_cast<int64_t>(desc.scratchpad_desc().get_size()));
  }
  return true;
}

Reason lower_conv(Lowering& lowering, const Node& node) {
  if (!onednn_usable(lowering)) return "";
  auto step = std::make_unique<OneDnnConvStep>();
  if (!read_shape(lowering, node, step->s)) return "oneDNN is used for 2-D images of float32";
  const Shape2d& s = step->s;
  const bool has_bias = node.input(2) != ValueId::none;
  const Lowering::Tail tail = lowering.clamp_tail(node.output());
  if (!lowering.has_constant(node, 1) || (has_bias && !lowering.has_constant(node, 2)))
    return "its weights are computed at run time";
  const int64_t macs = s.oh * s.ow * s.oc * s.kh * s.kw * (s.c / s.groups);
  constexpr int64_t kStripMacs = 4 << 20;
  try {
    step->strips = cut(s, std::clamp<int64_t>(macs / kStripMacs, 1, std::max<int64_t>(1, s.oh / 4)));
    if (!compile_strips(*step, has_bias, tail)) {
      step->strips = cut(s, 1);
      compile_strips(*step, has_bias, tail);
    }
    const Dims wd = s.groups == 1 ? Dims{s.oc, s.c, s.kh, s.kw} : Dims{s.groups, s.oc / s.groups, s.c / s.groups, s.kh, s.kw};
    step->weights = packed_input(lowering, node, 1, dense(wd, s.groups == 1 ? Tag::oihw : Tag::goihw),
                                 step->kinds[0].desc.weights_desc());
    if (has_bias) step->bias = packed_input(lowering, node, 2, dense({s.oc}, Tag::x), dense({s.oc}, Tag::x));
  } catch (const dnnl::error& e) {
    return str("oneDNN refuses it: ", e.what());
  }
  step->constant_bytes = static_cast<int64_t>(step->weights->get_desc().get_size());
  step->info.node = node.id;
  step->info.name = display_name(node) + tail.names;
  step->info.kernel = str("float Conv (oneDNN ", step->kinds[0].desc.impl_info_str(), ")");
  step->info.exact = false;
  step->info.macs = s.n * macs;
  step->reads = {lowering.floats(node, 0, Order::channels_last)};
  const BufferId out = lowering.make(DType::f32, {s.n, s.oh, s.ow, s.oc});
  step->writes = {out};
  lowering.add(std::move(step));
  lowering.absorb(tail);
  lowering.define_raw(tail.value, out, Order::channels_last);
  return {};
}

#else

Reason lower_conv(Lowering&, const Node&) { return ""; }

#endif

const LoweringRule kRules[] = {{"Conv", lower_conv, Stage::floats}};

}  // namespace

std::span<const LoweringRule> lowerings_onednn_conv() { return kRules; }

}  // namespace bitwright
