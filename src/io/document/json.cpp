#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "io/document/document.hpp"

namespace bitwright {
namespace {

using Json = nlohmann::ordered_json;

Document from_json(const Json& json, int depth, const std::string& name) {
  if (depth > 64) fail(ErrorCode::malformed, name, ": nested deeper than 64 levels");
  switch (json.type()) {
    case Json::value_t::boolean: return json.get<bool>();
    case Json::value_t::number_integer: return json.get<int64_t>();
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) return json.get<double>();
      return json.get<int64_t>();
    case Json::value_t::number_float: return json.get<double>();
    case Json::value_t::string: return json.get<std::string>();
    case Json::value_t::array: {
      DocumentList list;
      for (const Json& item : json) list.push_back(from_json(item, depth + 1, name));
      return list;
    }
    case Json::value_t::object: {
      Document table{DocumentTable{}};
      for (const auto& item : json.items()) table.set(item.key(), from_json(item.value(), depth + 1, name));
      return table;
    }
    default: return {};
  }
}

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

// nlohmann's parser nests without bound; brackets are counted before it sees the text.
void check_depth(std::string_view text, const std::string& name) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') ++i;
    else if (text[i] == '"') quoted = !quoted;
    else if (!quoted && (text[i] == '[' || text[i] == '{')) ++depth;
    else if (!quoted && (text[i] == ']' || text[i] == '}')) --depth;
    if (depth > 64) fail(ErrorCode::malformed, name, ": nested deeper than 64 levels");
  }
}

std::string position(std::string_view text, size_t byte) {
  size_t line = 1, column = 1;
  for (size_t i = 0; i + 1 < byte && i < text.size(); ++i) {
    column = text[i] == '\n' ? 1 : column + 1;
    line += text[i] == '\n';
  }
  return str("line ", line, ", column ", column);
}

}  // namespace

Document parse_json(std::string_view text, const std::string& name) {
  check_depth(text, name);
  try {
    return from_json(Json::parse(text.begin(), text.end()), 0, name);
  } catch (const Json::parse_error& e) {
    fail(ErrorCode::malformed, name, ", ", position(text, e.byte), ": this is not JSON");
  } catch (const Json::exception&) {
    fail(ErrorCode::malformed, name, ": this JSON cannot be read");
  }
}

std::string to_json(const Document& document, int indent) {
  return to_value(document).dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace bitwright
