// B9: whole networks give the same bits on every instruction set of this machine, with 1, 2 and 3 threads, alone and in a batch of
// 8; the reference computes one record once. Only then compiling is timed, all certificates included. The label says which
// ways were equal, and the hash of the first record's outputs. (The tests do the same with small networks: tests/api/hash_test.cpp.)
#include <cstring>

#include "core/sha256.hpp"
#include "networks.hpp"

namespace bitwright {
namespace {

constexpr int64_t kBatch = 8, kLength = 32;  // extents that are free besides the batch

std::string hash_of(const std::vector<Tensor>& tensors) {
  std::string bytes;
  for (const Tensor& t : tensors) bytes += to_string(t.shape()) + std::string(reinterpret_cast<const char*>(t.raw()), t.bytes());
  return sha256({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
}

/// The first record of each tensor.
std::vector<Tensor> first_records(const std::vector<Tensor>& batches) {
  std::vector<Tensor> records;
  for (const Tensor& batch : batches) {
    Shape shape = batch.shape();
    shape[0] = 1;
    records.emplace_back(batch.dtype(), shape);
    std::memcpy(records.back().raw(), batch.raw(), records.back().bytes());
  }
  return records;
}

/// The ways to run one network, each of which must give the bits of the first one.
class Ways {
 public:
  explicit Ways(const NetworkFile& file) : model_(quantized_network(file)) {
    const auto program = Program::compile(model_);
    const auto ports = input_ports(model_.graph);
    floats_ = takes_floats(model_);
    free_batch_ = std::all_of(ports.begin(), ports.end(), [](const Port& port) { return !port.shape.empty() && port.shape[0] < 0; });
    batch_ = random_inputs(*program, free_batch_ ? kBatch : 1, 7, kLength);
    one_ = free_batch_ ? first_records(batch_) : batch_;
  }

  /// Empty, or which way differs.
  std::string differs() {
    const auto alone = outputs(isa_cap(), 1, one_), together = outputs(isa_cap(), 1, batch_);
    hash = hash_of(alone);
    // A range that is taken at run time may be one for the whole batch.
    if (free_batch_ && floats_ && !same_bits(first_records(together), alone)) return "a record in a batch";
    for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi, Isa::amx}) {
      if (isa_refuses(isa, isa_cap())) continue;
      described += str(described.empty() ? "" : ", ", name_of(isa));
      if (isa == Isa::ref) {
        if (!same_bits(outputs(isa, 2, one_), alone)) return "ref";
        continue;
      }
      for (const int threads : {1, 2, 3})
        if (!same_bits(outputs(isa, threads, one_), alone) || !same_bits(outputs(isa, threads, batch_), together))
          return str(name_of(isa), ", ", threads, " threads");
    }
    described += str("; 1, 2, 3 threads (ref: 2); batch 1", free_batch_ ? " and 8 (ref: 1)" : "", "; sha256 ", hash.substr(0, 16));
    return "";
  }

  std::string described, hash;
  const Model& model() const { return model_; }
  std::vector<Shape> shapes() const {
    std::vector<Shape> shapes;
    for (const Tensor& x : one_) shapes.push_back(x.shape());
    return shapes;
  }

 private:
  std::vector<Tensor> outputs(Isa isa, int threads, std::span<const Tensor> inputs) const {
    return outputs_of(model_, {.isa = isa, .onednn = false}, inputs, threads);
  }

  Model model_;
  bool floats_ = false, free_batch_ = false;
  std::vector<Tensor> batch_, one_;
};

void compile(benchmark::State& state, NetworkFile file) {
  Ways ways(file);
  if (const std::string way = ways.differs(); !way.empty()) return state.SkipWithError((way + ": other bits").c_str());
  const std::vector<Shape> shapes = ways.shapes();
  for (auto _ : state) benchmark::DoNotOptimize(Program::compile(ways.model())->plan(shapes));
  state.SetLabel(ways.described);
}

[[maybe_unused]] const bool registered = (for_each_network("B9_exact_and_compile", compile), true);

}  // namespace
}  // namespace bitwright
