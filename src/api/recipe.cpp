#include "api/recipe.hpp"

#include <array>
#include <charconv>

#include "api/archive.hpp"
#include "core/mapped_file.hpp"

namespace bitwright {
namespace {

template <class E, size_t N>
std::array<std::string_view, N> names_of() {
  std::array<std::string_view, N> names;
  for (size_t i = 0; i < N; ++i) names[i] = name_of(static_cast<E>(i));
  return names;
}
const auto kMethods = names_of<Method, 3>();
const auto kProfiles = names_of<Profile, 3>();
constexpr std::string_view kSymmetries[] = {"affine", "symmetric", "symmetric_restricted"};
constexpr std::string_view kLayouts[] = {"tensor", "channel", "block"};
constexpr std::string_view kPowers[] = {"no", "ceil", "nearest"};
constexpr std::string_view kQParamRules[] = {"pytorch", "onnxruntime", "tflite", "textbook"};
constexpr std::string_view kStyles[] = {"qdq", "qoperator"};
constexpr std::string_view kEdges[] = {"as_others", "float", "8bit"};

template <class A>
void describe(A& a, Scheme& s) {
  a.field("format", s.format);
  a.field("symmetry", s.symmetry, Words<Symmetry>{kSymmetries});
  a.field("granularity", s.granularity, Words<Layout::Kind>{kLayouts});
  a.field("block_size", s.block_size, 0, 1 << 20);
  a.field("reduce_range", s.reduce_range);
  a.field("include_zero", s.include_zero);
  a.field("power_of_two", s.power_of_two, Words<PowerOfTwo>{kPowers});
  a.field("rule", s.rule, Words<QParamRule>{kQParamRules});
}

// An override changes the general scheme, so it starts from it.
template <class A>
void describe(A& a, std::string_view key, std::optional<Scheme>& scheme, const Scheme& general) {
  if (!A::kReads && !scheme) return;
  a.table(key, [&](A& t) {
    if (!scheme) scheme = general;
    describe(t, *scheme);
  });
}

template <class A>
void describe(A& a, Override& o, const Rules& rules) {
  a.field("match", o.match);
  a.field("op", o.op);
  a.optional_field("quantize", o.quantize);
  a.field("why", o.why);
  a.field("observer", o.observer);
  describe(a, "activation", o.activation, rules.activation);
  describe(a, "weight", o.weight, rules.weight);
}

template <class A>
void describe_rules(A& a, Recipe& r) {
  Rules& rules = r.rules;
  a.field("mode", rules.method, Words<Method>{kMethods});
  a.field("profile", r.profile, Words<Profile>{kProfiles});
  a.field("fuse", rules.fuse);
  a.field("quantize_outputs", rules.quantize_outputs);
  a.field("first_layer", rules.first, Words<Edge>{kEdges});
  a.field("last_layer", rules.last, Words<Edge>{kEdges});
  a.field("operators", rules.operators);
  a.field("exclude", rules.exclude);
  a.field("skip_passes", r.skip_passes);
  a.field("extents", r.extents);
  a.field("state", r.state);
  a.field("seed", r.seed);
  a.field("opset", r.opset, 0, 25);
  a.field("style", r.style, Words<QuantizedStyle>{kStyles});
}

template <class A>
void describe(A& a, Recipe& r) {
  a.field("version", r.version);
  a.field("preset", r.preset);
  describe_rules(a, r);
  a.table("activation", [&](A& t) {
    describe(t, r.rules.activation);
    t.field("observer", r.rules.observer);
    t.field("percentile", r.observer.percentile);
    t.field("per_row", r.rules.per_row);
  });
  a.table("weight", [&](A& t) {
    describe(t, r.rules.weight);
    t.field("observer", r.weight_observer);
  });
  a.table("calibration", [&](A& t) {
    t.field("samples", r.samples, 1, INT64_MAX);
    t.field("batch", r.batch, 1, 1 << 16);
  });
  a.list("override", r.rules.overrides, [&](A& t, Override& o) { describe(t, o, r.rules); });
}

void check_version(const Document& document, const std::string& where) {
  const Document* version = document.find("version");
  if (!version) fail(ErrorCode::usage, where, ": 'version' is missing; write version = ", Recipe::kVersion);
  const int64_t* number = std::get_if<int64_t>(&version->value);
  if (!number || *number < 1) fail(ErrorCode::usage, place_of(*version, where), ": version wants a whole number from 1");
  if (*number > Recipe::kVersion)
    fail(ErrorCode::unsupported, place_of(*version, where), ": version ", *number, " is newer than this program understands (",
         Recipe::kVersion, ")");
}

void check(const Recipe& recipe, const std::string& where) {
  try {
    observer_named(recipe.rules.observer);
    observer_named(recipe.weight_observer);
    for (const Override& o : recipe.rules.overrides)
      if (!o.observer.empty()) observer_named(o.observer);
  } catch (const Error& e) {
    throw e.within(where);
  }
  if (recipe.rules.weight.granularity == Layout::block && recipe.rules.weight.block_size == 0)
    fail(ErrorCode::usage, where, ": weight.granularity is 'block', but weight.block_size is not given");
  if (recipe.observer.percentile != 0 && !(recipe.observer.percentile > 50 && recipe.observer.percentile <= 100))
    fail(ErrorCode::usage, where, ": activation.percentile is ", recipe.observer.percentile,
         ", it must lie above 50 and at most at 100");
}

}  // namespace

Recipe::Recipe(const Preset& from) : preset(from.name), weight_observer(from.weight_observer) {
  rules.activation = from.activation;
  rules.weight = from.weight;
  rules.observer = from.activation_observer;
  // Float results cost nothing here and keep classes apart that an 8-bit grid would tie; other toolkits quantize them.
  rules.quantize_outputs = from.name != "bitwright";
}

Recipe recipe_from(const Document& document, const std::string& where) {
  if (!document.is_table()) fail(ErrorCode::usage, where, ": a recipe is a table, this is ", kind_of(document));
  check_version(document, where);
  Recipe recipe;
  if (const Document* preset = document.find("preset"))
    if (const std::string* name = std::get_if<std::string>(&preset->value)) {
      try {
        recipe = Recipe(preset_named(*name));
      } catch (const Error& e) {
        throw e.within(place_of(*preset, where));
      }
    }
  DocumentReader reader(document, where);
  describe(reader, recipe);
  if (const Document* data = reader.raw("data")) apply_document(recipe.data, *data, where);
  reader.finish();
  check(recipe, where);
  return recipe;
}

Document to_document(const Recipe& recipe) {
  Recipe copy = recipe;
  DocumentWriter writer;
  describe(writer, copy);
  const Document data = parse_toml(to_toml(recipe.data), "data options");
  if (data.is_table() && !std::get<DocumentTable>(data.value).empty()) writer.document.set("data", data);
  return std::move(writer.document);
}

Recipe load_recipe(const std::string& preset_or_path) {
  const auto ends_with = [&](std::string_view end) {
    return preset_or_path.size() > end.size() && preset_or_path.compare(preset_or_path.size() - end.size(), end.size(), end) == 0;
  };
  const bool json = ends_with(".json");
  if (!json && !ends_with(".toml")) return Recipe(preset_named(preset_or_path));
  const MappedFile file = MappedFile::open(preset_or_path);
  const std::string_view text(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size());
  return recipe_from(json ? parse_json(text, preset_or_path) : parse_toml(text, preset_or_path), preset_or_path);
}

namespace {

template <class E>
void find_word(std::string_view what, std::string_view word, std::span<const std::string_view> words, E& choice) {
  for (size_t i = 0; i < words.size(); ++i)
    if (word == words[i]) return void(choice = static_cast<E>(i));
  fail(ErrorCode::usage, what, " is '", word, "', it must be one of ", join(std::vector<std::string>(words.begin(), words.end()), ", "));
}

}  // namespace

void read_word(std::string_view what, std::string_view word, Method& choice) { find_word(what, word, kMethods, choice); }
void read_word(std::string_view what, std::string_view word, Profile& choice) { find_word(what, word, kProfiles, choice); }
void read_word(std::string_view what, std::string_view word, Edge& choice) { find_word(what, word, kEdges, choice); }
void read_word(std::string_view what, std::string_view word, QuantizedStyle& choice) { find_word(what, word, kStyles, choice); }

void set_format(Scheme& scheme, const std::string& word) {
  const std::vector<std::string> parts = split(word, '/');
  if (parts.empty() || parts.size() > 2) fail(ErrorCode::usage, "'", word, "' is no format; write int8, uint8/tensor or int4/32");
  scheme.format = &format_named(parts[0]);
  if (scheme.format->is_integer && !scheme.format->is_signed && scheme.symmetry != Symmetry::affine)
    scheme.symmetry = Symmetry::affine;  // unsigned codes need a zero point for negative weights
  if (parts.size() == 1) return;
  for (size_t k = 0; k < 2; ++k)
    if (parts[1] == kLayouts[k]) return void(scheme.granularity = static_cast<Layout::Kind>(k));
  int64_t size = 0;
  const auto [end, error] = std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), size);
  if (error != std::errc{} || end != parts[1].data() + parts[1].size() || size < 1 || size > 1 << 20)
    fail(ErrorCode::usage, "'", word, "': after '/' stands tensor, channel or the size of a group");
  scheme.granularity = Layout::block;
  scheme.block_size = size;
}

}  // namespace bitwright
