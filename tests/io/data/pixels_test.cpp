// CIFAR-10 binary and idx.
#include "files.hpp"

namespace bitwright {
namespace {

std::string cifar_record(int label, int seed) {
  std::string record(1, static_cast<char>(label));
  for (int i = 0; i < 3072; ++i) record += static_cast<char>(i * 7 + seed);
  return record;
}

TEST(Cifar10, ReadsPlanesOfAFileAndOfAFolder) {
  const Folder folder;
  const std::string one = folder.write("data_batch_1.bin", cifar_record(3, 1) + cifar_record(9, 2));
  folder.write("data_batch_2.bin", cifar_record(0, 3));
  folder.write("readme.html", "x");
  const auto data = open_dataset(folder.path());
  EXPECT_EQ(data->size(), 3);
  const Batch batch = data->batch(1, 9);
  EXPECT_EQ(batch.labels, (std::vector<int64_t>{9, 0}));
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{2, 3, 32, 32}));
  const auto pixels = batch.inputs[0].values<float>();
  for (int i = 0; i < 3072; ++i) {
    ASSERT_EQ(pixels[i], static_cast<float>((i * 7 + 2) % 256));
    ASSERT_EQ(pixels[3072 + i], static_cast<float>((i * 7 + 3) % 256));
  }
  EXPECT_EQ(open_dataset(one)->size(), 2);
}

TEST(Cifar10, TrainingAndTestFilesAreNotMixed) {
  const Folder folder;
  folder.write("data_batch_1.bin", cifar_record(3, 1) + cifar_record(9, 2));
  folder.write("test_batch.bin", cifar_record(1, 1));
  EXPECT_EQ(open_error(folder, folder.path()),
            "FOLDER: holds training files (data_batch_1.bin) and test files (test_batch.bin); name a file or give split = "
            "\"train\" or \"test\"");
  DataOptions options;
  options.split = "test";
  EXPECT_EQ(open_dataset(folder.path(), options)->size(), 1);
  options.split = "train";
  EXPECT_EQ(open_dataset(folder.path(), options)->size(), 2);
}

TEST(Cifar10, DamageIsNamed) {
  const Folder folder;
  const std::string cut = folder.write("cut.bin", cifar_record(3, 1) + "xyz");
  EXPECT_EQ(open_error(folder, "cifar10:" + cut),
            "cut.bin: 3076 bytes are not a whole number of CIFAR-10 records (3073 bytes each)");
  const std::string label = folder.write("label.bin", cifar_record(3, 1) + cifar_record(10, 1));
  EXPECT_EQ(read_error(folder, label), "label.bin record 1: label 10 is out of range, wanted 0 to 9");
  const std::string empty = folder.write("empty.bin", "");
  EXPECT_EQ(open_error(folder, "cifar10:" + empty), "empty.bin: the data set is empty");
}

TEST(Cifar10, TheSharedTestSetHasItsLabels) {
  BW_NEEDS_SHARED("/cifar10/test.bin");
  const auto data = open_dataset(shared_data() + "/cifar10/test.bin");
  ASSERT_EQ(data->size(), 4984);
  std::vector<int> count(10);
  for (int64_t i = 0; i < data->size(); i += 500)
    for (const int64_t label : data->batch(i, 500).labels) ++count[label];
  EXPECT_EQ(count, (std::vector<int>{500, 500, 500, 500, 500, 500, 500, 500, 484, 500}));  // od -tu1, every 3073rd byte
  const Batch first = data->batch(0, 1);
  const auto pixels = first.inputs[0].values<float>();
  EXPECT_EQ(pixels[0], 155);
  EXPECT_EQ(pixels[3], 190);
  EXPECT_EQ(pixels[1024], 156);
  EXPECT_EQ(pixels[2048], 149);
}

