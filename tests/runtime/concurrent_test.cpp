// One Program and several callers at once, each with a Run of its own, with threads of their own and shapes that change: every
// result is the one that a caller alone gets. Run under ThreadSanitizer by ./dev tsan.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "random_net.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

/// The first `count` records.
Tensor first(const Tensor& x, int64_t count) {
  Shape shape = x.shape();
  shape[0] = count;
  Tensor part(x.dtype(), shape);
  std::memcpy(part.raw(), x.raw(), part.bytes());
  return part;
}

std::vector<Tensor> alone(const Model& model, const Tensor& x) {
  bitwright::Run run(Program::compile(model, {.onednn = false}), {.threads = 1});
  std::vector<Tensor> outputs;
  for (const Tensor& y : run({x})) outputs.push_back(y.clone());
  return outputs;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const Tensor& x, const Tensor& y) { return identical(x, y); });
}

/// Calls that differ in shape from one to the next; each caller begins with another one.
void call_repeatedly(const std::shared_ptr<const Program>& program, const std::vector<Tensor>& inputs,
                     const std::vector<std::vector<Tensor>>& wanted, size_t caller, std::atomic<int>& wrong) {
  constexpr size_t kCalls = 12;
  bitwright::Run run(program, {.threads = static_cast<int>(1 + caller % 3)});
  for (size_t i = 0; i < kCalls; ++i) {
    const size_t k = (i + caller) % inputs.size();
    if (!same(run({inputs[k]}), wanted[k])) ++wrong;
  }
}

void expect_callers_get_what_one_gets(RandomNet::Kind kind) {
  constexpr size_t kCallers = 4;
  for (uint32_t seed = 1; seed <= 25; ++seed) {
    const RandomNet net(seed, kind);
    SCOPED_TRACE(str("seed ", seed, ":", net.described));
    std::vector<Tensor> inputs;
    std::vector<std::vector<Tensor>> wanted;
    for (const int64_t records : {1, 3, 2}) {
      inputs.push_back(first(net.sample, records));
      wanted.push_back(alone(net.model, inputs.back()));
    }
    const auto program = Program::compile(net.model, {.onednn = false});
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (size_t i = 0; i < kCallers; ++i)
      callers.emplace_back([&, i] { call_repeatedly(program, inputs, wanted, i, wrong); });
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(wrong, 0);
  }
}

TEST(Concurrent, SeveralRunsOfOneProgramGiveWhatOneGives) { expect_callers_get_what_one_gets(RandomNet::Kind::layers); }

TEST(Concurrent, SeveralRunsOfPatternsGiveWhatOneGives) { expect_callers_get_what_one_gets(RandomNet::Kind::patterns); }

TEST(Concurrent, StepsOfNewShapesAreAskedForAtOnce) {
  const RandomNet net(3);
  const auto program = Program::compile(net.model);
  std::vector<std::thread> askers;
  std::atomic<size_t> steps{0};
  for (int64_t i = 0; i < 6; ++i)
    askers.emplace_back([&, i] {
      Shape shape = net.sample.shape();
      shape[0] = 1 + i % 3;
      steps += program->steps(std::vector<Shape>{shape}).size();
    });
  for (std::thread& asker : askers) asker.join();
  EXPECT_GE(steps, 6u);
}

/// More threads than the machine has cores, more than there is work for, and runs that end one after another.
TEST(Concurrent, MoreThreadsThanCores) {
  const RandomNet net(2);
  const auto wanted = alone(net.model, net.sample);
  const auto program = Program::compile(net.model, {.onednn = false});
  for (const int threads : {5, 16, 64}) {
    bitwright::Run run(program, {.threads = threads});
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(same(run({net.sample}), wanted)) << threads << " threads";
  }
}

}  // namespace
}  // namespace bitwright
