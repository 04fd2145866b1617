#include "io/data/options.hpp"

#include <cmath>
#include <cstdlib>
#include <filesystem>

#include "io/data/reader.hpp"
#include "io/document/document.hpp"

namespace bitwright {
namespace {

constexpr int64_t kMostPixels = 16384;

/// One value of the table with everything a message needs.
struct Value {
  const Document& node;
  std::string_view key;
  const std::string& where;

  [[noreturn]] void refuse(std::string_view wanted) const {
    fail(ErrorCode::usage, place_of(node, where), ": '", key, "' wants ", wanted);
  }
  int64_t integer(int64_t least, int64_t most) const {
    const auto* value = std::get_if<int64_t>(&node.value);
    if (!value || *value < least || *value > most) refuse(str("a whole number from ", least, " to ", most));
    return *value;
  }
  double number() const {
    const auto* whole = std::get_if<int64_t>(&node.value);
    const auto* real = std::get_if<double>(&node.value);
    const double value = whole ? static_cast<double>(*whole) : real ? *real : NAN;
    if (!std::isfinite(value) || std::abs(value) > 1e30) refuse("a number");
    return value;
  }
  bool boolean() const {
    const auto* value = std::get_if<bool>(&node.value);
    if (!value) refuse("true or false");
    return *value;
  }
  std::string text() const {
    const auto* value = std::get_if<std::string>(&node.value);
    if (!value) refuse("a text in quotes");
    return *value;
  }
  /// Index of the text in `words`.
  size_t word(const std::vector<std::string>& words) const {
    const auto* value = std::get_if<std::string>(&node.value);
    for (size_t i = 0; i < words.size(); ++i)
      if (value && *value == words[i]) return i;
    refuse(str("one of ", join(words, ", ")));
  }
  std::vector<Value> elements(size_t least, size_t most) const {
    std::vector<Value> out;
    if (const auto* list = std::get_if<DocumentList>(&node.value)) {
      for (const Document& element : *list) out.push_back({element, key, where});
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

// constants = { sr = 16000 }
void set_constants(DataOptions& o, const Value& v) {
  const auto* table = std::get_if<DocumentTable>(&v.node.value);
  if (!table) v.refuse("a table of numbers by input: { sr = 16000 }");
  o.constants.clear();
  for (const auto& [name, value] : *table)
    o.constants.push_back({name, Value{value, v.key, v.where}.number(), std::holds_alternative<int64_t>(value.value)});
}

const std::vector<std::string> kInterpolations = {"bilinear", "bicubic"};
const std::vector<std::string> kChannels = {"as_stored", "rgb", "bgr", "gray"};
const std::vector<std::string> kLayouts = {"nchw", "nhwc"};
const std::vector<std::string> kFeatures = {"samples", "magnitude"};

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
      {"sequence", [](O& o, V v) { o.sequence = v.integer(0, int64_t{1} << 40); }},
      {"constants", set_constants},
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
      {"feature", [](O& o, V v) { o.audio.feature = SoundFeature(v.word(kFeatures)); }},
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
  fail(ErrorCode::usage, place_of(value.node, value.where), ": unknown key '", value.key, "'",
       near.empty() ? str("; there are ", join(names, ", ")) : str("; did you mean '", near, "'?"));
}

Document numbers(const std::vector<float>& values) {
  DocumentList list;
  for (const float value : values) list.push_back(std::strtod(str(value).c_str(), nullptr));  // 0.485, not 0.485000014
  return list;
}

Document table(const std::vector<ConstantInput>& constants) {
  Document out{DocumentTable{}};
  for (const ConstantInput& c : constants) out.set(c.name, c.whole ? Document(static_cast<int64_t>(c.value)) : Document(c.value));
  return out;
}

Document pair(int64_t first, int64_t second) { return DocumentList{first, second}; }

}  // namespace

void apply_toml(DataOptions& options, std::string_view toml, const std::string& where) {
  apply_document(options, parse_toml(toml, where), where);
}

void apply_document(DataOptions& options, const Document& document, const std::string& where) {
  if (!document.is_table()) fail(ErrorCode::usage, place_of(document, where), ": wants a table, got ", kind_of(document));
  for (const auto& [key, value] : std::get<DocumentTable>(document.value)) set_key(options, {value, key, where});
}

std::string to_toml(const DataOptions& o) {
  const DataOptions standard;
  const Preprocess& image = o.image;
  Document out{DocumentTable{}};
  const auto line = [&](bool differs, const char* key, Document value) {
    if (differs) out.set(key, std::move(value));
  };
  line(!o.format.empty(), "format", o.format);
  line(!o.split.empty(), "split", o.split);
  line(!o.select.empty(), "select", o.select);
  line(!o.input.empty(), "input", o.input);
  line(o.classes != 0, "classes", o.classes);
  line(o.label_offset != 0, "label_offset", o.label_offset);
  line(o.sequence != 0, "sequence", o.sequence);
  line(!o.constants.empty(), "constants", table(o.constants));
  line(image.resize_short != 0, "resize", image.resize_short);
  line(image.resize_height != 0, "resize", pair(image.resize_height, image.resize_width));
  line(image.interpolation != Interpolation::bilinear, "interpolation",
       kInterpolations[static_cast<size_t>(image.interpolation)]);
  line(image.crop_height != 0, "crop", pair(image.crop_height, image.crop_width));
  line(image.scale != 1, "scale", image.scale);
  line(!image.mean.empty(), "mean", numbers(image.mean));
  line(!image.std.empty(), "std", numbers(image.std));
  line(image.channels != Channels::as_stored, "channels", kChannels[static_cast<size_t>(image.channels)]);
  line(image.layout != PixelLayout::nchw, "layout", kLayouts[static_cast<size_t>(image.layout)]);
  line(image.raw, "raw", true);
  line(!o.text.vocabulary.empty(), "vocabulary", o.text.vocabulary);
  line(o.text.max_length != standard.text.max_length, "max_length", o.text.max_length);
  line(o.text.pad_to_max, "pad_to_max", true);
  line(!o.text.time_major, "time_major", false);
  line(o.audio.frame != 0, "frame", o.audio.frame);
  line(o.audio.hop != 0, "hop", o.audio.hop);
  line(o.audio.feature != SoundFeature::samples, "feature", kFeatures[static_cast<size_t>(o.audio.feature)]);
  return to_toml(out);
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
