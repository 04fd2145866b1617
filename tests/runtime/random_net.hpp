// Random small quantized networks over the operators that the integer engine knows, from a seed. Grids come from the values that
// flow: a sample of three records goes through every node as it is added. The kind `patterns` is made mostly of arrangements that
// real networks repeat (random_patterns.cpp), which layers drawn one by one seldom are.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "graph/quantization.hpp"

namespace bitwright {

class RandomNet {
 public:
  enum class Kind { layers, patterns };
  explicit RandomNet(uint32_t seed, Kind kind = Kind::layers);

  Model model;
  Tensor sample;          // [3, ...] input
  bool batch_matters = false;  // a range is taken over the whole batch at run time
  std::string described;  // the operators in order, for messages

 private:
  struct Flow {
    ValueId id = ValueId::none;
    Tensor sample;
    bool on_grid = false;
    Grid grid;
  };

  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }
  bool chance(double p) { return std::bernoulli_distribution(p)(random_); }
  template <class T>
  T one_of(std::initializer_list<T> items) {
    return items.begin()[pick(0, static_cast<int64_t>(items.size()) - 1)];
  }
  Tensor noise(Shape shape, float scale, float mean = 0);

  Grid grid_for(const Tensor& values);
  enum class To { own_grid, same_grid, either, no_grid };
  /// Adds the node on `inputs`, follows the sample, and usually puts its result on a grid; then it is the current value.
  Node& add(const std::string& op, const std::vector<ValueId>& inputs, std::map<std::string, Attribute> attributes, To to);
  ValueId constant(Tensor tensor);
  void quantize_weights(Node& node, size_t input, int axis);
  /// Now and then: activations quantized by their range at run time.
  void at_run(const Node& node);
  void add_bias(Node& node, int64_t channels);
  /// A weight or a bias was added to the last node: follow the sample again.
  void follow(Node& node, To to);
  /// What the node gives as `output`, usually on a grid.
  Flow place(Node& node, size_t output, Tensor value, To to);

  void image_layer();
  void sequence_layer();
  void any_layer();
  void convolution();
  void convolve(const Shape& weights, int64_t groups, const std::vector<int64_t>& strides, const std::vector<int64_t>& dilations,
                const std::vector<int64_t>& pads, To to);
  void transposed();
  void product();
  void attention();
  void combine();
  void join();
  void pool();
  void slice();
  void rearrange();
  void activation();

  // random_patterns.cpp
  void pattern();
  void channel_shuffle();
  void concat_of_convolutions();
  void split_convolutions();
  void squeeze_and_excite();
  void inverted_residual();
  void upsample_and_concat();
  void convolve_square(int64_t channels, int64_t kernel, int64_t stride, int64_t groups, bool activated);
  void branch();
  void swish();
  void shuffle();
  std::vector<Flow> split();
  void concat(std::vector<Flow> parts);
  void reshape(const std::vector<int64_t>& to);
  int64_t some_channels() { return one_of({2, 4, 6, 8, 8, 12, 16, 20, 32, 64, 70}); }

  const Shape& shape() const { return now_.sample.shape(); }
  Flow now_;
  std::vector<Flow> made_;
  std::map<ValueId, Tensor> samples_;
  std::mt19937 random_;
  int names_ = 0;
  bool wide_ = false;  // has 16-bit activations
  // How often a result is put on a grid, and a product's ranges are taken at run time.
  double on_grid_ = 0.88, at_run_ = 0.15;
};

}  // namespace bitwright
