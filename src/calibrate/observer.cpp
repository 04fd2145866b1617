#include "calibrate/observer.hpp"

#include <string>

namespace bitwright {

#define BW_ITEM(stem) const Observer& observer_##stem();
#include "calibrate_observers.inc"
#undef BW_ITEM

std::span<const Observer* const> observers() {
#define BW_ITEM(stem) &observer_##stem(),
  static const std::vector<const Observer*> all = {
#include "calibrate_observers.inc"
  };
#undef BW_ITEM
  return all;
}

const Observer* find_observer(std::string_view name) {
  for (const Observer* observer : observers())
    if (observer->name == name) return observer;
  return nullptr;
}

const Observer& observer_named(std::string_view name) {
  if (const Observer* observer = find_observer(name)) return *observer;
  std::vector<std::string> names;
  for (const Observer* observer : observers()) names.emplace_back(observer->name);
  const std::string near = nearest(name, names);
  fail(ErrorCode::usage, "there is no observer '", name, "'",
       near.empty() ? "; there are " + join(names, ", ") : "; did you mean '" + near + "'?");
}

Range range_of(float min, float max) { return {{min}, {max}}; }

Grid make_grid(const Scheme& scheme, const Range& range, int channel_axis) {
  if (range.min.size() == 1) return make_grid(scheme, range.min[0], range.max[0]);
  // Only the extent along the axis matters for one parameter per channel.
  Shape shape(static_cast<size_t>(channel_axis < 0 ? -channel_axis : channel_axis + 1), 1);
  shape[static_cast<size_t>(channel_axis < 0 ? 0 : channel_axis)] = static_cast<int64_t>(range.min.size());
  return make_grid(scheme, {Layout::channel, channel_axis, 0}, shape, range.min, range.max);
}

namespace {

// The values of each parameter, gathered: constants are small beside the activations that calibration streams.
std::vector<std::vector<float>> values_by_parameter(const Tensor& weight, const Layout& layout) {
  const Shape parameters = parameter_shape(layout, weight.shape());
  std::vector<std::vector<float>> groups(static_cast<size_t>(elements_of(parameters)));
  const auto values = weight.values<float>();
  for (const ParamRun& run : parameter_runs(layout, weight.shape()))
    for (int64_t i = 0; i < run.count; ++i)
      groups[static_cast<size_t>(run.param + i * run.step)].push_back(values[static_cast<size_t>(run.begin + i)]);
  return groups;
}

}  // namespace

Grid observe_constant(const Tensor& weight, const Scheme& scheme, int axis, const Observer& observer,
                      const ObserverOptions& options) {
  const Grid plain = grid_of_constant(weight, scheme, axis);
  if (observer.name == "minmax" || !scheme.format->is_integer) return plain;
  std::vector<float> mins, maxs;
  for (const auto& group : values_by_parameter(weight, plain.layout)) {
    Statistics seen(observer.needs);
    seen.observe(std::span<const float>(group));
    const Range range = observer.range(seen, scheme, options);
    mins.push_back(range.min[0]), maxs.push_back(range.max[0]);
  }
  return make_grid(scheme, plain.layout, weight.shape(), mins, maxs);
}

}  // namespace bitwright
