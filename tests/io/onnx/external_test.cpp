// External data: what escapes, lies or overlaps is one clear line.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "io/onnx/onnx.hpp"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

struct Case {
  std::string location, offset, length, second_offset, second_location;
};

class External : public testing::Test {
 protected:
  External() {
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "model/inside");
    for (const char* name : {"outside.bin", "model/weights.bin", "model/inside/weights.bin"})
      std::ofstream(folder_ / name) << std::string(64, 'x');
    fs::create_symlink(folder_ / "outside.bin", folder_ / "model/link.bin");
    fs::create_directory_symlink(folder_, folder_ / "model/up");
  }
  ~External() override { fs::remove_all(folder_); }

  static void field(std::string& to, int number, const std::string& bytes) {
    to += static_cast<char>(number << 3 | 2);
    BW_CHECK(bytes.size() < 128 * 128);
    if (bytes.size() >= 128) to += static_cast<char>(bytes.size() % 128 | 128), to += static_cast<char>(bytes.size() / 128);
    else to += static_cast<char>(bytes.size());
    to += bytes;
  }
  static std::string entry(const std::string& key, const std::string& value) {
    std::string text;
    field(text, 1, key), field(text, 2, value);
    return text;
  }
  /// TensorProto: dims [4], float, external.
  static std::string tensor(const std::string& name, const Case& c, const std::string& offset) {
    std::string t("\x08\x04\x10\x01", 4);
    field(t, 8, name);
    if (!c.location.empty()) field(t, 13, entry("location", c.location));
    if (!offset.empty()) field(t, 13, entry("offset", offset));
    if (!c.length.empty()) field(t, 13, entry("length", c.length));
    return t + std::string("\x70\x01", 2);
  }
  std::string read(const Case& c) {
    std::string graph, out, model;
    field(graph, 2, "g");
    field(graph, 5, tensor("a", c, c.offset));
    const std::string second = c.second_location.empty() ? c.location : c.second_location;
    if (!c.second_offset.empty()) field(graph, 5, tensor("b", {second, "", c.length}, c.second_offset));
    field(out, 1, "a");
    field(graph, 12, out);
    field(model, 7, graph);
    const std::string file = (folder_ / "model/m.onnx").string();
    std::ofstream(file, std::ios::binary) << model;
    try {
      read_onnx(file);
    } catch (const Error& e) {
      const std::string text = e.what();
      return text.rfind(file + ": ", 0) == 0 ? text.substr(file.size() + 2) : text;
    }
    return "read";
  }
  fs::path folder_ = fs::path(testing::TempDir()) / "bitwright_external";
};

TEST_F(External, InsideTheFolderIsRead) {
  EXPECT_EQ(read({"weights.bin", "16", "16", ""}), "read");
  EXPECT_EQ(read({"inside/weights.bin", "", "16", ""}), "read");
  EXPECT_EQ(read({"inside/../weights.bin", "48", "", ""}), "read");
  EXPECT_EQ(read({"weights.bin", "16", "16", "16"}), "read") << "tied weights";
  EXPECT_EQ(read({"weights.bin", "16", "16", "32"}), "read");
}

TEST_F(External, NothingOutsideIsOpened) {
  const std::string outside = "' lie outside of the model's folder";
  EXPECT_EQ(read({"../outside.bin", "", "16", ""}), "tensor 'a' [4]: external data at '../outside.bin" + outside);
  EXPECT_EQ(read({"link.bin", "", "16", ""}), "tensor 'a' [4]: external data at 'link.bin" + outside);
  EXPECT_EQ(read({"up/outside.bin", "", "16", ""}), "tensor 'a' [4]: external data at 'up/outside.bin" + outside);
  const std::string absolute = (folder_ / "model/weights.bin").string();
  EXPECT_EQ(read({absolute, "", "16", ""}), "tensor 'a' [4]: external data at '" + absolute + "' are not a file beside the model");
  EXPECT_EQ(read({"", "", "16", ""}), "tensor 'a' [4]: external data at '' are not a file beside the model");
}

TEST_F(External, NumbersThatLie) {
  EXPECT_EQ(read({"weights.bin", "64", "16", ""}),
            "tensor 'a' [4]: external data at 'weights.bin' end at byte 64, wanted 16 bytes from 64");
  EXPECT_EQ(read({"weights.bin", "0", "9223372036854775807", ""}),
            "tensor 'a' [4]: external data at 'weights.bin' end at byte 64, wanted 9223372036854775807 bytes from 0");
  EXPECT_EQ(read({"weights.bin", "-16", "16", ""}), "tensor 'a' [4]: external data have offset '-16', wanted a number of bytes");
  EXPECT_EQ(read({"weights.bin", "0", "99999999999999999999", ""}),
            "tensor 'a' [4]: external data have length '99999999999999999999', wanted a number of bytes");
  EXPECT_EQ(read({"weights.bin", "0", "32", ""}), "tensor 'a' [4]: has 32 bytes of data, its shape needs 16");
  EXPECT_EQ(read({"weights.bin", "0", "16", "8"}),
            "tensor 'b' [4]: external data at 'weights.bin', 16 bytes from 8, overlap those of tensor 'a'");
  EXPECT_EQ(read({"weights.bin", "8", "16", "0"}),
            "tensor 'b' [4]: external data at 'weights.bin', 16 bytes from 0, overlap those of tensor 'a'");
}

TEST_F(External, AFileOfTwoNamesIsOne) {
  const std::string overlap = "tensor 'b' [4]: external data at '";
  fs::create_hard_link(folder_ / "model/weights.bin", folder_ / "model/hard.bin");
  fs::create_symlink("weights.bin", folder_ / "model/soft.bin");
  for (const std::string other : {"./weights.bin", "inside/../weights.bin", "hard.bin", "soft.bin"}) {
    EXPECT_EQ(read({"weights.bin", "0", "16", "8", other}), overlap + other + "', 16 bytes from 8, overlap those of tensor 'a'");
    EXPECT_EQ(read({"weights.bin", "0", "16", "16", other}), "read");
  }
  EXPECT_EQ(read({"weights.bin", "0", "16", "8", "inside/weights.bin"}), "read");
}

TEST_F(External, AFileThatIsNotThere) {
  EXPECT_NE(read({"none.bin", "", "16", ""}).find("none.bin: cannot be opened: No such file or directory"), std::string::npos);
}

}  // namespace
}  // namespace bitwright
