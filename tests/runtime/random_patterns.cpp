// The arrangements of layers that real networks repeat, with random extents, grids and orders of inputs.
#include <algorithm>

#include "ops/op.hpp"
#include "random_net.hpp"

namespace bitwright {

using Ints = std::vector<int64_t>;

void RandomNet::pattern() {
  const struct {
    const char* name;
    void (RandomNet::*add)();
  } patterns[] = {{"channel shuffle", &RandomNet::channel_shuffle},       {"Concat of convolutions", &RandomNet::concat_of_convolutions},
                  {"split convolutions", &RandomNet::split_convolutions}, {"squeeze and excite", &RandomNet::squeeze_and_excite},
                  {"inverted residual", &RandomNet::inverted_residual},   {"upsample and Concat", &RandomNet::upsample_and_concat}};
  const auto& chosen = patterns[pick(0, std::ssize(patterns) - 1)];
  described += str(" <", chosen.name, ":");
  (this->*chosen.add)();
  described += ">";
}

/// Padded so that stride 1 keeps the extents.
void RandomNet::convolve_square(int64_t channels, int64_t kernel, int64_t stride, int64_t groups, bool activated) {
  const Ints pads(4, kernel / 2);
  convolve({channels, shape()[1] / groups, kernel, kernel}, groups, {stride, stride}, {1, 1}, pads,
           activated && chance(0.6) ? To::no_grid : To::own_grid);
  if (!activated) return;
  if (chance(0.25)) swish();
  else activation();
}

void RandomNet::swish() {
  const Flow x = now_;
  add("Sigmoid", {x.id}, {}, To::own_grid);
  add("Mul", {x.id, now_.id}, {}, To::own_grid);
}

/// One way of several from the same value, of the same height and width.
void RandomNet::branch() {
  switch (pick(0, 4)) {
    case 0: return convolve_square(some_channels(), 1, 1, 1, chance(0.6));
    case 1: return convolve_square(some_channels(), one_of({3, 5}), 1, 1, chance(0.6));
    case 2:
      convolve_square(some_channels(), 1, 1, 1, true);
      return convolve_square(shape()[1], 3, 1, shape()[1], chance(0.5));
    case 3:
      add("MaxPool", {now_.id}, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}}, To::same_grid);
      if (chance(0.5)) convolve_square(some_channels(), 1, 1, 1, true);
      return;
    default: return;  // as it is: what DenseNet joins
  }
}

/// Of values and its result, which quantizers put on one grid where they can.
void RandomNet::concat(std::vector<Flow> parts) {
  if (chance(0.4)) std::shuffle(parts.begin(), parts.end(), random_);
  std::vector<ValueId> ids;
  for (const Flow& part : parts) ids.push_back(part.id);
  add("Concat", ids, {{"axis", int64_t{1}}}, To::same_grid);
  if (!now_.on_grid || chance(0.4)) return;
  const Uses uses(model.graph);
  for (const ValueId id : ids) model.quantization.at[producer_site(model.graph, uses, id).site].chain = {now_.grid};
  for (Flow& flow : made_)
    if (std::find(ids.begin(), ids.end(), flow.id) != ids.end()) flow.on_grid = true, flow.grid = now_.grid;
}

void RandomNet::reshape(const Ints& to) {
  add("Reshape", {now_.id, constant(Tensor::of<int64_t>({std::ssize(to)}, to))}, {}, To::same_grid);
}

/// ShuffleNet's: the groups' channels take turns.
void RandomNet::shuffle() {
  const Shape whole = shape();
  const int64_t batch = one_of({0, -1}), groups = whole[1] % 4 == 0 && chance(0.4) ? 4 : whole[1] % 2 == 0 ? 2 : 1;
  reshape({batch, groups, whole[1] / groups, whole[2], whole[3]});
  add("Transpose", {now_.id}, {{"perm", Ints{0, 2, 1, 3, 4}}}, To::same_grid);
  reshape({batch, chance(0.5) || batch < 0 ? whole[1] : -1, whole[2], whole[3]});
}

/// The channels in two parts, of one Split or two Slices.
std::vector<RandomNet::Flow> RandomNet::split() {
  if (shape()[1] < 2) return {now_, now_};
  const Flow whole = now_;
  const int64_t channels = shape()[1], first = chance(0.5) ? channels / 2 : pick(1, channels - 1);
  std::vector<Flow> parts;
  if (chance(0.5)) {
    auto one = [&](int64_t v) { return constant(Tensor::of<int64_t>({1}, Ints{v})); };
    for (const auto& [begin, end] : {std::pair{int64_t{0}, first}, std::pair{first, channels}}) {
      now_ = whole;
      add("Slice", {whole.id, one(begin), one(end), one(1)}, {}, To::same_grid);
      parts.push_back(now_);
    }
    return parts;
  }
  const Tensor sizes = Tensor::of<int64_t>({2}, Ints{first, channels - first});
  std::vector<ValueId> outputs;
  for (int i = 0; i < 2; ++i) outputs.push_back(model.graph.add_value(str("v", names_++)));
  Node& node = model.graph.add_node("Split", {whole.id, constant(sizes)}, outputs, str("Split", names_));
  node.attributes["axis"] = int64_t{1};
  described += " Split";
  const std::vector<Tensor> values = evaluate(node, std::vector{whole.sample, sizes});
  for (size_t i = 0; i < 2; ++i) parts.push_back(place(node, i, values[i], To::same_grid));
  return parts;
}

