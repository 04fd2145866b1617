#include <algorithm>

#include "passes/fold_steps.hpp"
#include "passes/match.hpp"

namespace bitwright {
namespace {

bool clip_range(Rewriter& r, const Node& clip, Grid& grid) {
  const Tensor *low = r.graph().constant(clip.input(1)), *high = r.graph().constant(clip.input(2));
  if (!low || !high || low->elements() != 1 || high->elements() != 1) return false;
  grid.qmin = static_cast<int32_t>(std::max<int64_t>(grid.qmin, value_as_int(*low, 0)));
  grid.qmax = static_cast<int32_t>(std::min<int64_t>(grid.qmax, value_as_int(*high, 0)));
  return grid.qmin <= grid.qmax;
}

/// The Clip that StepWriter put before Q because Q's codes are more than the grid's; the grid gets its range.
const Node* clip_of_floats(Rewriter& r, const Metadata& metadata, const Node& dq, const Node& q, Grid& grid) {
  const auto text = metadata.find(kNoteKey + dq.name);
  const auto said = text == metadata.end() ? std::nullopt : read_note(text->second);
  const Node* clip = r.producer(q.input(0));
  if (!said || said->format->storage != grid.format->file || !clip || !clip->is("Clip")) return nullptr;
  Grid narrow = grid;
  narrow.qmin = said->qmin, narrow.qmax = said->qmax;
  const auto limits = float_limits(narrow);
  if (!limits || !is_scalar(r, clip->input(1), limits->first, 0) || !is_scalar(r, clip->input(2), limits->second, 0)) return nullptr;
  grid = narrow;
  return clip;
}

std::optional<QuantizeStep> dynamic_step(const Metadata& metadata, const Node& dq, const Node& dynamic) {
  if (dq.input(0) != dynamic.output(0) || dq.input(1) != dynamic.output(1) || dq.input(2) != dynamic.output(2)) return {};
  const Format& format = format_named("uint8");
  QuantizeStep step{dynamic.input(0), {&format, format.code_min, format.code_max, {}, {}, {}, {}}};
  step.at_run = true;
  apply_note(metadata, dq.name, step.grid, nullptr, step.tied);
  return step;
}

}  // namespace

std::optional<QuantizeStep> read_step(Rewriter& r, const Metadata& metadata, const Node& dq, std::string* why) {
  const Node* q = r.producer(dq.input(0));
  const Node* clip = q && q->is("Clip") ? q : nullptr;
  if (clip) q = r.producer(clip->input(0));
  if (q && q->is("DynamicQuantizeLinear")) return dynamic_step(metadata, dq, *q);
  if (!q || !is_quantize(*q)) return {};
  const auto grid = grid_of(r.graph(), *q, DType::none, why);
  if (!grid) return {};
  const auto behind = grid_of(r.graph(), dq, grid->format->file, why);
  if (!behind) return {};
  if (!same_grid(*grid, *behind)) {
    *why = "its scale or zero point differs from the quantizer's before it";
    return {};
  }
  QuantizeStep step{q->input(0), *grid};
  if (clip && !clip_range(r, *clip, step.grid)) return {};
  if (const Node* before = clip ? nullptr : clip_of_floats(r, metadata, dq, *q, step.grid)) {
    step.quantized = before->input(0);
    step.clips_floats = true;
  }
  apply_note(metadata, dq.name, step.grid, nullptr, step.tied);
  return step;
}

}  // namespace bitwright
