// .npy, .npz, ONNX tensors.
#include "files.hpp"
#include "io/data/array_file.hpp"
#include "io/data/inflate.hpp"

namespace bitwright {
namespace {

std::string npy(const std::string& descr, const std::string& shape, const std::string& data,
                const std::string& fortran = "False") {
  const std::string header = "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
  return std::string("\x93NUMPY\x01\x00", 8) + le(header.size(), 2) + header + data;
}

struct Member {
  std::string name, packed;
  uint64_t size;
  uint32_t crc;
  int method = 0;
};

Member stored(const std::string& name, const std::string& data) {
  return {name, data, data.size(), crc32(std::as_bytes(std::span(data.data(), data.size())))};
}
/// Deflate with one stored block.
Member deflated(const std::string& name, const std::string& data) {
  Member m = stored(name, data);
  m.packed = "\x01" + le(data.size(), 2) + le(~data.size(), 2) + data;
  m.method = 8;
  return m;
}

std::string zip(const std::vector<Member>& members, bool zip64 = false) {
  std::string out, directory;
  for (const Member& m : members) {
    const uint64_t at = out.size();
    out += "PK\3\4" + le(20, 2) + le(0, 2) + le(m.method, 2) + le(0, 4) + le(m.crc, 4) + le(m.packed.size(), 4) +
           le(m.size, 4) + le(m.name.size(), 2) + le(0, 2) + m.name + m.packed;
    const std::string extra = zip64 ? le(1, 2) + le(24, 2) + le(m.size, 8) + le(m.packed.size(), 8) + le(at, 8) : "";
    const auto or_64 = [&](uint64_t value) { return le(zip64 ? 0xffffffff : value, 4); };
    directory += "PK\1\2" + le(20, 2) + le(20, 2) + le(0, 2) + le(m.method, 2) + le(0, 4) + le(m.crc, 4) +
                 or_64(m.packed.size()) + or_64(m.size) + le(m.name.size(), 2) + le(extra.size(), 2) + le(0, 2) +
                 le(0, 8) + or_64(at) + m.name + extra;
  }
  const uint64_t at = out.size(), count = members.size();
  out += directory;
  if (zip64) {
    const uint64_t end = out.size();
    out += "PK\6\6" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(count, 8) + le(count, 8) +
           le(directory.size(), 8) + le(at, 8) + "PK\6\7" + le(0, 4) + le(end, 8) + le(1, 4);
  }
  const uint64_t count16 = zip64 ? 0xffff : count, at32 = zip64 ? 0xffffffff : at;
  return out + "PK\5\6" + le(0, 4) + le(count16, 2) + le(count16, 2) + le(directory.size(), 4) + le(at32, 4) + le(0, 2);
}

const std::string kX = npy("<i2", "(2, 2)", le(1, 2) + le(0xffff, 2) + le(3, 2) + le(4, 2));
const std::string kY = npy("|u1", "(2,)", "\x07\x08");

TEST(Npy, ReadsRowsInTheirType) {
  const Folder folder;
  const std::string doubles = npy("<f8", "(3,)", std::string(6, '\0') + "\xf8\x3f" + std::string(16, '\0'));
  const auto data = open_dataset(folder.write("a.npy", doubles));
  EXPECT_EQ(data->size(), 3);
  EXPECT_EQ(data->task(), Task::none);
  const Batch batch = data->batch(0, 2);
  ASSERT_EQ(batch.inputs[0].dtype(), DType::f64);
  EXPECT_EQ(batch.inputs[0].values<double>()[0], 1.5);
  EXPECT_EQ(batch.inputs[0].values<double>()[1], 0.0);
}

std::string npy_error(const std::string& bytes) {
  const Folder folder;
  return open_error(folder, "npy:" + folder.write("a.npy", bytes));
}

TEST(Npy, DamageIsNamed) {
  EXPECT_EQ(npy_error(kX), "");
  EXPECT_EQ(npy_error("NUMPY"), "a.npy: is not an npy file");
  EXPECT_EQ(npy_error(std::string("\x93NUMPY\x09\x00", 8) + "zz"), "a.npy: npy version 9 is not known");
  EXPECT_EQ(npy_error(kX.substr(0, 30)), "a.npy: ends inside the npy header");
  EXPECT_EQ(npy_error(std::string("\x93NUMPY\x02\x00zz", 10)), "a.npy: ends inside the npy header");
  EXPECT_EQ(npy_error(npy("<i2", "(2, 2", "abcdefgh")), "a.npy: the npy header is damaged");
  EXPECT_EQ(npy_error(npy("<i2", "(-2, 2)", "abcdefgh")), "a.npy: the npy header is damaged");
  EXPECT_EQ(npy_error(npy("<i2", "(99999999999999999999,)", "abcdefgh")), "a.npy: the npy header is damaged");
  EXPECT_EQ(npy_error(npy("<i2", "(2, 3)", "abcdefgh")),
            "a.npy: an array of shape [2,3] and type i16 does not take the 8 bytes that are there");
  EXPECT_EQ(npy_error(npy("<f8", "(4611686018427387904, 4611686018427387904, 4)", "")),
            "a.npy: an array of shape [4611686018427387904,4611686018427387904,4] and type f64 does not take the 0 bytes "
            "that are there");
  EXPECT_EQ(npy_error(npy("<i2", "(2, 2)", "abcdefgh", "True")),
            "a.npy: is in Fortran order; save numpy.ascontiguousarray(a)");
  EXPECT_EQ(npy_error(npy(">i2", "(2, 2)", "abcdefgh")),
            "a.npy: is big-endian (>i2); save a.astype(a.dtype.newbyteorder('<'))");
  EXPECT_EQ(npy_error(npy("<U2", "(1,)", "abcdefgh")), "a.npy: elements of NumPy type '<U2' are not read");
  const std::string header = "{'descr': [('a', '<i2')], 'fortran_order': False, 'shape': (1,), }";
  EXPECT_EQ(npy_error(std::string("\x93NUMPY\x01\x00", 8) + le(header.size(), 2) + header + "ab"),
            "a.npy: structured arrays are not read; save plain ones");
  EXPECT_EQ(npy_error(npy("<i2", "()", "ab")), "a.npy: array '' is a scalar; records lie along the first axis");
  EXPECT_EQ(npy_error(npy("<i2", "(0, 2)", "")), "a.npy: the data set is empty");
  EXPECT_EQ(npy_error(npy("<i2", "(4611686018427387904, 0)", "")), "a.npy: array '' has records without elements");
}

TEST(Npz, ReadsStoredDeflatedAndZip64Members) {
  const Folder folder;
  for (const bool zip64 : {false, true}) {
    const auto data = open_dataset(folder.write("a.npz", zip({stored("x.npy", kX), deflated("y.npy", kY)}, zip64)));
    EXPECT_EQ(data->size(), 2);
    EXPECT_EQ(data->task(), Task::classify);
    EXPECT_EQ(data->input_names(), std::vector<std::string>{"x"});
    const Batch batch = data->batch(0, 2);
    EXPECT_EQ(batch.labels, (std::vector<int64_t>{7, 8}));
    EXPECT_EQ(batch.inputs[0].dtype(), DType::i16);
    EXPECT_EQ(values_as_int(batch.inputs[0]), (std::vector<int64_t>{1, -1, 3, 4}));
  }
}

TEST(Npz, WhatIsWrittenIsRead) {
  const Folder folder;
  const Tensor x = Tensor::of<float>({2, 3}, std::vector<float>{1, -2, 3, 4, 5, 6.5f});
  const Tensor y = Tensor::of<int64_t>({2}, std::vector<int64_t>{7, 8});
  const std::vector<NamedTensor> arrays = {{"x", x}, {"y", y}};
  write_npz(folder / "a.npz", arrays);
  const Batch batch = open_dataset(folder / "a.npz")->batch(0, 2);
  EXPECT_TRUE(identical(batch.inputs[0], x));
  EXPECT_EQ(batch.labels, (std::vector<int64_t>{7, 8}));
}

TEST(Npz, ScalarsAndHalvesAreWrittenAsNumPyKnowsThem) {
  const Folder folder;
  const std::vector<NamedTensor> arrays = {{"s", Tensor::scalar(2.5f)}, {"b", Tensor(DType::bf16, {1})}};
  write_npz(folder / "a.npz", arrays);
  const std::vector<Array> read = parse_npz(MappedFile::open(folder / "a.npz"));
  EXPECT_EQ(read[0].shape, Shape());
  EXPECT_EQ(read[1].type, DType::f32);
  const std::vector<NamedTensor> strings = {{"t", Tensor::of_strings({1}, {"no"})}};
  EXPECT_EQ(message_of(folder, [&] { write_npz(folder / "t.npz", strings); }),
            "t.npz: array 't' holds strings, which are not written");
  EXPECT_FALSE(std::filesystem::exists(folder / "t.npz"));
}

std::string npz_error(const std::string& bytes) {
  const Folder folder;
  return read_error(folder, folder.write("a.npz", bytes));
}

TEST(Npz, DamageIsNamed) {
  const std::string good = zip({stored("x.npy", kX), deflated("y.npy", kY)});
  EXPECT_EQ(npz_error(good), "");
  EXPECT_EQ(npz_error("PK"), "a.npz: is not a zip file");
  EXPECT_EQ(npz_error(good.substr(0, good.size() - 1)), "a.npz: is not a zip file, or its end is missing");
  EXPECT_EQ(npz_error(good.substr(50)), "a.npz: the zip file is cut short or damaged");
  std::string bad = good;
  bad.replace(bad.size() - 12, 2, "\xff\x7f");
  EXPECT_EQ(npz_error(bad), "a.npz: the zip directory claims more members than it can hold");
  bad.replace(bad.size() - 12, 2, "\xff\xff");
  EXPECT_EQ(npz_error(bad), "a.npz: the zip64 directory is missing");
  bad = good;
  bad[good.find("PK\1\2")] = 'Q';
  EXPECT_EQ(npz_error(bad), "a.npz: the zip directory is damaged");
  bad = good;
  bad[0] = 'Q';
  EXPECT_EQ(npz_error(bad), "a.npz: member 'x.npy' is not where it should be");
  bad = good;
  bad[good.find("PK\1\2") + 8] = 1;
  EXPECT_EQ(npz_error(bad), "a.npz member 'x.npy': is encrypted");
}

TEST(Npz, BadMembersAreNamed) {
  Member m = deflated("y.npy", kY);
  m.crc ^= 1;
  EXPECT_EQ(npz_error(zip({m})), "a.npz member 'y.npy': the compressed data are damaged");
  m = deflated("y.npy", kY);
  m.method = 12;
  EXPECT_EQ(npz_error(zip({m})), "a.npz member 'y.npy': compression method 12 is not read");
  m = deflated("y.npy", kY);
  m.size = 1 << 30;
  EXPECT_EQ(npz_error(zip({m})), "a.npz member 'y.npy': the members claim more bytes than the file can hold");
  m = stored("y.npy", kY);
  m.size = 3;
  EXPECT_EQ(npz_error(zip({m})), "a.npz member 'y.npy': is stored, but its two sizes differ");
  EXPECT_EQ(npz_error(zip({stored("x.npy", "no")})), "a.npz member 'x.npy': is not an npy file");
  EXPECT_EQ(npz_error(zip({stored("x.npy", kX), stored("x.npy", kX)})), "a.npz member 'x.npy': the name is there twice");
  EXPECT_EQ(npz_error(zip({stored("y.npy", kY)})), "a.npz: holds no input array");
  EXPECT_EQ(npz_error(zip({stored("x.npy", kX), stored("z.npy", npy("|u1", "(3,)", "abc"))})),
            "a.npz: array 'z' has 3 records, the others have 2");
  EXPECT_EQ(npz_error(zip({stored("x.npy", kX), stored("y.npy", npy("<f4", "(2,)", "abcdefgh"))})),
            "a.npz: array 'y' [2] f32 is not one integer label per record");
  EXPECT_EQ(npz_error(zip({stored("x.npy", kX), stored("y.npy", npy("|u1", "(2,2)", "abcd"))})),
            "a.npz: array 'y' [2,2] u8 is not one integer label per record");
  EXPECT_EQ(npz_error(zip({stored("x.npy", kX), stored("y.npy", npy("|i1", "(2,)", "\x01\xff"))})),
            "a.npz record 1: label -1 is out of range, wanted 0 to 1073741823");
}

// TensorProto of f32 with raw data: dims (1), data_type (2) and raw_data (9).
std::string tensor_pb(const std::vector<int>& dims, const std::string& raw) {
  std::string out;
  for (const int dim : dims) out += std::string("\x08") + static_cast<char>(dim);
  return out + "\x10\x01\x4a" + static_cast<char>(raw.size()) + raw;
}

TEST(Tensors, ReadsSetsAndJoinsThem) {
  const Folder folder;
  for (int i = 0; i < 3; ++i) {
    folder.write(str("test_data_set_", i, "/input_0.pb"), tensor_pb({1, 1}, std::string(3, '\0') + static_cast<char>(64 + i)));
    folder.write(str("test_data_set_", i, "/output_0.pb"), tensor_pb({}, std::string(4, '\0')));
  }
  const auto data = open_dataset(folder.path());
  EXPECT_EQ(data->size(), 3);
  EXPECT_EQ(data->task(), Task::compare);
  EXPECT_EQ(data->batch(1, 1).expected[0].shape(), Shape{});
  EXPECT_EQ(message_of(folder, [&] { data->batch(0, 2); }),
            "test_data_set_0: [] and [] cannot be one batch; read one record at a time");
  for (int i = 0; i < 3; ++i) std::filesystem::remove(folder / str("test_data_set_", i, "/output_0.pb"));
  const Batch both = open_dataset(folder.path())->batch(0, 2);
  EXPECT_EQ(both.inputs[0].shape(), (Shape{2, 1}));
  EXPECT_EQ(both.inputs[0].values<float>()[0], 2.0f);
  EXPECT_EQ(both.inputs[0].values<float>()[1], 8.0f);
  folder.write("test_data_set_1/input_1.pb", tensor_pb({}, "abcd"));
  EXPECT_EQ(message_of(folder, [&] { open_dataset(folder.path())->batch(0, 2); }),
            "test_data_set_1: holds 2 files input_*.pb, the others hold 1");
  EXPECT_EQ(open_dataset(folder / "test_data_set_0")->size(), 1);
}

TEST(Tensors, OneFileIsOneRecord) {
  const Folder folder;
  folder.write("some.pb", tensor_pb({1, 1}, std::string(3, '\0') + static_cast<char>(64)));
  const auto data = open_dataset(folder / "some.pb");
  EXPECT_EQ(data->size(), 1);
  EXPECT_EQ(data->task(), Task::none);
  EXPECT_EQ(data->batch(0, 1).inputs[0].values<float>()[0], 2.0f);
  EXPECT_EQ(data->filled_batch(0, 1, 3).inputs[0].shape(), (Shape{3, 1}));
}

TEST(Tensors, DamageIsNamed) {
  const Folder folder;
  EXPECT_EQ(open_error(folder, "tensors:" + folder.path()), "FOLDER: wanted input_0.pb in it, or in test_data_set_0");
  folder.write("input_0.pb", tensor_pb({3}, "abcd"));
  EXPECT_NE(read_error(folder, folder.path()).find("input_0.pb"), std::string::npos);
}

}  // namespace
}  // namespace bitwright
