#include "ops/window.hpp"

#include <algorithm>

namespace bitwright {
namespace {

constexpr int64_t kMost = int64_t{1} << 30;  // keeps products of two such numbers within 63 bits

/// `count` numbers of at least `least`, which is also what they are when the attribute is left out.
std::vector<int64_t> read_list(const OpContext& c, const char* key, size_t count, int64_t least) {
  auto values = c.node().attr_ints(key, std::vector<int64_t>(count, least));
  if (values.size() != count)
    c.malformed(str(key, " has ", values.size(), " numbers, wanted ", count));
  for (const int64_t value : values)
    if (value < least || value > kMost) c.malformed(str(key, " holds ", value, ", wanted at least ", least));
  return values;
}

void read_into(const OpContext& c, const char* key, size_t rank, Window::Dims& to) {
  const auto values = read_list(c, key, rank, 1);
  std::copy(values.begin(), values.end(), to.end() - static_cast<std::ptrdiff_t>(rank));
}

int64_t reach(const Window& w, size_t d) { return (w.kernel[d] - 1) * w.dilation[d] + 1; }

void read_pads(const OpContext& c, Window& w) {
  const auto rank = static_cast<size_t>(w.rank);
  const auto pads = read_list(c, "pads", 2 * rank, 0);
  for (size_t i = 0; i < rank; ++i) {
    w.pad[3 - rank + i] = pads[i];
    w.pad_end[3 - rank + i] = pads[rank + i];
  }
}

void size_by_formula(const OpContext& c, Window& w, size_t d) {
  const int64_t room = w.in[d] + w.pad[d] + w.pad_end[d] - reach(w, d);
  if (room < 0) {
    c.malformed(str("a window of ", reach(w, d), " does not fit an input of ", w.in[d], " with pads ", w.pad[d], " and ",
                    w.pad_end[d]));
  }
  const bool ceil = c.node().attr_int("ceil_mode", 0) != 0;
  w.out[d] = (ceil ? (room + w.stride[d] - 1) / w.stride[d] : room / w.stride[d]) + 1;
  if (ceil && (w.out[d] - 1) * w.stride[d] >= w.in[d] + w.pad[d]) --w.out[d];
}

void size_as_input(Window& w, size_t d, bool upper) {
  w.out[d] = (w.in[d] + w.stride[d] - 1) / w.stride[d];
  const int64_t total = std::max<int64_t>((w.out[d] - 1) * w.stride[d] + reach(w, d) - w.in[d], 0);
  w.pad[d] = upper ? total / 2 : total - total / 2;
  w.pad_end[d] = total - w.pad[d];
}

/// Kernel, strides and dilations, without output extents.
Window read_steps(const OpContext& c, const Shape& x, const Shape& kernel) {
  Window w;
  w.rank = static_cast<int>(x.size()) - 2;
  if (w.rank < 1) c.malformed(str("input has shape ", to_string(x), ", wanted [N,C,spatial...]"));
  if (w.rank > 3) c.unsupported(str(w.rank, " spatial dimensions, at most 3 are supported"));
  const auto rank = static_cast<size_t>(w.rank);
  if (kernel.size() != rank)
    c.malformed(str("the kernel has ", kernel.size(), " dimensions, the input ", rank, " spatial ones"));
  for (size_t i = 0; i < rank; ++i) {
    w.in[3 - rank + i] = x[2 + i];
    w.kernel[3 - rank + i] = kernel[i];
    if (kernel[i] < 1 || kernel[i] > kMost) c.malformed(str("the kernel has extent ", kernel[i]));
  }
  read_into(c, "strides", rank, w.stride);
  read_into(c, "dilations", rank, w.dilation);
  return w;
}

// out = stride * (in - 1) + output_padding + (kernel - 1) * dilation + 1 - pads; output_shape gives out, and the pads follow.
void size_transposed(const OpContext& c, Window& w) {
  const auto rank = static_cast<size_t>(w.rank);
  const std::string automatic = c.node().attr_string("auto_pad", "NOTSET");
  const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  const auto extra = read_list(c, "output_padding", rank, 0), pads = read_list(c, "pads", 2 * rank, 0);
  auto shape = c.node().attr_ints("output_shape");
  if (shape.size() == rank + 2) shape.erase(shape.begin(), shape.begin() + 2);  // some exporters write N and C too
  if (!shape.empty() && shape.size() != rank) c.malformed(str("output_shape has ", shape.size(), " numbers"));
  for (size_t i = 0; i < rank; ++i) {
    const size_t d = 3 - rank + i;
    const int64_t full = w.stride[d] * (w.in[d] - 1) + extra[i] + (w.kernel[d] - 1) * w.dilation[d] + 1;
    if (shape.empty() && !same) {
      w.pad[d] = automatic == "VALID" ? 0 : pads[i];
      w.out[d] = full - (automatic == "VALID" ? 0 : pads[i] + pads[rank + i]);
    } else {
      w.out[d] = shape.empty() ? w.in[d] * w.stride[d] : shape[i];
      const int64_t total = std::max<int64_t>(0, full - w.out[d]);
      w.pad[d] = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
    }
    if (w.out[d] < 1) c.malformed(str("the output would have extent ", w.out[d]));
  }
}

}  // namespace

Window read_window(const OpContext& c, const Shape& x, const Shape& kernel) {
  Window w = read_steps(c, x, kernel);
  const std::string automatic = c.node().attr_string("auto_pad", "NOTSET");
  const bool same = automatic == "SAME_UPPER" || automatic == "SAME_LOWER";
  if (!same && automatic != "NOTSET" && automatic != "VALID" && !automatic.empty())
    c.malformed(str("auto_pad '", automatic, "' is not NOTSET, SAME_UPPER, SAME_LOWER or VALID"));
  if (!same && automatic != "VALID") read_pads(c, w);
  for (size_t d = static_cast<size_t>(3 - w.rank); d < 3; ++d) {
    if (same) {
      size_as_input(w, d, automatic == "SAME_UPPER");
    } else {
      size_by_formula(c, w, d);
    }
  }
  return w;
}

Window read_transposed_window(const OpContext& c, const Shape& x, const Shape& kernel) {
  Window w = read_steps(c, x, kernel);
  size_transposed(c, w);
  return w;
}

}  // namespace bitwright
