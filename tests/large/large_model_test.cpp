// A network of 3 GB with its weights beside it: written, inspected in under 200 MB of memory, quantized with weights alone in
// memory that does not grow with the network. `slow`: needs 8 GB of disk for a while. BITWRIGHT_LARGE_LAYERS makes it smaller.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "api/api.hpp"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kWidth = 4096;

/// y = x W1 W2 ... Wn; all weights share one memory, which the file does not.
Model chain(int64_t layers) {
  Model model;
  Graph& g = model.graph;
  Tensor w(DType::f32, {kWidth, kWidth});
  uint32_t state = 1;
  for (float& v : w.values<float>()) v = static_cast<float>(static_cast<int32_t>(state = state * 1664525u + 1013904223u)) * 0x1p-38f;
  ValueId x = g.add_value("x", DType::f32);
  g.value(x).has_shape = true, g.value(x).shape = {1, kWidth};
  g.inputs = {x};
  for (int64_t i = 0; i < layers; ++i) {
    const ValueId y = g.add_value(str("h", i), DType::f32);
    g.add_node("MatMul", {x, g.add_constant(str("w", i), w)}, {y}, str("layer", i));
    x = y;
  }
  g.value(x).has_shape = true, g.value(x).shape = {1, kWidth};
  g.outputs = {x};
  return model;
}

struct Used {
  int status = -1;
  double megabytes = 0, seconds = 0;
};

/// Runs the program, its output thrown away; peak memory of that process.
Used run_program(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  arguments.insert(arguments.begin(), BW_PROGRAM);
  for (std::string& a : arguments) argv.push_back(a.data());
  argv.push_back(nullptr);
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    if (!std::freopen("/dev/null", "w", stdout)) ::_exit(126);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  Used used;
  rusage usage{};
  ::wait4(child, &used.status, 0, &usage);
  used.megabytes = static_cast<double>(usage.ru_maxrss) / 1024;
  used.seconds = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
  return used;
}

double gigabytes(const std::string& file) {
  return static_cast<double>(fs::file_size(file) + (fs::exists(file + ".data") ? fs::file_size(file + ".data") : 0)) / 1e9;
}

struct Folder {
  fs::path path = fs::path(testing::TempDir()) / "bitwright_large";
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
};

TEST(LargeModel, IsInspectedAndQuantizedInBoundedMemory) {
  const char* asked = std::getenv("BITWRIGHT_LARGE_LAYERS");
  const int64_t layers = asked ? std::atoll(asked) : 46;  // 64 MiB each: 3.09 GB
  const Folder folder;
  const std::string file = folder.file("large.onnx");
  const Saved saved = save(chain(layers), file, {.external_above = size_t{64} << 20});
  EXPECT_GE(static_cast<double>(saved.bytes), static_cast<double>(layers) * kWidth * kWidth * 4);
  std::printf("| written | %.2f GB in %s.data | |\n", gigabytes(file), "large.onnx");

  const Used inspect = run_program({"inspect", file});
  std::printf("| inspect | %.0f MB of memory, %.1f s | under 200 MB |\n", inspect.megabytes, inspect.seconds);
  EXPECT_EQ(inspect.status, 0);
  EXPECT_LT(inspect.megabytes, 200);

  for (const char* weights : {"int8", "int4/32"}) {
    const std::string out = folder.file("small.onnx");
    const Used quantize = run_program({"quantize", file, "-o", out, "--mode", "weight-only", "--weights", weights, "-q"});
    EXPECT_EQ(quantize.status, 0) << weights;
    if (quantize.status != 0) continue;
    std::printf("| quantize --weights %s | %.0f MB of memory, %.1f s, %.2f GB written | under 500 MB |\n", weights, quantize.megabytes,
                quantize.seconds, gigabytes(out));
    EXPECT_LT(quantize.megabytes, 500) << weights;
    fs::remove(out), fs::remove(out + ".data");
  }
}

/// `records` rows of kWidth floats in [-1, 1] as NumPy writes them.
void write_rows(const std::string& path, int64_t records) {
  std::string header = str("{'descr': '<f4', 'fortran_order': False, 'shape': (", records, ", ", kWidth, "), }");
  header.resize(117, ' ');
  std::ofstream file(path, std::ios::binary);
  file << std::string_view("\x93NUMPY\x01\x00\x76\x00", 10) << header << '\n';
  for (int64_t i = 0; i < records * kWidth; ++i) {
    const float value = static_cast<float>(i * 7919 % 2001 - 1000) / 1000;
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
}

// Weights are in memory once, in the order that the float kernels read; what they were made from stays in its file.
TEST(LargeModel, IsCalibratedInTheMemoryOfItsWeightsAndALittleMore) {
  const Folder folder;
  const std::string file = folder.file("float.onnx"), out = folder.file("small.onnx"), data = folder.file("rows.npy");
  const auto megabytes = static_cast<double>(save(chain(4), file).bytes) / (1 << 20);
  write_rows(data, 32);
  const Used used = run_program({"quantize", file, "-o", out, "--data", "npy:" + data, "--calibrate", "32", "--observer", "auto", "-q"});
  std::printf("| quantize, static | %.0f MB of memory, %.1f s | under the %.0f MB of the model and 150 |\n", used.megabytes, used.seconds, megabytes);
  EXPECT_EQ(used.status, 0);
  EXPECT_LT(used.megabytes, megabytes + 150);
}

}  // namespace
}  // namespace bitwright
