#include "ops/window.hpp"

#include <algorithm>

namespace bitwright {
namespace {

constexpr int64_t kMost = int64_t{1} << 30;  // keeps products of two such numbers within 63 bits

void read_into(const OpContext& c, const char* key, int rank, int64_t least, Window::Dims& to) {
  const auto values = c.node().attr_ints(key, std::vector<int64_t>(static_cast<size_t>(rank), least));
  if (static_cast<int>(values.size()) != rank)
    c.malformed(str(key, " has ", values.size(), " numbers, wanted ", rank, " for ", rank, " spatial dimensions"));
  for (int i = 0; i < rank; ++i) {
    const int64_t value = values[static_cast<size_t>(i)];
    if (value < least || value > kMost) c.malformed(str(key, " holds ", value, ", wanted at least ", least));
    to[static_cast<size_t>(3 - rank + i)] = value;
  }
}

int64_t reach(const Window& w, size_t d) { return (w.kernel[d] - 1) * w.dilation[d] + 1; }

void read_pads(const OpContext& c, Window& w) {
  const auto rank = static_cast<size_t>(w.rank);
  const auto pads = c.node().attr_ints("pads", std::vector<int64_t>(2 * rank, 0));
  if (pads.size() != 2 * rank) c.malformed(str("pads has ", pads.size(), " numbers, wanted ", 2 * rank));
  for (size_t i = 0; i < rank; ++i) {
    w.pad[3 - rank + i] = pads[i];
    w.pad_end[3 - rank + i] = pads[rank + i];
    for (const int64_t pad : {pads[i], pads[rank + i]})
      if (pad < 0 || pad > kMost) c.malformed(str("pads holds ", pad, ", wanted at least 0"));
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

}  // namespace

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
  read_into(c, "strides", w.rank, 1, w.stride);
  read_into(c, "dilations", w.rank, 1, w.dilation);
  return w;
}

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

}  // namespace bitwright
