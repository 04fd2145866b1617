#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "core/mapped_file.hpp"
#include "core/tensor.hpp"
#include "core/utf8.hpp"

namespace bitwright {
namespace {

TEST(OneLine, ShowsWhatATerminalWouldActOn) {
  EXPECT_EQ(one_line("tab\tbell\x07 \x1b[31m"), "tab\\x09bell\\x07 \\x1b[31m");
  EXPECT_EQ(one_line("a\nb\r"), "a\\x0ab\\x0d");
  EXPECT_EQ(one_line("caf\xc3\xa9 \xff\xc3"), "caf\xc3\xa9 \\xff\\xc3");
  EXPECT_EQ(one_line("\xc2\x9b"), "\\xc2\\x9b");
  EXPECT_EQ(one_line("123456789", 6), "1234 ... 89");
}

struct Folder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("bitwright-files-test-" + std::to_string(getpid()));
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  size_t entries() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(path), std::filesystem::directory_iterator()));
  }
};

TEST(FileWriter, AppearsWholeOrNotAtAll) {
  const Folder folder;
  const std::string file = (folder.path / "f").string();
  {
    FileWriter dropped(file);
    dropped.write("never seen");
  }
  EXPECT_EQ(folder.entries(), 0u);
  FileWriter kept(file);
  kept.write("seen");
  EXPECT_FALSE(std::filesystem::exists(file));
  kept.commit();
  EXPECT_EQ(std::filesystem::file_size(file), 4u);
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(FileWriter, LeavesDevicesWhereTheyAre) {
  // By way of /proc: no fault of FileWriter could put a file in a device's place.
  const int null = ::open("/dev/null", O_WRONLY), full = ::open("/dev/full", O_WRONLY);
  FileWriter devours("/proc/self/fd/" + std::to_string(null));
  devours.write("x");
  EXPECT_NO_THROW(devours.commit());
  FileWriter fails("/proc/self/fd/" + std::to_string(full));
  fails.write("x");
  EXPECT_THROW(fails.commit(), Error);
  ::close(null);
  ::close(full);
}

TEST(Tensor, ByteCountsThatOverflowAreRefused) {
  EXPECT_THROW(Tensor::described(DType::f32, {int64_t{1} << 40, int64_t{1} << 22}), Error);
  EXPECT_NO_THROW(Tensor::described(DType::f32, {1 << 20, 1 << 20}));
}

}  // namespace
}  // namespace bitwright