void RandomNet::channel_shuffle() {
  convolve_square(2 * some_channels(), 1, 1, 1, true);
  if (chance(0.5)) {  // of grouped convolutions
    shuffle();
    return convolve_square(shape()[1], 3, 1, shape()[1], false);
  }
  const std::vector<Flow> parts = split();
  now_ = parts[1];
  convolve_square(some_channels(), 1, 1, 1, true);
  convolve_square(shape()[1], 3, 1, shape()[1], false);
  convolve_square(some_channels(), 1, 1, 1, true);
  concat({parts[0], now_});
  shuffle();
}

void RandomNet::concat_of_convolutions() {
  const Flow x = now_;
  std::vector<Flow> parts;
  for (int64_t branches = pick(2, 4); branches > 0; --branches) {
    now_ = x;
    branch();
    parts.push_back(now_);
  }
  concat(parts);
  if (chance(0.4)) convolve_square(some_channels(), 1, 1, 1, true);
}

void RandomNet::split_convolutions() {
  if (chance(0.7)) convolve_square(some_channels(), 1, 1, 1, true);
  std::vector<Flow> parts = split();
  now_ = parts[1];
  convolve_square(parts[1].sample.dim(1), 3, 1, 1, true);
  if (chance(0.4) && parts[1].sample.shape() == shape()) add("Add", {parts[1].id, now_.id}, {}, To::own_grid);
  parts.push_back(now_);
  if (chance(0.5)) parts.erase(parts.begin() + 1);
  if (chance(0.3)) {
    now_ = parts[0];
    convolve_square(some_channels(), 3, 1, 1, chance(0.5));
    parts[0] = now_;
  }
  concat(parts);
}

void RandomNet::squeeze_and_excite() {
  const Flow x = now_;
  const int64_t channels = shape()[1];
  if (chance(0.5)) add("GlobalAveragePool", {x.id}, {}, To::own_grid);
  else add("ReduceMean", {x.id, constant(Tensor::of<int64_t>({2}, Ints{2, 3}))}, {}, To::own_grid);
  convolve_square(std::max<int64_t>(1, channels / 4), 1, 1, 1, true);
  convolve_square(channels, 1, 1, 1, false);
  add(one_of({"Sigmoid", "HardSigmoid"}), {now_.id}, {}, To::own_grid);
  add("Mul", chance(0.5) ? std::vector{x.id, now_.id} : std::vector{now_.id, x.id}, {}, To::own_grid);
}

void RandomNet::inverted_residual() {
  if (chance(0.3)) convolve_square(some_channels(), 1, 1, 1, false);
  const Flow x = now_;
  const int64_t channels = shape()[1], wide = std::min<int64_t>(144, channels * pick(1, 6)), stride = chance(0.25) ? 2 : 1;
  if (wide != channels || chance(0.5)) convolve_square(wide, 1, 1, 1, true);
  convolve_square(shape()[1], one_of({3, 3, 5, 7}), stride, shape()[1], true);
  if (chance(0.4)) squeeze_and_excite();
  convolve_square(stride == 1 ? channels : some_channels(), 1, 1, 1, false);
  if (stride == 1 && x.sample.shape() == shape())
    add("Add", chance(0.5) ? std::vector{x.id, now_.id} : std::vector{now_.id, x.id}, {}, To::own_grid);
}

void RandomNet::upsample_and_concat() {
  const Flow x = now_;
  convolve_square(some_channels(), 3, 2, 1, true);
  if (chance(0.5)) convolve_square(some_channels(), 1, 1, 1, true);
  const Tensor sizes = Tensor::of<int64_t>({2}, Ints{x.sample.dim(2), x.sample.dim(3)});
  const std::string mode = one_of({"nearest", "nearest", "linear"});
  add("Resize", {now_.id, ValueId::none, ValueId::none, constant(sizes)},
      {{"mode", mode}, {"axes", Ints{2, 3}}, {"coordinate_transformation_mode", std::string(one_of({"asymmetric", "half_pixel"}))},
       {"nearest_mode", std::string(one_of({"floor", "round_prefer_floor"}))}}, To::same_grid);
  concat({now_, x});
  convolve_square(some_channels(), one_of({1, 3}), 1, 1, true);
}

}  // namespace bitwright
