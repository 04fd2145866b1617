#include "files.hpp"
#include "io/data/selection.hpp"

namespace bitwright {
namespace {

using Numbers = std::vector<int64_t>;

TEST(Selection, Words) {
  EXPECT_EQ(selected_records(5, "all"), (Numbers{0, 1, 2, 3, 4}));
  EXPECT_EQ(selected_records(5, "odd"), (Numbers{0, 2, 4}));
  EXPECT_EQ(selected_records(5, "even"), (Numbers{1, 3}));
  EXPECT_EQ(selected_records(5, "1:3"), (Numbers{1, 2}));
  EXPECT_EQ(selected_records(5, ":2"), (Numbers{0, 1}));
  EXPECT_EQ(selected_records(5, "3:"), (Numbers{3, 4}));
  EXPECT_EQ(selected_records(5, "0:99:3"), (Numbers{0, 3}));
  EXPECT_EQ(selected_records(5, "odd, first 2"), (Numbers{0, 2}));
  EXPECT_EQ(selected_records(5, "first 9223372036854775807"), (Numbers{0, 1, 2, 3, 4}));
  EXPECT_EQ(selected_records(5, "1::9223372036854775807"), (Numbers{1}));
}

TEST(Selection, ShuffleIsAPermutationFixedByItsSeed) {
  Numbers shuffled = selected_records(1000, "shuffle 7");
  EXPECT_EQ(shuffled, selected_records(1000, "shuffle 7"));
  EXPECT_NE(shuffled, selected_records(1000, "shuffle 8"));
  EXPECT_NE(shuffled, selected_records(1000, "all"));
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, selected_records(1000, "all"));
}

TEST(Selection, EveryFirstRecordIsEquallyLikely) {
  std::vector<int> count(5);
  for (int seed = 0; seed < 5000; ++seed) ++count[selected_records(5, str("shuffle ", seed))[0]];
  for (const int c : count) EXPECT_NEAR(c, 1000, 130);  // more than four standard deviations
}

TEST(Selection, OtherWordsAreRefused) {
  const Folder none;
  for (const char* text : {"", "some", "first", "first x", "1:2:0", "1:2:3:4", "-1:2", "shuffle", "first 99999999999999999999"})
    EXPECT_EQ(message_of(none, [&] { selected_records(5, text); }),
              str("selection '", text, "' is not understood; use all, A:B, A:B:STEP, odd, even, first N or shuffle SEED, "
                  "joined by commas"));
}

std::string toml_error(const std::string& text) {
  const Folder none;
  return message_of(none, [&] {
    DataOptions options;
    apply_toml(options, text, "data.toml");
  });
}

TEST(DataToml, SetsWhatItGivesAndKeepsTheRest) {
  DataOptions o;
  o.classes = 10;
  apply_toml(o, "resize = 256\ncrop = 224\nscale = 0.0078\nmean = 1\nstd = [0.5, 1, 2]\nchannels = \"bgr\"\n"
             "layout = \"nhwc\"\nlabel_offset = 1\nselect = \"odd\"\n", "data.toml");
  EXPECT_EQ(o.classes, 10);
  EXPECT_EQ(o.image.resize_short, 256);
  EXPECT_EQ(o.image.crop_height, 224);
  EXPECT_EQ(o.image.crop_width, 224);
  EXPECT_EQ(o.image.mean, std::vector<float>{1});
  EXPECT_EQ(o.image.std, (std::vector<float>{0.5f, 1, 2}));
  EXPECT_EQ(o.image.channels, Channels::bgr);
  EXPECT_EQ(o.image.layout, PixelLayout::nhwc);
  EXPECT_EQ(o.label_offset, 1);
  EXPECT_EQ(o.select, "odd");
}

TEST(DataToml, ItsOwnFormReadsBack) {
  DataOptions o;
  apply_toml(o, R"(format = "images"
split = "test"
select = "shuffle 1, first 3"
input = "a\"b\\c\u0001"
classes = 1000
label_offset = -1
resize = [30, 40]
interpolation = "bicubic"
crop = [20, 10]
scale = 0.00392156862745098
mean = [0.485, 1.0, 2.0]
std = [0.229, 3.0, 1.0]
channels = "gray"
layout = "nhwc"
raw = true
vocabulary = "v.txt"
max_length = 64
pad_to_max = true
time_major = false
frame = 512
hop = 128
)", "data.toml");
  const std::string once = to_toml(o);
  DataOptions again;
  apply_toml(again, once, "again");
  EXPECT_EQ(to_toml(again), once);
  EXPECT_EQ(again.input, "a\"b\\c\x01");
  EXPECT_EQ(again.image.scale, 0.00392156862745098);
  EXPECT_EQ(std::count(once.begin(), once.end(), '\n'), 21);
}

TEST(DataToml, UnknownKeysNameTheNearest) {
  EXPECT_EQ(toml_error("crop = 2\nrezise = 3\n"), "data.toml: line 2: unknown key 'rezise'; did you mean 'resize'?");
  EXPECT_EQ(toml_error("qqqqqqqqq = 3\n").substr(0, 50), "data.toml: line 1: unknown key 'qqqqqqqqq'; there ");
}

TEST(DataToml, ValuesOutOfRangeAreRefused) {
  EXPECT_EQ(toml_error("resize = 99999\n"), "data.toml: line 1: 'resize' wants a whole number from 0 to 16384");
  EXPECT_EQ(toml_error("resize = [1, 2, 3]\n"), "data.toml: line 1: 'resize' wants at most 2 numbers");
  EXPECT_EQ(toml_error("std = [1, 0, 1]\n"), "data.toml: line 1: 'std' wants numbers other than 0");
  EXPECT_EQ(toml_error("scale = nan\n"), "data.toml: line 1: 'scale' wants a number");
  EXPECT_EQ(toml_error("scale = \"1\"\n"), "data.toml: line 1: 'scale' wants a number");
  EXPECT_EQ(toml_error("layout = \"chwn\"\n"), "data.toml: line 1: 'layout' wants one of nchw, nhwc");
  EXPECT_EQ(toml_error("raw = 1\n"), "data.toml: line 1: 'raw' wants true or false");
  EXPECT_EQ(toml_error("select = 3\n"), "data.toml: line 1: 'select' wants a text in quotes");
  EXPECT_EQ(toml_error("version = 2\n"), "data.toml: line 1: 'version' wants a whole number from 1 to 1");
}

TEST(DataToml, BrokenTomlIsRefused) {
  EXPECT_EQ(toml_error("crop = \n").substr(0, 17), "data.toml: line 1");
  EXPECT_EQ(toml_error("mean = " + std::string(99, '[')).substr(0, 17), "data.toml: line 1");
  std::string dotted = "a";
  for (int i = 0; i < 100000; ++i) dotted += ".a";
  EXPECT_EQ(toml_error(dotted + " = 1\n"), "data.toml: line 1: has too many dots");
  EXPECT_EQ(toml_error("[/").substr(0, 17), "data.toml: line 1");
  EXPECT_EQ(toml_error("rre\xca\x82").substr(0, 17), "data.toml: line 1");
  EXPECT_EQ(toml_error("a = 0b\"x\xef\xbb\xbfy\"").substr(0, 17), "data.toml: line 1");
  EXPECT_EQ(toml_error("select = '\xca\x82'\n"), "data.toml: line 1: write text outside ASCII in double quotes");
  EXPECT_EQ(toml_error("select = \"\xff\"\n"), "data.toml: line 1: is not UTF-8");
}

TEST(DataToml, OtherScriptsAreReadInDoubleQuotesAndComments) {
  DataOptions options;
  apply_toml(options, "\xef\xbb\xbf# it's \xca\x82\nvocabulary = \"\xca\x82\xf0\x9f\x98\x80.txt\"\n", "data.toml");
  EXPECT_EQ(options.text.vocabulary, "\xca\x82\xf0\x9f\x98\x80.txt");
}

TEST(OpenDataset, UnknownPathsReadersAndDataAreNamed) {
  const Folder folder;
  EXPECT_EQ(open_error(folder, folder / "absent"), "absent: no such file or folder");
  const std::string odd = folder.write("odd.dat", "what is this");
  EXPECT_EQ(open_error(folder, "cifar01:" + odd), "no reader is called 'cifar01'; did you mean 'cifar10'?");
  EXPECT_EQ(open_error(folder, odd).substr(0, 60), "odd.dat: no reader knows this data; to force one write chara");
  DataOptions options;
  options.format = "npzz";
  EXPECT_EQ(open_error(folder, odd, options), "no reader is called 'npzz'; did you mean 'npz'?");
}

TEST(OpenDataset, EveryReaderHasAOneLineSummary) {
  std::vector<std::string_view> names;
  for (const ReaderInfo& info : dataset_readers()) {
    names.push_back(info.name);
    EXPECT_GT(info.summary.size(), 20u);
    EXPECT_EQ(info.summary.find('\n'), std::string_view::npos);
  }
  EXPECT_EQ(names, (std::vector<std::string_view>{"characters", "cifar10", "idx", "images", "npy", "npz", "sst2", "stsb",
                                                  "tensors", "wav"}));
}

}  // namespace
}  // namespace bitwright
