#include "kernels/conv/transposed.hpp"

#include <algorithm>
#include <cstring>

#include "kernels/dot/panel.hpp"

namespace bitwright {
namespace {

constexpr int64_t kRows = 48;  // pixels of one call: a multiple of every tile height

int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

/// Zero or more output pixels of one image line, stride_w apart.
struct Pixels {
  int64_t image, y, x, count;
};

class Caller {
 public:
  Caller(const ConvArgs& args, DotKernel dot)
      : args_(args), s_(args.shape), packed_(*args.packed), dot_(dot), d_(dot_args(packed_, args.out)),
        zero_(args.src_zero - packed_.src_zero), pointers_(static_cast<const uint8_t**>(args.scratch)),
        outside_(reinterpret_cast<uint8_t*>(pointers_ + s_.kh * s_.kw * kRows)), end_(outside_ + round_up(bytes(), 64)) {
    std::memset(outside_, args.src_zero, static_cast<size_t>(bytes()));
    const int64_t all = s_.n * s_.h * s_.w * s_.c, copied = std::min(bytes(), all);
    safe_ = all - bytes();
    std::memset(end_, 0, static_cast<size_t>(2 * bytes()));
    std::memcpy(end_ + bytes() - copied, src() + all - copied, static_cast<size_t>(copied));
    d_.a = pointers_;
    d_.a_step = kRows;
    d_.k4 = packed_.k4();  // a tap is readable to the end of its last group, where the weights are zero
    d_.tail = 0;
    d_.zero = zero_ ? &zero_ : nullptr;
    d_.dst_stride = args.out.stride * s_.stride_w;
  }

  void run(const Pixels& p) {
    const int64_t y = (p.y + s_.pad_top) % s_.stride_h, x = (p.x + s_.pad_left) % s_.stride_w;
    const PackedPhase& phase = packed_.phases[static_cast<size_t>(y * s_.stride_w + x)];
    const int64_t row = (p.image * s_.oh + p.y) * s_.ow + p.x, per_group = packed_.columns / packed_.groups;
    d_.rows = p.count;
    d_.segments = phase.segments;
    int64_t pointed = -1;
    for (const PackedPanel& panel : args_.panels.of(packed_)) {
      const int64_t group = panel.column / per_group;
      if (group != pointed) point(p, phase, pointed = group);
      set_panel(d_, packed_, panel, args_.out, row);
      d_.b += phase.segment * packed_.k4() * panel.width * 4;
      d_.offset = phase.offset.data() + panel.column;
      d_.sum = phase.sum.data() + panel.column;
      dot_(d_);
    }
  }

 private:
  const uint8_t* src() const { return static_cast<const uint8_t*>(args_.src); }
  int64_t channels() const { return s_.c / s_.groups; }
  int64_t bytes() const { return round_up(channels(), 4); }

  void point(const Pixels& p, const PackedPhase& phase, int64_t group) {
    for (int64_t t = 0; t < phase.segments; ++t) {
      const int64_t tap = packed_.taps[static_cast<size_t>(phase.segment + t)];
      const int64_t y = (p.y + s_.pad_top - tap / s_.kw * s_.dilation_h) / s_.stride_h;  // divides
      const int64_t x = (p.x + s_.pad_left - tap % s_.kw * s_.dilation_w) / s_.stride_w;
      const uint8_t* line = src() + (p.image * s_.h + y) * s_.w * s_.c + group * channels();
      for (int64_t r = 0; r < p.count; ++r)
        pointers_[t * kRows + r] = y < 0 || y >= s_.h || x + r < 0 || x + r >= s_.w ? outside_ : readable(line + (x + r) * s_.c);
    }
  }
  /// The very last channels may lack the bytes that fill their group: they are read from a copy.
  const uint8_t* readable(const uint8_t* pixel) const {
    const int64_t at = pixel - src();
    return at > safe_ ? end_ + (at - safe_) : pixel;
  }

  const ConvArgs& args_;
  const ConvShape& s_;
  const PackedWeights& packed_;
  DotKernel dot_;
  DotArgs d_;
  int32_t zero_;
  const uint8_t** pointers_;  // [taps][kRows]
  uint8_t *outside_, *end_;
  int64_t safe_;  // from this byte on `end_` is a copy of the source, zeros behind it
};

}  // namespace

PackedWeights pack_transposed(const ConvShape& s, const int8_t* weights, const int32_t* bias, SrcCodes src) {
  const int64_t channels = s.c / s.groups, taps = s.kh * s.kw, filter = taps * channels;
  std::vector<int32_t> order;
  std::vector<PackedPhase> phases;
  for (int64_t y = 0; y < s.stride_h; ++y)
    for (int64_t x = 0; x < s.stride_w; ++x) {
      PackedPhase phase{static_cast<int64_t>(order.size()), 0, {}, {}};
      for (int64_t tap = 0; tap < taps; ++tap)
        if (tap / s.kw * s.dilation_h % s.stride_h == y && tap % s.kw * s.dilation_w % s.stride_w == x)
          order.push_back(static_cast<int32_t>(tap));
      phase.segments = static_cast<int64_t>(order.size()) - phase.segment;
      phases.push_back(std::move(phase));
    }
  std::vector<int8_t> ordered(static_cast<size_t>(s.oc * filter));
  for (int64_t o = 0; o < s.oc; ++o)
    for (int64_t t = 0; t < taps; ++t)
      std::memcpy(ordered.data() + o * filter + t * channels, weights + o * filter + order[static_cast<size_t>(t)] * channels,
                  static_cast<size_t>(channels));
  PackedWeights packed = pack_weights(s.groups, s.oc, taps, channels, {ordered.data(), filter, channels, 1}, bias, src);
  for (PackedPhase& phase : phases) {
    phase.sum.resize(packed.sum.size());
    phase.offset.resize(packed.offset.size());
    for (int64_t o = 0; o < s.oc; ++o) {
      const int8_t* w = ordered.data() + o * filter + phase.segment * channels;
      int64_t sum = 0;
      for (int64_t i = 0; i < phase.segments * channels; ++i) sum += w[i];
      phase.sum[static_cast<size_t>(o)] = static_cast<int32_t>(sum);
      phase.offset[static_cast<size_t>(o)] = static_cast<int32_t>(static_cast<uint32_t>((bias ? bias[o] : 0) - src.zero * sum));
    }
  }
  packed.taps = std::move(order);
  packed.phases = std::move(phases);
  return packed;
}

int64_t transposed_scratch_bytes(const ConvShape& s) {
  return s.kh * s.kw * kRows * static_cast<int64_t>(sizeof(void*)) + round_up(s.c / s.groups, 64) + round_up(2 * round_up(s.c / s.groups, 4), 64);
}

void conv_transposed(const ConvArgs& args, DotKernel dot, int64_t row0, int64_t row1) noexcept {
  const ConvShape& s = args.shape;
  if (row0 >= row1 || s.n * s.h * s.w * s.c == 0) return;
  Caller caller(args, dot);
  for (int64_t row = row0, count; row < row1; row += count) {
    const int64_t image = row / (s.oh * s.ow), y = row / s.ow % s.oh, x = row % s.ow;
    count = std::min(s.ow - x, row1 - row);
    for (int64_t first = 0; first < std::min(s.stride_w, count); ++first)
      for (int64_t at = first; at < count; at += kRows * s.stride_w)
        caller.run({image, y, x + at, std::min(kRows, (count - at + s.stride_w - 1) / s.stride_w)});
  }
}

}  // namespace bitwright
