// The engine against its definition on random networks (random_net.hpp): the integer target gives the bits of the simulated one,
// on every instruction set, with any number of threads; a record alone gives what it gives in a batch. BITWRIGHT_SEEDS=first:count
// tries others.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "random_net.hpp"
#include "runtime/program.hpp"

namespace bitwright {
namespace {

std::vector<Tensor> run(const Model& model, const CompileOptions& options, const Tensor& x, int threads) {
  bitwright::Run run(Program::compile(model, options), {.threads = threads});
  std::vector<Tensor> outputs;
  for (const Tensor& y : run({x})) outputs.push_back(y.clone());
  return outputs;
}

void expect_same(const std::vector<Tensor>& wanted, const std::vector<Tensor>& got, const std::string& how) {
  ASSERT_EQ(wanted.size(), got.size());
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_TRUE(identical(wanted[i], got[i])) << "output " << i << ", " << how;
}

/// The first record of each tensor.
std::vector<Tensor> first_records(const std::vector<Tensor>& batches) {
  std::vector<Tensor> records;
  for (const Tensor& batch : batches) {
    Shape shape = batch.shape();
    shape[0] = 1;
    Tensor record(batch.dtype(), shape);
    std::memcpy(record.raw(), batch.raw(), record.bytes());
    records.push_back(record);
  }
  return records;
}

void check(uint32_t seed, RandomNet::Kind kind) {
  const RandomNet net(seed, kind);
  SCOPED_TRACE(str("seed ", seed, ":", net.described));
  // Our own float steps give the same bits everywhere, oneDNN's on one instruction set: there each is compared with itself.
  const bool onednn = seed % 2 == 0;
  const auto simulated = [&](Isa isa) { return run(net.model, {.target = Target::simulated, .isa = isa, .onednn = onednn}, net.sample, 2); };
  const auto wanted = simulated(isa_cap());
  for (const Isa isa : {Isa::ref, Isa::avx2, Isa::avxvnni, Isa::avx512, Isa::avx512vbmi})
    expect_same(onednn ? simulated(isa) : wanted, run(net.model, {.isa = isa, .onednn = onednn}, net.sample, 2), std::string(name_of(isa)));
  for (const int threads : {1, 3})
    expect_same(wanted, run(net.model, {.onednn = onednn}, net.sample, threads), str(threads, " threads"));
  // oneDNN may sum one row in another order than three; a range over the batch is another one for a part of it.
  const Tensor record = first_records({net.sample})[0];
  const bool alone_as_in_batch = !onednn && !net.batch_matters;
  const auto one = run(net.model, {.target = Target::simulated, .onednn = onednn}, record, 1);
  if (alone_as_in_batch) expect_same(first_records(wanted), one, "one record, simulated");
  expect_same(one, run(net.model, {.onednn = onednn}, record, 2), "one record, integer");
}

void check_all(RandomNet::Kind kind, uint32_t count) {
  uint32_t first = 1;
  if (const char* seeds = std::getenv("BITWRIGHT_SEEDS")) std::sscanf(seeds, "%u:%u", &first, &count);
  for (uint32_t seed = first; seed < first + count; ++seed) {
    try {
      check(seed, kind);
    } catch (const Error& e) {
      ADD_FAILURE() << "seed " << seed << ": " << e.what();
    }
  }
}

TEST(Differential, IntegerEqualsSimulatedOnRandomNetworks) { check_all(RandomNet::Kind::layers, 300); }

TEST(Differential, IntegerEqualsSimulatedOnPatterns) { check_all(RandomNet::Kind::patterns, 100); }

/// Networks that once differed: a gate under another profile than `ort`; a Concat over the buffer of a convolution that another
/// value saw.
TEST(Differential, WhatOnceDifferedIsEqual) {
  for (const uint32_t seed : {1458u, 1768u, 5055u}) check(seed, RandomNet::Kind::layers);
}

}  // namespace
}  // namespace bitwright