TEST(Select, TakesTheRecordsItNames) {
  const Folder folder;
  const std::string path = folder.write("a.bin", cifar_record(0, 1) + cifar_record(1, 1) + cifar_record(2, 1));
  DataOptions options;
  options.select = "odd";
  const auto odd = open_dataset(path, options);
  EXPECT_EQ(odd->batch(0, 5).labels, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(odd->description(), "CIFAR-10, 3 records, pixels as stored (0 ... 255), odd: 2 of them");
  options.select = "7:9";
  EXPECT_EQ(open_error(folder, path, options), "selection '7:9' takes none of the 3 records");
}

std::string idx(const std::vector<uint32_t>& shape, const std::string& elements, int type = 8) {
  std::string out{0, 0, static_cast<char>(type), static_cast<char>(shape.size())};
  for (const uint32_t extent : shape) out += be32(extent);
  return out + elements;
}

TEST(Idx, ReadsImagesAndTheLabelsBeside) {
  const Folder folder;
  const std::string images = folder.write("t-images-idx3-ubyte", idx({2, 1, 2}, "\x01\x02\x03\x04"));
  folder.write("t-labels-idx1-ubyte", idx({2}, "\x05\x06"));
  const auto data = open_dataset(images);
  const Batch batch = data->batch(0, 2);
  EXPECT_EQ(batch.labels, (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{2, 1, 1, 2}));
  EXPECT_EQ(values_as_int(batch.inputs[0]), (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(open_dataset(folder.path())->size(), 2);
}

std::string idx_error(const std::string& images, const std::string& labels = idx({2}, "\x05\x06")) {
  const Folder folder;
  folder.write("t-images-idx3-ubyte", images);
  folder.write("t-labels-idx1-ubyte", labels);
  DataOptions options;
  options.classes = 7;
  return read_error(folder, "idx:" + folder / "t-images-idx3-ubyte", options);
}

TEST(Idx, DamageIsNamed) {
  const std::string good = idx({2, 1, 2}, "abcd"), path = "t-images-idx3-ubyte: ";
  EXPECT_EQ(idx_error(good), "");
  EXPECT_EQ(idx_error("PK"), path + "is not an idx file");
  EXPECT_EQ(idx_error(idx({2, 1, 2}, "abcd", 13)), path + "holds elements of idx type 13; only unsigned bytes (8) are read");
  EXPECT_EQ(idx_error(idx({1, 1, 1, 1, 4}, "abcd")), path + "claims 5 dimensions, wanted 1 to 4");
  EXPECT_EQ(idx_error(good.substr(0, 9)), path + "ends inside the header");
  EXPECT_EQ(idx_error(idx({2, 1, 2}, "abc")), path + "the header says [2,1,2], the file holds 3 elements");
  EXPECT_EQ(idx_error(idx({4294967295u, 4294967295u, 4294967295u, 4294967295u}, "abc")),
            path + "the header says [4294967295,4294967295,4294967295,4294967295], the file holds 3 elements");
  EXPECT_EQ(idx_error(idx({4}, "abcd")), path + "holds numbers, not images; name the image file");
  EXPECT_EQ(idx_error(good, idx({3}, "abc")), "t-labels-idx1-ubyte: holds [3] labels for 2 images");
  EXPECT_EQ(idx_error(good, idx({2}, "\x05\x07")),
            "t-images-idx3-ubyte record 1: label 7 is out of range, wanted 0 to 6");
  EXPECT_EQ(idx_error(idx({2, 0, 2}, "")), "t-images-idx3-ubyte record 0: the image has no pixels");
  EXPECT_EQ(idx_error(idx({0, 1, 2}, ""), idx({0}, "")), "t-images-idx3-ubyte: the data set is empty");
  EXPECT_EQ(idx_error(idx({2, 1, 1, 5}, "abcdefghij")),
            "t-images-idx3-ubyte record 0: 5 channels, at most 4 are read");
}

TEST(Idx, MissingLabelsAndAmbiguousFoldersAreNamed) {
  const Folder folder;
  const std::string images = folder.write("t10k-images-idx3-ubyte", idx({1, 1, 1}, "a"));
  EXPECT_EQ(open_error(folder, images), "t10k-images-idx3-ubyte: its labels should be beside it as t10k-labels-idx1-ubyte");
  folder.write("train-images-idx3-ubyte", idx({1, 1, 1}, "a"));
  EXPECT_EQ(open_error(folder, folder.path()),
            "FOLDER: holds 2 image files (t10k-images-idx3-ubyte, train-images-idx3-ubyte); name one or say split = \"train\" "
            "or \"test\" in data.toml or --data-options");
  const std::string odd = folder.write("odd", idx({1, 1, 1}, "a"));
  EXPECT_EQ(open_error(folder, odd),
            "odd: the name has no 'images' to put 'labels' for, so its labels cannot be found");
}

constexpr const char* kFashion = "/usr/share/datasets/fashion-mnist";

// Measured with Python's gzip module: labels 9 2 1 1 6 1 4 6 5 7, sum of the first image 33456, 1000 of each class.
TEST(IdxGz, FashionMnist) {
  if (!std::filesystem::exists(kFashion)) GTEST_SKIP() << "Debian package dataset-fashion-mnist is not installed";
  DataOptions options;
  options.split = "test";
  const auto data = open_dataset(kFashion, options);
  ASSERT_EQ(data->size(), 10000);
  const Batch batch = data->batch(0, 10);
  EXPECT_EQ(batch.labels, (std::vector<int64_t>{9, 2, 1, 1, 6, 1, 4, 6, 5, 7}));
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{10, 1, 28, 28}));
  float sum = 0;
  for (int i = 0; i < 784; ++i) sum += batch.inputs[0].values<float>()[i];
  EXPECT_EQ(sum, 33456);
}

TEST(IdxGz, DamageIsNamed) {
  if (!std::filesystem::exists(kFashion)) GTEST_SKIP() << "Debian package dataset-fashion-mnist is not installed";
  const Folder folder;
  const std::string good = slurp(std::string(kFashion) + "/t10k-labels-idx1-ubyte.gz");
  folder.write("labels-idx1.gz", good);
  const auto error = [&](const std::string& bytes) {
    return open_error(folder, "idx:" + folder.write("images-idx1.gz", bytes));
  };
  EXPECT_EQ(error(good), "images-idx1.gz: holds numbers, not images; name the image file");
  EXPECT_EQ(error(good.substr(0, 17)), "images-idx1.gz: is not a gzip file");
  std::string bad = good;
  bad[good.size() / 2] ^= 4;
  EXPECT_EQ(error(bad), "images-idx1.gz: the compressed data are damaged");
  EXPECT_EQ(error(good.substr(0, good.size() - 8) + le(0, 4) + le(0xf0000000, 4)),
            str("images-idx1.gz: ", good.size() - 18, " bytes cannot unpack to the 4026531840 bytes it claims"));
  bad = good;
  bad[3] = 4;  // an extra field as long as the following two bytes say
  bad[10] = bad[11] = '\xff';
  EXPECT_EQ(error(bad), "images-idx1.gz: ends inside the gzip header");
}

}  // namespace
}  // namespace bitwright
