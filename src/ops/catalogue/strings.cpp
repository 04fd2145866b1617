// StringConcat, StringSplit, StringNormalizer (ASCII letters change case; other bytes stay).
#include <algorithm>

#include "ops/broadcast.hpp"
#include "ops/op.hpp"

namespace bitwright {
namespace {

void check_strings(const OpContext& c, size_t i) {
  if (c.input(i).dtype() != DType::string) c.malformed(str("input ", i, " is ", name_of(c.input(i).dtype()), ", wanted string"));
}

void run_concat(OpContext& c) {
  check_strings(c, 0);
  check_strings(c, 1);
  const Tensor &a = c.input(0), &b = c.input(1);
  Tensor y = c.output(0, DType::string, broadcast_shapes(c, a.shape(), b.shape()));
  if (c.shape_only()) return;
  broadcast_apply(c, c.data(0).strings().data(), a.shape(), c.data(1).strings().data(), b.shape(), y.strings().data(),
                  y.shape(), [](const std::string& p, const std::string& q) { return p + q; });
}

constexpr std::string_view kSpaces = " \t\n\v\f\r";

// At white space; leading, trailing and repeated ones count for nothing.
std::vector<std::string> split_at_spaces(std::string_view text, int64_t most) {
  std::vector<std::string> parts;
  for (;;) {
    const size_t begin = text.find_first_not_of(kSpaces);
    if (begin == std::string_view::npos) return parts;
    text.remove_prefix(begin);
    size_t end = text.find_first_of(kSpaces);
    if (static_cast<int64_t>(parts.size()) == most) end = text.find_last_not_of(kSpaces) + 1;
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end);
  }
}

std::vector<std::string> split_at(std::string_view text, std::string_view delimiter, int64_t most) {
  if (delimiter.empty()) return split_at_spaces(text, most);
  std::vector<std::string> parts;
  while (!text.empty() || !parts.empty()) {
    const size_t end = static_cast<int64_t>(parts.size()) == most ? std::string_view::npos : text.find(delimiter);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + delimiter.size());
  }
  return parts;
}

void run_split(OpContext& c) {
  check_strings(c, 0);
  const Tensor& x = c.data(0);
  const std::string delimiter = c.node().attr_string("delimiter", "");
  const int64_t most = c.node().attr_int("maxsplit", INT64_MAX);
  std::vector<std::vector<std::string>> parts;
  size_t widest = 0;
  for (const std::string& text : x.strings()) {
    parts.push_back(split_at(text, delimiter, most));
    widest = std::max(widest, parts.back().size());
  }
  Shape shape = x.shape();
  shape.push_back(static_cast<int64_t>(widest));
  Tensor y = c.output(0, DType::string, shape), counts = c.output(1, DType::i64, x.shape());
  if (c.shape_only()) return;
  for (size_t i = 0; i < parts.size(); ++i) {
    counts.values<int64_t>()[i] = static_cast<int64_t>(parts[i].size());
    for (size_t j = 0; j < widest; ++j) y.strings()[i * widest + j] = j < parts[i].size() ? parts[i][j] : "";
  }
}

std::string cased(std::string text, bool upper) {
  for (char& letter : text) {
    if (upper && letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
    if (!upper && letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return text;
}

std::vector<std::string> stop_words(const Node& node) {
  const auto at = node.attributes.find("stopwords");
  const auto* words = at == node.attributes.end() ? nullptr : std::get_if<std::vector<std::string>>(&at->second);
  return words ? *words : std::vector<std::string>();
}

void run_normalize(OpContext& c) {
  check_strings(c, 0);
  const Tensor& x = c.data(0);
  if (x.rank() < 1 || x.rank() > 2 || (x.rank() == 2 && x.dim(0) != 1))
    c.malformed(str("input has shape ", to_string(x.shape()), ", wanted [C] or [1,C]"));
  const std::string action = c.node().attr_string("case_change_action", "NONE");
  const bool sensitive = c.node().attr_int("is_case_sensitive", 0) != 0;
  auto key = [&](const std::string& word) { return sensitive ? word : cased(word, false); };
  std::vector<std::string> stop = stop_words(c.node()), kept;
  for (std::string& word : stop) word = key(word);
  for (const std::string& word : x.strings()) {
    if (std::find(stop.begin(), stop.end(), key(word)) != stop.end()) continue;
    kept.push_back(action == "NONE" ? word : cased(word, action == "UPPER"));
  }
  if (kept.empty()) kept.emplace_back();
  Shape shape = x.shape();
  shape.back() = static_cast<int64_t>(kept.size());
  c.forward(0, Tensor::of_strings(shape, std::move(kept)));
}

const Op kOps[] = {
    {.name = "StringConcat", .min_inputs = 2, .max_inputs = 2, .since = 20, .run = run_concat},
    {.name = "StringSplit", .min_outputs = 2, .max_outputs = 2, .since = 20, .run = run_split},
    {.name = "StringNormalizer", .since = 10, .run = run_normalize},
};

}  // namespace

std::span<const Op> ops_strings() { return kOps; }

}  // namespace bitwright
