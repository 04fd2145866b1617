// Token ids recorded from the PyPI package tokenizers 0.23.3: BertWordPieceTokenizer(vocab, lowercase=True).encode(text),
// with the vocabulary below.
#include "core/utf8.hpp"
#include "files.hpp"
#include "io/data/unicode.hpp"
#include "io/data/wordpiece.hpp"

namespace bitwright {
namespace {

using Ids = std::vector<int64_t>;

std::string small_vocabulary() {
  std::string out = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (char c = 'a'; c <= 'z'; ++c) out += str(c, '\n');
  for (char c = 'a'; c <= 'z'; ++c) out += str("##", c, '\n');
  for (const char c : std::string("0123456789.,'-!?")) out += str(c, '\n');
  for (const char* word : {"##0", "##1", "the", "man", "is", "dancing", "hard", "hat", "with", "##ing", "##ed", "play",
                           "cafe", "naive", "author", "東", "京", "½", "€", "œ", "un", "##un", "##aff", "##able"})
    out += str(word, '\n');
  return out;
}

TEST(WordPiece, EqualsTheTokenizersPackage) {
  const WordPiece w(small_vocabulary(), "vocab.txt");
  EXPECT_EQ(w.size(), 97);
  EXPECT_EQ(w.encode("author 's ", 128), (Ids{2, 87, 69, 23, 3}));
  EXPECT_EQ(w.encode("A man with a hard hat is dancing.", 128), (Ids{2, 5, 76, 81, 5, 79, 80, 77, 78, 67, 3}));
  EXPECT_EQ(w.encode("Café-naïve  ŒUVRE 東京 don't\t½ 10!", 128),
            (Ids{2, 85, 70, 86, 92, 51, 52, 48, 35, 88, 89, 8, 45, 44, 69, 24, 90, 58, 73, 71, 3}));
  EXPECT_EQ(w.encode("play[MASK]ed [PAD] unaffable", 128), (Ids{2, 84, 4, 9, 34, 0, 93, 95, 96, 3}));
  EXPECT_EQ(w.encode("x\u00ADy\u200Bz \uFFFD\x01q İ ﬁ 10€", 128), (Ids{2, 28, 55, 56, 21, 13, 1, 1, 3}));
  EXPECT_EQ(w.encode("한", 128), (Ids{2, 1, 3}));
  EXPECT_EQ(w.encode(std::string(101, 'a') + " b", 128), (Ids{2, 1, 6, 3}));
  EXPECT_EQ(w.encode(std::string(100, 'a'), 128).size(), 102u);
  EXPECT_EQ(w.encode("", 128), (Ids{2, 3}));
  EXPECT_EQ(w.encode(" \t\n", 128), (Ids{2, 3}));
  EXPECT_EQ(w.encode("ÀÉÎõü ΑΒΓ Ⅷ", 128), (Ids{2, 5, 35, 39, 45, 51, 1, 1, 3}));
}

TEST(WordPiece, CutsToTheMaximalLength) {
  const WordPiece w(small_vocabulary(), "vocab.txt");
  EXPECT_EQ(w.encode("a b c d", 4), (Ids{2, 5, 6, 3}));
  EXPECT_EQ(w.encode("a b c d", 2), (Ids{2, 3}));
}

TEST(WordPiece, AVocabularyWithoutMarksIsRefused) {
  const Folder none;
  EXPECT_EQ(message_of(none, [] { WordPiece("a\nb\n", "v.txt"); }),
            "v.txt: the vocabulary has no [UNK]; wanted a BERT vocab.txt, one token a line");
}

TEST(Unicode, BrokenUtf8BecomesReplacementCharacters) {
  EXPECT_EQ(decode_utf8("a\xff" "b\xc3"), (std::u32string{'a', 0xfffd, 'b', 0xfffd}));
  EXPECT_EQ(decode_utf8("\xed\xa0\x80").size(), 3u);   // a surrogate
  EXPECT_EQ(decode_utf8("\xc0\x80").size(), 2u);       // overlong
  EXPECT_EQ(decode_utf8("\xf4\x90\x80\x80").size(), 4u);  // above U+10FFFF
  const std::u32string all{0x24, 0xa2, 0x20ac, 0x10348};
  EXPECT_EQ(decode_utf8(encode_utf8(all)), all);
}

TEST(Unicode, FoldsAccentsCaseAndHangul) {
  const auto folded = [](char32_t c) {
    std::u32string out;
    unicode::append_folded(out, c);
    return out;
  };
  EXPECT_EQ(folded(U'Ä'), U"a");
  EXPECT_EQ(folded(U'ǅ'), U"ǆ");
  EXPECT_EQ(folded(U'Ấ'), U"a");
  EXPECT_EQ(folded(U'각'), (std::u32string{0x1100, 0x1161, 0x11a8}));
  EXPECT_EQ(folded(U'\u0301'), U"");
  EXPECT_EQ(folded(U'ß'), U"ß");
  EXPECT_EQ(folded(U'\U00010400'), U"\U00010428");
}

TEST(Sst2, ReadsSentencesAndPadsToTheLongest) {
  const Folder folder;
  folder.write("vocab.txt", small_vocabulary());
  const std::string path = folder.write("dev.tsv", "sentence\tlabel\nthe man \t1\nhat\t0\n");
  const auto data = open_dataset(path);
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->task(), Task::classify);
  EXPECT_EQ(data->input_names(), (std::vector<std::string>{"input_ids", "attention_mask", "token_type_ids"}));
  const Batch batch = data->batch(0, 2);
  EXPECT_EQ(batch.labels, (Ids{1, 0}));
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{2, 4}));
  EXPECT_EQ(values_as_int(batch.inputs[0]), (Ids{2, 75, 76, 3, 2, 80, 3, 0}));
  EXPECT_EQ(values_as_int(batch.inputs[1]), (Ids{1, 1, 1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(values_as_int(batch.inputs[2]), Ids(8, 0));
  DataOptions options;
  options.text.pad_to_max = true;
  options.text.max_length = 9;
  EXPECT_EQ(open_dataset(path, options)->batch(1, 1).inputs[0].shape(), (Shape{1, 9}));
}

TEST(Sst2, DamageIsNamed) {
  const Folder folder;
  const std::string path = folder.write("dev.tsv", "sentence\tlabel\nthe man\t1\nhat 0\n");
  EXPECT_EQ(open_error(folder, path),
            "dev.tsv: needs its vocabulary; put vocab.txt beside it or give vocabulary = \"PATH\"");
  folder.write("v.txt", small_vocabulary());
  DataOptions options;
  options.text.vocabulary = "v.txt";
  EXPECT_EQ(open_error(folder, path, options), "dev.tsv line 3: wanted a sentence, a tab and a label of one digit");
  folder.write("dev.tsv", "sentence\tlabel\nthe man\t2\n");
  EXPECT_EQ(open_error(folder, path, options), "dev.tsv line 2: label 2 is out of range, wanted 0 to 1");
  folder.write("dev.tsv", "sentence\tlabel\n");
  EXPECT_EQ(open_error(folder, path, options), "dev.tsv: the data set is empty");
}

TEST(StsB, PairsAreNeighbouringRows) {
  const Folder folder;
  folder.write("vocab.txt", small_vocabulary());
  const std::string path = folder.write("dev.csv", "g\tf\ty\t1\t4.75\tthe man\that\tmore\tfields\r\ng\tf\ty\t2\t0\ta\tb\r\n");
  const auto data = open_dataset(path);
  EXPECT_EQ(data->task(), Task::similarity);
  const Batch batch = data->batch(0, 2);
  EXPECT_EQ(batch.records, 2);
  EXPECT_EQ(batch.targets, (std::vector<float>{4.75f, 0}));
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{4, 4}));
  EXPECT_EQ(values_as_int(batch.inputs[0]), (Ids{2, 75, 76, 3, 2, 80, 3, 0, 2, 5, 3, 0, 2, 6, 3, 0}));
  folder.write("dev.csv", "g\tf\ty\t1\tx\tthe man\that\n");
  EXPECT_EQ(open_error(folder, "stsb:" + path),
            "dev.csv line 1: wanted seven fields between tabs, the fifth a number (the similarity)");
}

