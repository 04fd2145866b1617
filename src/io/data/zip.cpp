// PKWARE APPNOTE 6.3: the directory at the end is what counts; local headers only tell where the data start.
#include "io/data/zip.hpp"

namespace bitwright {
namespace {

constexpr uint32_t kLocal = 0x04034b50, kEntry = 0x02014b50, kEnd = 0x06054b50, kEnd64 = 0x06064b50,
                   kLocator64 = 0x07064b50;
constexpr uint32_t kIn64 = 0xffffffff;  // the real number stands in the zip64 field

struct Directory {
  uint64_t entries = 0, bytes = 0, at = 0;
};

struct Entry {
  std::string name;
  uint32_t flags = 0, method = 0, crc = 0;
  uint64_t packed = 0, size = 0, local_at = 0;
};

class Zip {
 public:
  explicit Zip(const MappedFile& file) : file_(file), bytes_(file.bytes) {}

  std::vector<ZipMember> members() {
    const Directory directory = find_directory();
    std::vector<ZipMember> out;
    uint64_t at = directory.at;
    for (uint64_t i = 0; i < directory.entries; ++i) out.push_back(member(read_entry(at)));
    return out;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const { fail(ErrorCode::malformed, file_.path, ": ", what); }
  void need(uint64_t at, uint64_t count) const {
    if (at > bytes_.size() || count > bytes_.size() - at) refuse("the zip file is cut short or damaged");
  }
  template <class T>
  T number(uint64_t at) const {
    need(at, sizeof(T));
    return little_endian<T>(bytes_, at);
  }

  Directory find_directory() const {
    constexpr uint64_t kEndBytes = 22, kLongestComment = 65535;
    if (bytes_.size() < kEndBytes) refuse("is not a zip file");
    uint64_t at = bytes_.size() - kEndBytes;
    const uint64_t lowest = at > kLongestComment ? at - kLongestComment : 0;
    while (number<uint32_t>(at) != kEnd) {
      if (at == lowest) refuse("is not a zip file, or its end is missing");
      --at;
    }
    Directory directory{number<uint16_t>(at + 10), number<uint32_t>(at + 12), number<uint32_t>(at + 16)};
    if (directory.entries == 0xffff || directory.bytes == kIn64 || directory.at == kIn64) directory = directory64(at);
    need(directory.at, directory.bytes);
    if (directory.entries > directory.bytes / 46) refuse("the zip directory claims more members than it can hold");
    return directory;
  }

  Directory directory64(uint64_t end_at) const {
    if (end_at < 20 || number<uint32_t>(end_at - 20) != kLocator64) refuse("the zip64 directory is missing");
    const auto at = number<uint64_t>(end_at - 20 + 8);
    need(at, 56);
    if (number<uint32_t>(at) != kEnd64) refuse("the zip64 directory is missing");
    return {number<uint64_t>(at + 32), number<uint64_t>(at + 40), number<uint64_t>(at + 48)};
  }

  Entry read_entry(uint64_t& at) const {
    need(at, 46);
    if (number<uint32_t>(at) != kEntry) refuse("the zip directory is damaged");
    const uint64_t name_bytes = number<uint16_t>(at + 28), extra_bytes = number<uint16_t>(at + 30),
                   comment_bytes = number<uint16_t>(at + 32);
    need(at + 46, name_bytes + extra_bytes + comment_bytes);
    Entry entry{std::string(text_of(bytes_.subspan(at + 46, name_bytes))),
                number<uint16_t>(at + 8),
                number<uint16_t>(at + 10),
                number<uint32_t>(at + 16),
                number<uint32_t>(at + 20),
                number<uint32_t>(at + 24),
                number<uint32_t>(at + 42)};
    read_zip64(entry, at + 46 + name_bytes, extra_bytes);
    at += 46 + name_bytes + extra_bytes + comment_bytes;
    return entry;
  }

  // The field 0x0001 holds those of the three numbers that did not fit, in this order.
  void read_zip64(Entry& entry, uint64_t at, uint64_t bytes) const {
    const uint64_t end = at + bytes;
    while (at + 4 <= end) {
      const uint64_t id = number<uint16_t>(at), length = number<uint16_t>(at + 2);
      if (length > end - at - 4) refuse("the zip directory is damaged");
      uint64_t value_at = at + 4;
      for (uint64_t* value : {&entry.size, &entry.packed, &entry.local_at}) {
        if (id != 1 || *value != kIn64) continue;
        if (value_at + 8 > at + 4 + length) refuse("the zip64 field of a member is too short");
        *value = number<uint64_t>(value_at);
        value_at += 8;
      }
      at += 4 + length;
    }
  }

  ZipMember member(const Entry& entry) {
    const std::string where = str(file_.path, " member '", entry.name, "'");
    if (entry.flags & 1) fail(ErrorCode::unsupported, where, ": is encrypted");
    need(entry.local_at, 30);
    if (number<uint32_t>(entry.local_at) != kLocal) refuse(str("member '", entry.name, "' is not where it should be"));
    const uint64_t start = entry.local_at + 30 + number<uint16_t>(entry.local_at + 26) +
                           number<uint16_t>(entry.local_at + 28);
    need(start, entry.packed);
    const Bytes packed = bytes_.subspan(start, entry.packed);
    if (entry.method == 0) {
      if (entry.packed != entry.size) fail(ErrorCode::malformed, where, ": is stored, but its two sizes differ");
      return {entry.name, packed, file_.keep};
    }
    if (entry.method != 8) fail(ErrorCode::unsupported, where, ": compression method ", entry.method, " is not read");
    if (entry.size > most_inflated(bytes_.size()) - unpacked_)  // members may share their packed bytes
      fail(ErrorCode::malformed, where, ": the members claim more bytes than the file can hold");
    unpacked_ += entry.size;
    const Unpacked whole = inflate(packed, entry.size, entry.crc, where);
    return {entry.name, whole.bytes, whole.keep};
  }

  const MappedFile& file_;
  Bytes bytes_;
  uint64_t unpacked_ = 0;
};

}  // namespace

std::vector<ZipMember> read_zip(const MappedFile& file) { return Zip(file).members(); }

}  // namespace bitwright
