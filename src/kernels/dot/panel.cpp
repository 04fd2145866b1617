#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

DotForm form_of(DType type) {
  return type == DType::u8 ? DotForm::u8 : type == DType::f32 ? DotForm::f32 : DotForm::i32;
}

}  // namespace

const char* dot_refuses(DType src, DType weights, DType out, bool weight_zero, bool fits_int32) {
  if (src != DType::u8) return "activations are not u8";
  if (weights != DType::i8) return "weights are not i8";
  if (weight_zero) return "a weight zero point is not 0";
  if (out != DType::u8 && out != DType::i32 && out != DType::f32) return "the output is not u8, i32 or f32";
  if (!fits_int32) return "int32 may overflow";
  return nullptr;
}

DotArgs dot_args(int64_t segments, int64_t k, const Output& out) {
  DotArgs args{};
  args.segments = segments;
  args.k4 = k / 4;
  args.tail = static_cast<int32_t>(k % 4);
  args.form = form_of(out.type);
  args.dst_stride = out.stride;
  args.row_scale_stride = out.dequantize.row_stride;
  return args;
}

void set_panel(DotArgs& args, const PanelData& data, const PackedPanel& panel, const Output& out, int64_t row) {
  const int64_t c = panel.column;
  args.b = data.bytes + panel.at;
  args.next = nullptr;
  args.column = c;
  args.width = panel.width;
  args.columns = panel.columns;
  args.pairs_fit = panel.pairs_fit;
  args.offset = data.offset + c;
  args.sum = data.sum + c;
  const int64_t element = args.form == DotForm::u8 ? 1 : 4;
  args.dst = static_cast<char*>(out.data) + (row * out.stride + c) * element;
  args.requantize = out.requantize;
  if (args.form == DotForm::u8) {
    args.requantize.m32 += c;
    if (args.requantize.m64) args.requantize.m64 += c;
    if (args.requantize.ratio) args.requantize.ratio += c;
  }
  const Dequantize& d = out.dequantize;
  args.scale = d.scale ? d.scale + c : nullptr;
  args.bias = d.bias ? d.bias + c : nullptr;
  args.row_scale = d.row_scale ? d.row_scale + row * d.row_stride : nullptr;
}

}  // namespace bitwright
