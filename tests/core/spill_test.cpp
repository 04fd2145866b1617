// Pages that are forgotten come back with the same contents; memory that is no file's is left alone.
#include "core/spill.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "core/mapped_file.hpp"

namespace bitwright {
namespace {

TEST(Spill, ASpilledTensorHoldsTheSame) {
  Tensor t(DType::i32, {300, 100});
  std::iota(t.values<int32_t>().begin(), t.values<int32_t>().end(), 0);
  const Tensor small = spilled(t), large = spilled(t, 1000);
  EXPECT_EQ(small.raw(), t.raw());
  EXPECT_NE(large.raw(), t.raw());
  forget_pages(large);
  EXPECT_TRUE(identical(large, t));
  forget_pages(t);  // not a file's: must not become zeros
  EXPECT_TRUE(identical(large, t));
}

TEST(Spill, PagesOfAMappedFileComeBack) {
  const std::string path = testing::TempDir() + "bitwright_pages";
  std::ofstream(path) << std::string(100000, 'x');
  const MappedFile file = MappedFile::open(path);
  EXPECT_EQ(file.bytes[50000], std::byte{'x'});
  forget_pages(file.bytes.data() + 10, file.bytes.size() - 20);
  EXPECT_EQ(file.bytes[50000], std::byte{'x'});
  forget_pages(nullptr, 0);
}

}  // namespace
}  // namespace bitwright
