// Pillow's numbers were measured with Pillow 13.0 (libjpeg-turbo 3.2): the synthetic image is
//   y, x = numpy.mgrid[0:23, 0:37]; [(x*7+y*13)%256, (x*x+y*3)%256, (x*y*5)%256]
// and the hash of resize(...).ravel() is h = h*31 + value mod 2^32.
#include "io/data/image.hpp"

#include "files.hpp"

namespace bitwright {
namespace {

Image synthetic() {
  Image image{23, 37, 3, {}};
  for (int y = 0; y < 23; ++y)
    for (int x = 0; x < 37; ++x)
      for (const int value : {x * 7 + y * 13, x * x + y * 3, x * y * 5})
        image.pixels.push_back(static_cast<uint8_t>(value % 256));
  return image;
}

uint32_t hash_of(const Image& image) {
  uint32_t hash = 0;
  for (const uint8_t value : image.pixels) hash = hash * 31 + value;
  return hash;
}

uint32_t resized_hash(int64_t width, int64_t height, Interpolation interpolation) {
  return hash_of(resized(synthetic(), height, width, interpolation, {0, 0, height, width}));
}

TEST(Resize, EqualsPillowBitForBit) {
  EXPECT_EQ(resized_hash(10, 9, Interpolation::bilinear), 988461142u);
  EXPECT_EQ(resized_hash(50, 40, Interpolation::bilinear), 574470897u);
  EXPECT_EQ(resized_hash(37, 5, Interpolation::bilinear), 808087266u);
  EXPECT_EQ(resized_hash(10, 9, Interpolation::bicubic), 2348323044u);
  EXPECT_EQ(resized_hash(50, 40, Interpolation::bicubic), 435553715u);
  EXPECT_EQ(resized_hash(37, 5, Interpolation::bicubic), 3241279597u);
}

TEST(Resize, AWindowIsThatPartOfTheWhole) {
  const Image whole = resized(synthetic(), 40, 50, Interpolation::bilinear, {0, 0, 40, 50});
  const Image part = resized(synthetic(), 40, 50, Interpolation::bilinear, {7, 11, 13, 17});
  for (int64_t y = 0; y < 13; ++y)
    for (int64_t i = 0; i < 17 * 3; ++i)
      ASSERT_EQ(part.pixels[y * 17 * 3 + i], whole.pixels[((y + 7) * 50 + 11) * 3 + i]);
}

TEST(Prepared, GrayEqualsPillow) {
  Preprocess how;
  how.channels = Channels::gray;
  const Image gray = prepared(synthetic(), how, "x");
  EXPECT_EQ(gray.channels, 1);
  EXPECT_EQ(hash_of(gray), 3227570560u);
}

TEST(Prepared, ShortSideAndCropAsTorchvision) {
  Preprocess how;
  how.resize_short = 46;
  how.crop_height = how.crop_width = 44;
  const Image whole = resized(synthetic(), 46, 74, Interpolation::bilinear, {1, 15, 44, 44});
  EXPECT_EQ(hash_of(prepared(synthetic(), how, "x")), hash_of(whole));
  how.crop_height = 37;  // (46 - 37) / 2 = 4.5 -> 4
  const Image odd = resized(synthetic(), 46, 74, Interpolation::bilinear, {4, 15, 37, 44});
  EXPECT_EQ(hash_of(prepared(synthetic(), how, "x")), hash_of(odd));
}

TEST(Prepared, CropsWithoutResizeAndSwapsChannels) {
  Preprocess how;
  how.crop_height = 3;
  how.crop_width = 5;
  how.channels = Channels::bgr;
  const Image image = synthetic();
  const Image part = prepared(image, how, "x");
  for (int64_t y = 0; y < 3; ++y)
    for (int64_t x = 0; x < 5; ++x)
      for (int64_t c = 0; c < 3; ++c)
        ASSERT_EQ(part.pixels[(y * 5 + x) * 3 + c], image.pixels[((y + 10) * 37 + x + 16) * 3 + 2 - c]);
}

TEST(Prepared, GrayBecomesThreeChannels) {
  Preprocess how;
  how.channels = Channels::rgb;
  const Image image = prepared({1, 2, 1, {7, 9}}, how, "x");
  EXPECT_EQ(image.pixels, (std::vector<uint8_t>{7, 7, 7, 9, 9, 9}));
}

TEST(Prepared, WhatDoesNotFitIsRefused) {
  const Folder none;
  Preprocess how;
  how.crop_height = how.crop_width = 40;
  EXPECT_EQ(message_of(none, [&] { prepared(synthetic(), how, "a.png"); }),
            "a.png: 23 x 37 pixels (after resize), too small for the crop of 40 x 40; give a larger resize");
  how = {};
  how.resize_short = 16384;
  EXPECT_EQ(message_of(none, [&] { prepared(synthetic(), how, "a.png"); }),
            "a.png: 23 x 37 pixels cannot be resized to 16384 x 26356");
}

TEST(WritePixels, NormalisesPerChannelInBothLayouts) {
  Preprocess how;
  how.scale = 1 / 255.0;
  how.mean = {0.5f, 0.25f, 0};
  how.std = {0.5f, 1, 2};
  const Image image{1, 2, 3, {0, 51, 255, 255, 102, 0}};
  Tensor planar(DType::f32, {1, 3, 1, 2}), mixed(DType::f32, {1, 1, 2, 3});
  write_pixels(image, how, planar, 0);
  how.layout = PixelLayout::nhwc;
  write_pixels(image, how, mixed, 0);
  const float expected[] = {-1, 1, 51 / 255.0f - 0.25f, 102 / 255.0f - 0.25f, 0.5f, 0};
  for (int c = 0; c < 3; ++c)
    for (int x = 0; x < 2; ++x) {
      EXPECT_EQ(planar.values<float>()[c * 2 + x], expected[c * 2 + x]);
      EXPECT_EQ(mixed.values<float>()[x * 3 + c], expected[c * 2 + x]);
    }
}

TEST(WritePixels, ScaleOf255EqualsADivisionInFloat) {
  Preprocess how;
  how.scale = 1 / 255.0;
  Image image{1, 256, 1, {}};
  for (int i = 0; i < 256; ++i) image.pixels.push_back(static_cast<uint8_t>(i));
  Tensor out(DType::f32, {1, 1, 1, 256});
  write_pixels(image, how, out, 0);
  for (int i = 0; i < 256; ++i) EXPECT_EQ(out.values<float>()[i], static_cast<float>(i) / 255.0f);
}

TEST(WritePixels, WrongNumberOfMeansIsRefused) {
  const Folder none;
  Preprocess how;
  how.mean = {1, 2};
  Tensor out(DType::f32, {1, 3, 23, 37});
  EXPECT_EQ(message_of(none, [&] { write_pixels(synthetic(), how, out, 0); }),
            "'mean' has 2 numbers, the images have 3 channels");
}

// A 2x1 RGB PNG with stored deflate blocks, as Pillow reads it: pixels (255,0,0), (1,2,3).
std::string tiny_png() {
  const unsigned char bytes[] = {
      0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00,
      0x02, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x00, 0x00, 0x00, 0x7b, 0x40, 0xe8, 0xdd, 0x00, 0x00, 0x00, 0x12, 0x49,
      0x44, 0x41, 0x54, 0x78, 0x01, 0x01, 0x07, 0x00, 0xf8, 0xff, 0x00, 0xff, 0x00, 0x00, 0x01, 0x02, 0x03, 0x06, 0x0b,
      0x01, 0x06, 0x43, 0xc5, 0x6f, 0x18, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
  return {reinterpret_cast<const char*>(bytes), sizeof bytes};
}

TEST(ImageFolder, ReadsPngAndLabels) {
  const Folder folder;
  folder.write("a b.png", tiny_png());
  folder.write("labels.csv", "\"a b.png\",3\r\n\r\na b.png,4\n");
  folder.write("data.toml", "label_offset = 1\nraw = true\n");
  const auto data = open_dataset(folder.path());
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->task(), Task::classify);
  const Batch batch = data->batch(0, 10);
  EXPECT_EQ(batch.labels, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{2, 3, 1, 2}));
  EXPECT_EQ(values_as_int(batch.inputs[0]), (std::vector<int64_t>{255, 1, 0, 2, 0, 3, 255, 1, 0, 2, 0, 3}));
}

std::string labels_error(const std::string& csv) {
  const Folder folder;
  folder.write("a.png", tiny_png());
  folder.write("labels.csv", csv);
  DataOptions options;
  options.classes = 10;
  return read_error(folder, folder.path(), options);
}

TEST(ImageFolder, BadLabelsAreRefused) {
  EXPECT_EQ(labels_error("a.png,1\na.png\n"), "labels.csv line 2: wanted file,label");
  EXPECT_EQ(labels_error("a.png,x\n"), "labels.csv line 1: the label 'x' is not a whole number");
  EXPECT_EQ(labels_error("a.png,10\n"), "labels.csv line 1: label 10 is out of range, wanted 0 to 9");
  EXPECT_EQ(labels_error("a.png,-1\n"), "labels.csv line 1: label -1 is out of range, wanted 0 to 9");
  EXPECT_EQ(labels_error("../a.png,1\n"), "labels.csv line 1: '../a.png' is not a file inside the folder");
  EXPECT_EQ(labels_error("/etc/a.png,1\n"), "labels.csv line 1: '/etc/a.png' is not a file inside the folder");
  EXPECT_EQ(labels_error("b.png,1\n"), "b.png: cannot be opened: No such file or directory");
  EXPECT_EQ(labels_error("file,label\n"), "FOLDER: the data set is empty");
}

TEST(ImageFolder, DamagedAndUnequalImagesAreRefused) {
  const Folder folder;
  folder.write("labels.csv", "a.png,1\nb.png,1\n");
  folder.write("a.png", tiny_png());
  folder.write("b.png", tiny_png().substr(0, 50));
  EXPECT_EQ(read_error(folder, folder.path()), "b.png: the image is damaged (a chunk is cut short)");
  // Where the end should be: the header of a chunk of 2 GB, which stb would make room for.
  folder.write("b.png", tiny_png().substr(0, tiny_png().size() - 12) + std::string("\x7f\xff\xff\xffIDAT", 8));
  EXPECT_EQ(read_error(folder, folder.path()), "b.png: the image is damaged (a chunk is cut short)");
  folder.write("b.png", "GIF89a");
  EXPECT_EQ(read_error(folder, folder.path()), "b.png: is not a JPEG or PNG image");
  folder.write("b.png", "");
  EXPECT_EQ(read_error(folder, folder.path()), "b.png: is not a JPEG or PNG image");
  std::string huge = tiny_png();
  huge[18] = huge[22] = 0x40;  // 16386 x 16385
  folder.write("b.png", huge);
  EXPECT_EQ(read_error(folder, folder.path()), "b.png: claims 16386 x 16385 pixels, more than is accepted");
  std::string lie = tiny_png();
  lie[18] = lie[22] = 0x01;  // 258 x 257 pixels of 3 bytes in 75 bytes
  folder.write("b.png", lie);
  EXPECT_EQ(read_error(folder, folder.path()), "b.png: claims 258 x 257 pixels, more than is accepted");
}

Image decoded(const std::string& file) {
  return decode_image(std::as_bytes(std::span(file.data(), file.size())), "a.jpg");
}

// 420.jpg to cmyk.jpg are the synthetic image as Pillow saved it with quality 90 (progressive420.jpg: 80); the hashes
// are of Pillow's convert("RGB") of them.
std::string jpeg(const std::string& name) { return slurp(BW_SOURCE_DIR "/fuzz/corpus/picture/" + name + ".jpg"); }

TEST(Jpeg, EveryKindEqualsPillowBitForBit) {
  const std::pair<const char*, uint32_t> all[] = {
      {"420", 1322053085u}, {"422", 3605595377u},  {"444", 2302408122u},      {"progressive420", 1995515607u},
      {"gray", 629840323u}, {"cmyk", 1903938551u}, {"baseline", 3630987708u}, {"progressive", 3630987708u}};
  for (const auto& [name, hash] : all) EXPECT_EQ(hash_of(decoded(jpeg(name))), hash) << name;
}

TEST(Jpeg, DamageIsNamed) {
  const Folder none;
  const auto error = [&](const std::string& file) { return message_of(none, [&] { decoded(file); }); };
  const std::string start = "a.jpg: the image is damaged (", baseline = jpeg("444"),
                    progressive = jpeg("progressive420");
  EXPECT_EQ(error(baseline.substr(0, 100)), start + "JPEG datastream contains no image)");
  EXPECT_EQ(error(baseline.substr(0, 1500)), start + "Corrupt JPEG data: premature end of data segment)");
  EXPECT_EQ(error(progressive.substr(0, progressive.size() - 2)), start + "Premature end of input file)");
  const std::string scans = jpeg("sequential_scans");  // one colour after the other, not progressive
  EXPECT_EQ(error(scans), "");
  EXPECT_EQ(error(scans.substr(0, scans.rfind("\xff\xda"))), start + "Premature end of input file)");
  EXPECT_EQ(error(jpeg("no_such_table")), start + "Quantization table 0x00 was not defined)");
  EXPECT_EQ(error(baseline.substr(0, baseline.size() - 2)), "");  // all of the image is there, only its end mark is not
}

TEST(Jpeg, ScansWithoutEndAreRefused) {
  const Folder none;
  std::string file = jpeg("progressive420");
  const size_t first = file.find("\xff\xda"), second = file.find("\xff\xc4", first);
  const std::string scan = file.substr(first, second - first);
  for (int i = 0; i < 100; ++i) file.insert(first, scan);
  EXPECT_EQ(message_of(none, [&] { decoded(file); }), "a.jpg: the image is damaged (more scans than a picture needs)");
}

TEST(ImageFolder, BitFlippedPicturesGiveAnErrorOrAnImage) {
  BW_NEEDS_SHARED("/imagenet200/n02692877_airship.JPEG");
  const std::string good = slurp(shared_data() + "/imagenet200/n02692877_airship.JPEG");
  uint32_t random = 1;
  int refused = 0;
  for (int round = 0; round < 200; ++round) {
    std::string bad = good.substr(0, round % 2 ? good.size() : good.size() / 2);
    for (int flips = 0; flips < 8; ++flips) {
      random = random * 1664525 + 1013904223;
      bad[(random >> 8) % std::min<size_t>(bad.size(), 1500)] ^= static_cast<char>(1 << (random & 7));
    }
    try {
      const Image image = decode_image(std::as_bytes(std::span(bad.data(), bad.size())), "x");
      EXPECT_EQ(image.pixels.size(), static_cast<size_t>(image.height * image.width * 3));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 20);
}

// Pillow 13.0: Image.open(f).convert("RGB"), resize to short side 256 (BILINEAR, long side truncated), centre crop 224;
// the hash runs through all 200 images, 30 million values.
TEST(ImageFolder, SharedPhotographsEqualPillowBitForBit) {
  BW_NEEDS_SHARED("/imagenet200/labels.csv");
  DataOptions options;
  apply_toml(options, "resize = 256\ncrop = 224\nraw = true\nlayout = \"nhwc\"\nclasses = 1000\n", "test");
  const auto data = open_dataset(shared_data() + "/imagenet200", options);
  ASSERT_EQ(data->size(), 200);
  uint32_t hash = 0;
  for (int64_t record = 0; record < data->size(); ++record) {
    const Batch batch = data->batch(record, 1);
    ASSERT_EQ(batch.inputs[0].shape(), (Shape{1, 224, 224, 3}));
    for (const uint8_t value : batch.inputs[0].values<uint8_t>()) hash = hash * 31 + value;
  }
  EXPECT_EQ(hash, 3064198489u);
}

}  // namespace
}  // namespace bitwright
