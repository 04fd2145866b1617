// Written files: read back and run (or compared) before they get their place; styles, opsets, data beside the model.
#include <gtest/gtest.h>

#include <filesystem>

#include "api/api.hpp"
#include "io/onnx/onnx.hpp"

namespace bitwright {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCnn = BW_SOURCE_DIR "/examples/models/fashion_cnn.onnx";

struct Folder {
  fs::path path = fs::path(testing::TempDir()) / "bitwright_save";
  Folder() { fs::remove_all(path), fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const char* name) const { return (path / name).string(); }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(path), fs::directory_iterator())); }
};

Quantized without_data(Method method, const char* weights = "int8") {
  Recipe recipe;
  recipe.rules.method = method;
  set_format(recipe.rules.weight, weights);
  return quantize(load(kCnn), recipe);
}

TEST(Save, DataBesideTheModelAreMovedWithIt) {
  const Folder folder;
  const Quantized small = without_data(Method::weight_only, "int4/32");
  const Saved saved = save(small.model, folder.file("m.onnx"), {.external_above = 1000});
  EXPECT_EQ(saved.not_run, "");
  EXPECT_EQ(folder.files(), 2u) << "m.onnx and m.onnx.data, nothing else";
  EXPECT_GT(fs::file_size(folder.file("m.onnx.data")), 1000u);
  EXPECT_EQ(load(folder.file("m.onnx")).quantization.at.size(), small.model.quantization.at.size());
}

TEST(Save, DataOfAnOverwrittenModelOfOursGoWithIt) {
  const Folder folder;
  const Model model = load(kCnn);
  save(model, folder.file("m.onnx"), {.external_above = 1000});
  EXPECT_EQ(bytes_on_disk(folder.file("m.onnx")), fs::file_size(folder.file("m.onnx")) + fs::file_size(folder.file("m.onnx.data")));
  save(model, folder.file("m.onnx"));
  EXPECT_EQ(folder.files(), 1u);
  EXPECT_EQ(bytes_on_disk(folder.file("m.onnx")), fs::file_size(folder.file("m.onnx")));
}

TEST(Save, AFileThatOnlyHasTheNameOfDataStays) {
  const Folder folder;
  const Model model = load(kCnn);
  fs::copy_file(kCnn, folder.file("m.onnx"));
  fs::copy_file(kCnn, folder.file("m.onnx.data"));  // somebody's
  save(model, folder.file("m.onnx"));
  EXPECT_EQ(folder.files(), 2u);
  EXPECT_EQ(bytes_on_disk(folder.file("m.onnx")), fs::file_size(folder.file("m.onnx")));
}

TEST(Save, NetworksTooLargeToBeRunAreCompared) {
  const Folder folder;
  const Saved saved = save(without_data(Method::weight_only).model, folder.file("m.onnx"), {.external_above = 1000, .run_up_to = 1000});
  EXPECT_EQ(saved.not_run, "its weights are larger than 1000 bytes; they were read back and compared");
}

TEST(Save, TheUsersNameStandsInMessages) {
  const Folder folder;
  const std::string file = folder.file("m.onnx");
  try {
    save(without_data(Method::weight_only, "int4/32").model, file, {.opset = 13});
    FAIL();
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_EQ(what.rfind(file + ": node '", 0), 0u) << what;
    EXPECT_NE(what.find("i4 tensors need opset 21, asked for 13"), std::string::npos) << what;
  }
  EXPECT_EQ(folder.files(), 0u);
}

TEST(Save, DynamicConvolutionsAndRowsAreFoundAgain) {
  const Folder folder;
  Recipe recipe;
  recipe.rules.method = Method::dynamic;
  recipe.rules.operators = {"Conv", "Gemm", "MatMul"};
  recipe.rules.per_row = true;
  const Quantized small = quantize(load(kCnn), recipe);
  const Saved saved = save(small, folder.file("m.onnx"));
  EXPECT_EQ(saved.not_run, "");
  size_t at_run = 0;
  for (const auto& [site, entry] : load(folder.file("m.onnx")).quantization.at) at_run += entry.when == When::at_run;
  size_t wanted = 0;
  for (const auto& [site, entry] : small.model.quantization.at) wanted += entry.when == When::at_run;
  EXPECT_EQ(at_run, wanted);
  EXPECT_GT(wanted, 0u);
}

TEST(Save, StyleIsTheRecipes) {
  QuantizedStyle style = QuantizedStyle::qdq;
  read_word("style", "qoperator", style);
  EXPECT_EQ(style, QuantizedStyle::qoperator);
  try {
    read_word("style", "qlinear", style);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), "style is 'qlinear', it must be one of qdq, qoperator");
  }
  Recipe recipe;
  recipe.style = QuantizedStyle::qoperator;
  EXPECT_EQ(recipe_from(to_document(recipe), "recipe").style, QuantizedStyle::qoperator);
}

}  // namespace
}  // namespace bitwright