TEST(Text, SharedSetsHaveTheirRecords) {
  BW_NEEDS_SHARED("/text/stsb/sts-dev.csv");
  const Folder folder;
  DataOptions options;
  options.text.vocabulary = folder.write("vocab.txt", small_vocabulary());
  const auto stsb = open_dataset(shared_data() + "/text/stsb/sts-dev.csv", options);
  ASSERT_EQ(stsb->size(), 1500);
  EXPECT_EQ(stsb->batch(0, 1).targets[0], 5.0f);
  EXPECT_EQ(values_as_int(stsb->batch(0, 1).inputs[0]).at(2), 76);
  const auto sst2 = open_dataset(shared_data() + "/text/sst2/dev.tsv", options);
  ASSERT_EQ(sst2->size(), 6735);
  int64_t positive = 0;
  for (const int64_t label : sst2->batch(0, 6735).labels) positive += label;
  EXPECT_EQ(positive, 3741);  // grep -c '1$'
}

TEST(Characters, ReadsLinesTimeMajor) {
  const Folder folder;
  folder.write("vocab.json", R"({"<BOS>": 0, "<EOS>": 1, "<UNK>": 2, "a": 3, "\u00e2": 4})");
  const std::string path = folder.write("val.txt", "aâ?\n\na\n");
  const auto data = open_dataset(path);
  EXPECT_EQ(data->size(), 2);
  EXPECT_EQ(data->task(), Task::next_token);
  const Batch batch = data->batch(0, 2);
  EXPECT_EQ(batch.inputs[0].shape(), (Shape{4, 2}));
  EXPECT_EQ(values_as_int(batch.inputs[0]), (Ids{0, 0, 3, 3, 4, 1, 2, 1}));
  EXPECT_EQ(batch.labels, (Ids{3, 3, 4, 1, 2, -1, 1, -1}));
  DataOptions options;
  options.text.time_major = false;
  EXPECT_EQ(values_as_int(open_dataset(path, options)->batch(0, 2).inputs[0]), (Ids{0, 3, 4, 2, 0, 3, 1, 1}));
}

