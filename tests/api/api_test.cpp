#include "api/api.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/sha256.hpp"

namespace bitwright {
namespace {

constexpr const char* kMlp = BW_SOURCE_DIR "/examples/models/fashion_mlp.onnx";
constexpr const char* kCnn = BW_SOURCE_DIR "/examples/models/fashion_cnn.onnx";

// Random images of the examples' shape; the label is what the float network says.
class Pictures : public Dataset {
 public:
  explicit Pictures(const Model& model, int64_t n = 64) : run_(Program::compile(model, {.target = Target::floating})) {
    for (int64_t i = 0; i < n; ++i) {
      images_.push_back(random_inputs(run_.program(), 1, static_cast<uint64_t>(i))[0]);
      const Tensor scores = run_({images_.back()})[0];
      const auto values = scores.values<float>();
      labels_.push_back(std::max_element(values.begin(), values.end()) - values.begin());
    }
  }
  int64_t size() const override { return static_cast<int64_t>(images_.size()); }
  Task task() const override { return Task::classify; }
  std::string description() const override { return "random pictures"; }
  Batch read(std::span<const int64_t> records) const override {
    Batch batch;
    batch.records = static_cast<int64_t>(records.size());
    Shape shape = images_[0].shape();
    shape[0] = batch.records;
    Tensor all(DType::f32, shape);
    auto to = all.values<float>().begin();
    for (const int64_t r : records) {
      const auto from = images_[static_cast<size_t>(r)].values<float>();
      to = std::copy(from.begin(), from.end(), to);
      batch.labels.push_back(labels_[static_cast<size_t>(r)]);
    }
    batch.inputs = {all};
    return batch;
  }

 private:
  bitwright::Run run_;
  std::vector<Tensor> images_;
  std::vector<int64_t> labels_;
};

TEST(Api, MainJobKeepsAnswersAndShrinksTheFile) {
  for (const char* path : {kMlp, kCnn}) {
    const Model model = load(path);
    const Pictures data(model);
    const Quantized small = quantize(model, Recipe(), data);
    const std::string out = (std::filesystem::temp_directory_path() / "bitwright_api_test.onnx").string();
    const Saved saved = save(small, out);
    EXPECT_LT(static_cast<double>(saved.bytes), 0.35 * static_cast<double>(std::filesystem::file_size(path)));
    const Model again = load(out);
    EXPECT_EQ(again.info.metadata.count("bitwright.recipe"), 1u);
    const Metric metric = evaluate(Program::compile(again, {}), data);
    EXPECT_EQ(metric.n, 64);
    EXPECT_GT(metric.accuracy(), 0.85) << path;
    std::remove(out.c_str());
  }
}

TEST(Api, SameModelForAnyNumberOfThreads) {
  const Model model = load(kMlp);
  const Pictures data(model);
  const Quantized one = quantize(model, Recipe(), &data, nullptr, 1), three = quantize(model, Recipe(), &data, nullptr, 3);
  for (const auto& [site, entry] : one.model.quantization.at) {
    ASSERT_TRUE(three.model.quantization.find(site));
    EXPECT_TRUE(same_grid(entry.chain.back(), three.model.quantization.find(site)->chain.back()));
    EXPECT_TRUE(identical(entry.codes, three.model.quantization.find(site)->codes));
  }
}

// Mission A1.10: after prepare the outputs are those of the float network, bit for bit.
TEST(Api, SixStepsGiveTheSameModelAsOneVerb) {
  const Recipe recipe;
  const Model model = load(kMlp);
  const Pictures data(model);
  const Model fused = add_quant_stubs(fuse(model, recipe).model);
  Observed observed = prepare(set_qconfig(fused, recipe), recipe);
  bitwright::Run plain(Program::compile(fused, {.target = Target::floating}));
  const Batches batches = batches_of(fused, data, 64, 16);
  EXPECT_TRUE(identical(observed(batches.inputs(0))[0], plain(batches.inputs(0))[0]));
  calibrate(observed, batches);
  const Model steps = convert(std::move(observed));
  const Quantized verb = quantize(model, recipe, data);
  ASSERT_EQ(steps.quantization.at.size(), verb.model.quantization.at.size());
  auto other = verb.model.quantization.at.begin();
  for (const auto& [site, entry] : steps.quantization.at) {
    EXPECT_TRUE(same_grid(entry.chain.back(), other->second.chain.back()));
    ++other;
  }
}

TEST(Api, Sha256OfKnownTexts) {
  EXPECT_EQ(sha256({}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string abc = "abc", long_text(1000, 'a');
  EXPECT_EQ(sha256(std::as_bytes(std::span(abc))), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::as_bytes(std::span(long_text))), "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
}

TEST(Api, Sha256OfPiecesAndOfFiles) {
  std::string text(3 << 20, '\0');
  for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * i >> 5);
  const std::string want = sha256(std::as_bytes(std::span(text)));
  Sha256 hash;
  for (size_t at = 0, piece = 1; at < text.size(); at += piece, piece = piece * 3 % 1021)
    hash.add(std::as_bytes(std::span(text)).subspan(at, std::min(piece, text.size() - at)));
  EXPECT_EQ(hash.text(), want);
  const std::string path = testing::TempDir() + "bitwright_hashed";
  std::ofstream(path, std::ios::binary) << text;
  EXPECT_EQ(file_sha256(path), want);
  for (const bool apart : {true, false}) EXPECT_EQ(FileHash(path, apart).get(), want);
  std::filesystem::remove(path);
  FileHash gone(path);
  EXPECT_THROW(gone.get(), Error);
}

TEST(Api, WilsonAndSpearman) {
  double low = 0, high = 0;
  wilson_interval(8, 10, low, high);
  EXPECT_NEAR(low, 0.4902, 1e-4);  // Wilson 1927
  EXPECT_NEAR(high, 0.9433, 1e-4);
  wilson_interval(10, 10, low, high);
  EXPECT_LE(high, 1);
  const std::vector<double> a = {1, 2, 3, 4, 5}, b = {5, 6, 7, 8, 7};
  EXPECT_NEAR(spearman_correlation(a, b), 0.8207826816681233, 1e-12);  // scipy.stats.spearmanr
}

template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(Api, Errors) {
  const Model model = load(kMlp);
  EXPECT_EQ(error_of([&] { quantize(model, Recipe()); }),
            "static quantization needs calibration data; dynamic and weight-only do not");
  const Pictures wrong(load(kCnn), 2);
  const Quantized small = quantize(model, Recipe(), Pictures(model, 4));
  EXPECT_EQ(error_of([&] { quantize(small.model, Recipe(), Pictures(model, 2)); }).substr(0, 30),
            "the model is quantized already");
  EXPECT_EQ(error_of([&] { save(small, "x.tflite"); }),
            "x.tflite: only ONNX files can be written; the name must end in .onnx");
}

}  // namespace
}  // namespace bitwright
