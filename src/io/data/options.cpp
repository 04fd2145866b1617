#define TOML_ASSERT(condition) static_assert(true)  // its parser asserts what a broken file makes false, then reports it
#define TOML_MAX_NESTED_VALUES 16
#define TOML_ENABLE_FORMATTERS 0
#define TOML_ENABLE_WINDOWS_COMPAT 0
#include "io/data/options.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "io/data/reader.hpp"
#include "io/data/unicode.hpp"

namespace bitwright {
namespace {

constexpr int64_t kMostPixels = 16384;

/// One value of the table with everything a message needs.
struct Value {
  const toml::node& node;
  std::string_view key;
  const std::string& where;

  [[noreturn]] void refuse(std::string_view wanted) const {
    fail(ErrorCode::usage, where, ": line ", node.source().begin.line, ": '", key, "' wants ", wanted);
  }
  int64_t integer(int64_t least, int64_t most) const {
    const auto value = node.value_exact<int64_t>();
    if (!value || *value < least || *value > most) refuse(str("a whole number from ", least, " to ", most));
    return *value;
  }
  double number() const {
    const auto value = node.is_number() ? node.value<double>() : std::nullopt;
    if (!value || !std::isfinite(*value) || std::abs(*value) > 1e30) refuse("a number");
    return *value;
  }
  bool boolean() const {
    const auto value = node.value_exact<bool>();
    if (!value) refuse("true or false");
    return *value;
  }
  std::string text() const {
    const auto value = node.value_exact<std::string>();
    if (!value) refuse("a text in quotes");
    return *value;
  }
  /// Index of the text in `words`.
  size_t word(const std::vector<std::string>& words) const {
    const auto value = node.value_exact<std::string>();
    for (size_t i = 0; i < words.size(); ++i)
      if (value && *value == words[i]) return i;
    refuse(str("one of ", join(words, ", ")));
  }
  std::vector<Value> elements(size_t least, size_t most) const {
    std::vector<Value> out;
    if (const toml::array* array = node.as_array()) {
      for (const auto& element : *array) out.push_back({element, key, where});
    } else {
      out.push_back(*this);
    }
    if (out.size() < least || out.size() > most) refuse(str("at most ", most, " numbers"));
    return out;
  }
  std::vector<float> floats() const {
    std::vector<float> out;
    for (const Value& element : elements(1, 4)) out.push_back(static_cast<float>(element.number()));
    return out;
  }
};

void set_resize(DataOptions& o, const Value& v) {
  const auto sizes = v.elements(1, 2);
  o.image.resize_short = sizes.size() == 1 ? sizes[0].integer(0, kMostPixels) : 0;
  o.image.resize_height = sizes.size() == 2 ? sizes[0].integer(1, kMostPixels) : 0;
  o.image.resize_width = sizes.size() == 2 ? sizes[1].integer(1, kMostPixels) : 0;
}

void set_crop(DataOptions& o, const Value& v) {
  const auto sizes = v.elements(1, 2);
  o.image.crop_height = sizes.front().integer(0, kMostPixels);
  o.image.crop_width = sizes.back().integer(0, kMostPixels);
}

void set_std(DataOptions& o, const Value& v) {
  o.image.std = v.floats();
  for (const float value : o.image.std)
    if (!(std::abs(value) > 1e-30f)) v.refuse("numbers other than 0");
}

const std::vector<std::string> kInterpolations = {"bilinear", "bicubic"};
const std::vector<std::string> kChannels = {"as_stored", "rgb", "bgr", "gray"};
const std::vector<std::string> kLayouts = {"nchw", "nhwc"};

struct Key {
  std::string name;
  void (*set)(DataOptions&, const Value&);
};

const std::vector<Key>& keys() {
  using O = DataOptions;
  using V = const Value&;
  static const std::vector<Key> all = {
      {"version", [](O&, V v) { v.integer(1, 1); }},
      {"format", [](O& o, V v) { o.format = v.text(); }},
      {"split", [](O& o, V v) { o.split = v.word({"train", "test"}) == 0 ? "train" : "test"; }},
      {"select", [](O& o, V v) { o.select = v.text(); }},
      {"input", [](O& o, V v) { o.input = v.text(); }},
      {"classes", [](O& o, V v) { o.classes = v.integer(0, 1 << 30); }},
      {"label_offset", [](O& o, V v) { o.label_offset = v.integer(-(1 << 30), 1 << 30); }},
      {"resize", set_resize},
      {"interpolation", [](O& o, V v) { o.image.interpolation = Interpolation(v.word(kInterpolations)); }},
      {"crop", set_crop},
      {"scale", [](O& o, V v) { o.image.scale = v.number(); }},
      {"mean", [](O& o, V v) { o.image.mean = v.floats(); }},
      {"std", set_std},
      {"channels", [](O& o, V v) { o.image.channels = Channels(v.word(kChannels)); }},
      {"layout", [](O& o, V v) { o.image.layout = PixelLayout(v.word(kLayouts)); }},
      {"raw", [](O& o, V v) { o.image.raw = v.boolean(); }},
      {"vocabulary", [](O& o, V v) { o.text.vocabulary = v.text(); }},
      {"max_length", [](O& o, V v) { o.text.max_length = v.integer(2, 1 << 20); }},
      {"pad_to_max", [](O& o, V v) { o.text.pad_to_max = v.boolean(); }},
      {"time_major", [](O& o, V v) { o.text.time_major = v.boolean(); }},
      {"frame", [](O& o, V v) { o.audio.frame = v.integer(0, 1 << 30); }},
      {"hop", [](O& o, V v) { o.audio.hop = v.integer(0, 1 << 30); }},
  };
  return all;
}

void set_key(DataOptions& options, const Value& value) {
  std::vector<std::string> names;
  for (const Key& key : keys()) {
    if (key.name == value.key) return key.set(options, value);
    names.push_back(key.name);
  }
  const std::string near = nearest(value.key, names);
  fail(ErrorCode::usage, value.where, ": line ", value.node.source().begin.line, ": unknown key '", value.key, "'",
       near.empty() ? str("; there are ", join(names, ", ")) : str("; did you mean '", near, "'?"));
}

// toml++ bounds nested values itself, but not the depth of dotted keys, which it destroys recursively.
void refuse_deep(std::string_view line, const std::string& where) {
  if (std::count(line.begin(), line.end(), '.') > 64) fail(ErrorCode::malformed, where, ": a line has too many dots");
}

/// The same TOML in ASCII: characters outside it as \UXXXXXXXX, which double quotes understand. toml++ 3.3 runs into undefined
/// behaviour at some of them that are not in quotes.
std::string ascii_only(std::string_view toml, const std::string& where) {
  std::string out;
  for (const std::string_view line : lines_of(toml)) {
    refuse_deep(line, where);
    const bool has_literal = line.find('\'') != std::string_view::npos && line.front() != '#';
    for (const char32_t c : unicode::decode(line)) {
      if (c < 0x80) {
        out += static_cast<char>(c);
        continue;
      }
      if (c == 0xfffd) fail(ErrorCode::malformed, where, ": is not UTF-8");
      if (has_literal) fail(ErrorCode::malformed, where, ": write '", line, "' with double quotes");
      constexpr char digits[] = "0123456789abcdef";
      out += "\\U";
      for (int shift = 28; shift >= 0; shift -= 4) out += digits[(c >> shift) & 15];
    }
    out += '\n';
  }
  return out;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 32 || c == 127) {
      constexpr char digits[] = "0123456789abcdef";
      out += str("\\u00", digits[(c >> 4) & 15], digits[c & 15]);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

std::string list(const std::vector<float>& values) {
  std::string out = "[";
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string digits = str(values[i]);
    const bool is_float = digits.find_first_of(".e") != std::string::npos;
    out += str(i ? ", " : "", digits, is_float ? "" : ".0");
  }
  return out + "]";
}

std::string pair(int64_t first, int64_t second) { return str("[", first, ", ", second, "]"); }

}  // namespace

void apply_toml(DataOptions& options, std::string_view toml, const std::string& where) {
  toml::table table;
  try {
    table = toml::parse(ascii_only(toml, where), where);
  } catch (const toml::parse_error& e) {
    fail(ErrorCode::malformed, where, ": line ", e.source().begin.line, ": ", e.description());
  }
  for (const auto& [key, node] : table) set_key(options, {node, key.str(), where});
}

std::string to_toml(const DataOptions& o) {
  const DataOptions standard;
  const Preprocess& image = o.image;
  std::string out;
  const auto line = [&](bool differs, std::string_view key, const std::string& value) {
    if (differs) out += str(key, " = ", value, "\n");
  };
  line(!o.format.empty(), "format", in_quotes(o.format));
  line(!o.split.empty(), "split", in_quotes(o.split));
  line(!o.select.empty(), "select", in_quotes(o.select));
  line(!o.input.empty(), "input", in_quotes(o.input));
  line(o.classes != 0, "classes", str(o.classes));
  line(o.label_offset != 0, "label_offset", str(o.label_offset));
  line(image.resize_short != 0, "resize", str(image.resize_short));
  line(image.resize_height != 0, "resize", pair(image.resize_height, image.resize_width));
  line(image.interpolation != Interpolation::bilinear, "interpolation",
       in_quotes(kInterpolations[static_cast<size_t>(image.interpolation)]));
  line(image.crop_height != 0, "crop", pair(image.crop_height, image.crop_width));
  line(image.scale != 1, "scale", str(image.scale));
  line(!image.mean.empty(), "mean", list(image.mean));
  line(!image.std.empty(), "std", list(image.std));
  line(image.channels != Channels::as_stored, "channels", in_quotes(kChannels[static_cast<size_t>(image.channels)]));
  line(image.layout != PixelLayout::nchw, "layout", in_quotes(kLayouts[static_cast<size_t>(image.layout)]));
  line(image.raw, "raw", "true");
  line(!o.text.vocabulary.empty(), "vocabulary", in_quotes(o.text.vocabulary));
  line(o.text.max_length != standard.text.max_length, "max_length", str(o.text.max_length));
  line(o.text.pad_to_max, "pad_to_max", "true");
  line(!o.text.time_major, "time_major", "false");
  line(o.audio.frame != 0, "frame", str(o.audio.frame));
  line(o.audio.hop != 0, "hop", str(o.audio.hop));
  return out;
}

DataOptions options_beside(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  DataOptions options;
  const fs::path at(path);
  const fs::path own(path + ".toml");
  const fs::path shared = (fs::is_directory(at, ignored) ? at : at.parent_path()) / "data.toml";
  for (const fs::path& candidate : {own, shared}) {
    if (!fs::is_regular_file(candidate, ignored)) continue;
    const MappedFile file = MappedFile::open(candidate.string());
    apply_toml(options, {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()}, candidate.string());
    break;
  }
  return options;
}

}  // namespace bitwright
