// Pages that are forgotten come back with the same contents; memory that is no file's is left alone.
#include "core/spill.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
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

TEST(Spill, ManyTensorsInOneFile) {
  std::vector<float> numbers(5001);
  std::iota(numbers.begin(), numbers.end(), 0.0f);
  std::vector<Tensor> tensors;
  {
    SpillFile file;
    for (int64_t i = 0; i < 3; ++i) tensors.push_back(file.add(DType::f32, {5000}, numbers.data() + i % 2));
    EXPECT_FALSE(file.add(DType::f32, {0}, numbers.data()).has_data());
  }
  for (size_t i = 0; i < 3; ++i) {
    forget_pages(tensors[i]);
    EXPECT_TRUE(identical(tensors[i], Tensor::of<float>({5000}, std::span<const float>(numbers).subspan(i % 2, 5000))));
  }
}

TEST(Spill, NoFileNoTensor) {
  ::setenv("TMPDIR", "/there/is/no/such/folder", 1);
  SpillFile file;
  EXPECT_FALSE(file.add(DType::u8, {3}, "abc").has_data());
  ::unsetenv("TMPDIR");
  EXPECT_FALSE(file.add(DType::u8, {3}, "abc").has_data()) << "asked once";
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

// Seen in this process's map of memory.
bool mapped_from(const std::string& folder) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(" " + folder + "/") != std::string::npos) return true;
  return false;
}

TEST(Spill, LiesWhereTMPDIRSaysElseOnADisk) {
  const Tensor tensor = Tensor::of<float>({3}, std::vector<float>{1, 2, 3});
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "bitwright_spill";
  std::filesystem::create_directories(folder);
  ::setenv("TMPDIR", folder.c_str(), 1);
  {
    const Tensor there = spilled(tensor, 0);
    EXPECT_TRUE(identical(there, tensor));
    EXPECT_TRUE(mapped_from(folder.string()));
    EXPECT_TRUE(std::filesystem::is_empty(folder)) << "the file has no name";
  }
  EXPECT_FALSE(mapped_from(folder.string()));
  std::filesystem::remove_all(folder);
  ::unsetenv("TMPDIR");
  const Tensor there = spilled(tensor, 0);
  EXPECT_TRUE(identical(there, tensor));
  if (!std::filesystem::is_directory("/var/tmp")) GTEST_SKIP() << "no /var/tmp";
  EXPECT_TRUE(mapped_from("/var/tmp"));
}

}  // namespace
}  // namespace bitwright