TEST(Characters, BadVocabulariesAreNamed) {
  const Folder folder;
  const std::string path = folder.write("val.txt", "a\n");
  const auto error = [&](const std::string& json) {
    folder.write("vocab.json", json);
    return open_error(folder, path);
  };
  EXPECT_EQ(error("{"), "vocab.json: is not a JSON object of characters and their numbers");
  EXPECT_EQ(error(std::string(100000, '[')), "vocab.json: is not a JSON object of characters and their numbers");
  EXPECT_EQ(error(R"({"a": -1})"), "vocab.json: 'a' has no number from 0 on");
  EXPECT_EQ(error(R"({"a": 1, "<BOS>": 2, "<UNK>": 3})"), "vocab.json: the vocabulary has no <EOS>");
}

TEST(Characters, SharedTextHasThePositionsTheModelIsJudgedBy) {
  BW_NEEDS_SHARED("/lstm/char_lstm/val.txt");
  const auto data = open_dataset(shared_data() + "/lstm/char_lstm/val.txt");
  ASSERT_EQ(data->size(), 200);
  int64_t counted = 0;
  for (const int64_t label : data->batch(0, 200).labels) counted += label >= 0;
  EXPECT_EQ(counted, 10766);  // with these ONNX Runtime gets the float model's 61.76 %
}

}  // namespace
}  // namespace bitwright
