#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "io/document/document.hpp"

namespace bitwright {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostLevels = 64;

std::string position(std::string_view text, size_t byte) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  return str("line ", line, ", column ", column);
}

// nlohmann's lexer takes the text a character at a time; this counts the lines it has taken.
class Counting {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Counting(const char* at, int64_t* line) : at_(at), line_(line) {}
  reference operator*() const { return *at_; }
  Counting& operator++() {
    *line_ += *at_ == '\n';
    ++at_;
    return *this;
  }
  bool operator==(const Counting& other) const { return at_ == other.at_; }
  bool operator!=(const Counting& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  int64_t* line_;
};

// Builds the tree from the parser's events, without recursion. A member's line is its key's.
class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(std::string_view text, const std::string& name) : text_(text), name_(name) {}
  int64_t line = 1;
  Document top;

  bool null() override { return add({}); }
  bool boolean(bool v) override { return add(v); }
  bool number_integer(int64_t v) override { return add(v); }
  bool number_unsigned(uint64_t v) override {
    return v > static_cast<uint64_t>(INT64_MAX) ? add(static_cast<double>(v)) : add(static_cast<int64_t>(v));
  }
  bool number_float(double v, const std::string&) override { return add(v); }
  bool string(std::string& v) override { return add(v); }
  bool binary(Json::binary_t&) override { return false; }
  bool start_object(size_t) override { return open(DocumentTable{}); }
  bool start_array(size_t) override { return open(DocumentList{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& v) override {
    keys_.back() = {v, line};
    return true;
  }
  bool parse_error(size_t byte, const std::string&, const Json::exception&) override {
    fail(ErrorCode::malformed, name_, ": ", position(text_, byte), ": this is not JSON");
  }

 private:
  struct Key {
    std::string text;
    int64_t line = 0;
  };

  bool add(Document document) {
    if (open_.empty()) {
      top = std::move(document);
    } else if (open_.back().is_table()) {
      document.line = keys_.back().line;
      open_.back().set(keys_.back().text, std::move(document));
    } else {
      document.line = line;
      std::get<DocumentList>(open_.back().value).push_back(std::move(document));
    }
    return true;
  }
  bool open(Document document) {
    if (open_.size() == kMostLevels) fail(ErrorCode::malformed, name_, ": line ", line, ": nested deeper than 64 levels");
    open_.push_back(std::move(document));
    keys_.emplace_back();
    return true;
  }
  bool close() {
    Document done = std::move(open_.back());
    open_.pop_back();
    keys_.pop_back();
    return add(std::move(done));
  }

  std::string_view text_;
  const std::string& name_;
  std::vector<Document> open_;  // from the outermost inwards
  std::vector<Key> keys_;       // of the member that is being read, per level
};

Json to_value(const Document& document) {
  struct Visitor {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(bool v) const { return v; }
    Json operator()(int64_t v) const { return v; }
    Json operator()(double v) const { return std::isfinite(v) ? Json(v) : Json(nullptr); }
    Json operator()(const std::string& v) const { return v; }
    Json operator()(const DocumentList& list) const {
      Json array = Json::array();
      for (const Document& item : list) array.push_back(to_value(item));
      return array;
    }
    Json operator()(const DocumentTable& table) const {
      Json object = Json::object();
      for (const auto& [key, member] : table) object[key] = to_value(member);
      return object;
    }
  };
  return std::visit(Visitor{}, document.value);
}

}  // namespace

Document parse_json(std::string_view text, const std::string& name) {
  Builder builder(text, name);
  const Counting first(text.data(), &builder.line), last(text.data() + text.size(), &builder.line);
  try {
    if (!Json::sax_parse(first, last, &builder)) fail(ErrorCode::malformed, name, ": this JSON cannot be read");
  } catch (const Json::exception&) {
    fail(ErrorCode::malformed, name, ": this JSON cannot be read");
  }
  return std::move(builder.top);
}

std::string to_json(const Document& document, int indent) {
  return to_value(document).dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bitwright
