#include "runtime/move.hpp"

#include <algorithm>
#include <cstring>

namespace bitwright {
namespace {

class MoveStep : public Step {
 public:
  struct Part {
    size_t read;
    int64_t src, dst;  // bytes
    Movement movement;
  };
  std::vector<Part> parts;
  std::vector<uint8_t> fill;

  void run(StepContext& context) const override {
    Tensor& dst = context.at(writes[0]);
    if (!fill.empty()) write_fill(context, dst);
    for (const Part& part : parts) {
      const std::byte* from = context.at(reads[part.read]).raw() + part.src;
      std::byte* to = dst.raw() + part.dst;
      context.rows(part.movement.rows(), grain(part.movement), [&](int64_t begin, int64_t end, std::byte*) {
        part.movement.run(from, to, begin, end);
      });
    }
  }

 private:
  static constexpr int64_t kGrain = 1 << 15, kTile = 64;  // bytes; rows that go together well

  static int64_t grain(const Movement& movement) {
    const int64_t rows = kGrain / std::max<int64_t>(1, movement.row_bytes());
    return std::max(kTile, rows / kTile * kTile);
  }

  void write_fill(StepContext& context, Tensor& dst) const {
    context.rows(static_cast<int64_t>(dst.bytes()) / std::ssize(fill), kGrain, [&](int64_t begin, int64_t end, std::byte*) {
      const auto size = std::ssize(fill);
      if (size == 1) return void(std::memset(dst.raw() + begin, fill[0], static_cast<size_t>(end - begin)));
      for (int64_t i = begin; i < end; ++i) std::memcpy(dst.raw() + i * size, fill.data(), fill.size());
    });
  }
};

}  // namespace

std::unique_ptr<Step> move_step(const std::vector<Placed>& parts, BufferId to, int64_t element_bytes, Isa isa,
                                std::vector<uint8_t> fill) {
  auto step = std::make_unique<MoveStep>();
  for (const Placed& part : parts) {
    step->parts.push_back({step->reads.size(), part.from.view.offset() * element_bytes, part.offset * element_bytes,
                           Movement(part.from.view.loops(part.strides), element_bytes, isa)});
    step->reads.push_back(part.from.buffer);
  }
  step->writes = {to};
  step->fill = std::move(fill);
  step->info.kernel = step->parts.empty() ? "fill" : step->parts[0].movement.name();
  return step;
}

}  // namespace bitwright
