// One description of a struct serves reading and writing of its document form: describe(archive, struct) names each field
// once. Reading refuses unknown keys with the nearest name, values of the wrong kind and words that are no choice.
#pragma once

#include <optional>
#include <span>

#include "core/error.hpp"
#include "io/document/document.hpp"
#include "quant/format.hpp"

namespace bitwright {

/// The words of an enumeration, by position.
template <class E>
struct Words {
  std::span<const std::string_view> words;
};

class DocumentReader {
 public:
  /// `where` stands before messages ("recipe.toml"), `path` before keys ("activation."). The document must be a table.
  DocumentReader(const Document& table, std::string where, std::string path = {});

  void field(std::string_view key, bool& value);
  void field(std::string_view key, int64_t& value, int64_t least = INT64_MIN, int64_t most = INT64_MAX);
  void field(std::string_view key, double& value);
  void field(std::string_view key, std::string& value);
  void field(std::string_view key, std::vector<std::string>& value);
  void field(std::string_view key, const Format*& value);
  template <class E>
  void field(std::string_view key, E& value, Words<E> words) {
    if (const Document* found = find(key)) value = static_cast<E>(word(key, *found, words.words));
  }
  template <class T>
  void optional_field(std::string_view key, std::optional<T>& value) {
    if (!find(key)) return;
    T read{};
    field(key, read);
    value = read;
  }
  /// Calls f(reader of the sub-table) if it is there.
  template <class F>
  void table(std::string_view key, F f) {
    const Document* found = find(key);
    if (!found) return;
    DocumentReader inner(*found, where_, path_ + std::string(key) + ".");
    f(inner);
    inner.finish();
  }
  template <class T, class F>
  void list(std::string_view key, std::vector<T>& items, F f) {
    const Document* found = find(key);
    if (!found) return;
    const auto* documents = std::get_if<DocumentList>(&found->value);
    if (!documents) refuse(key, "a list of tables", *found);
    items.clear();
    for (size_t i = 0; i < documents->size(); ++i) {
      DocumentReader inner((*documents)[i], where_, path_ + std::string(key) + "[" + std::to_string(i) + "].");
      f(inner, items.emplace_back());
      inner.finish();
    }
  }
  /// The sub-document as it is.
  const Document* raw(std::string_view key) { return find(key); }
  /// Error{usage} if the table has keys that nobody asked for.
  void finish() const;
  static constexpr bool kReads = true;

 private:
  const Document* find(std::string_view key);
  [[noreturn]] void refuse(std::string_view key, std::string_view wanted, const Document& got) const;
  size_t word(std::string_view key, const Document& got, std::span<const std::string_view> words) const;

  const Document& table_;
  std::string where_, path_;
  std::vector<std::string> known_;
};

class DocumentWriter {
 public:
  void field(std::string_view key, bool& value) { put(key, value); }
  void field(std::string_view key, int64_t& value, int64_t = 0, int64_t = 0) { put(key, value); }
  void field(std::string_view key, double& value) { put(key, value); }
  void field(std::string_view key, std::string& value) { put(key, value); }
  void field(std::string_view key, std::vector<std::string>& value) {
    put(key, DocumentList(value.begin(), value.end()));
  }
  void field(std::string_view key, const Format*& value) { put(key, value ? value->name : std::string_view()); }
  template <class E>
  void field(std::string_view key, E& value, Words<E> words) {
    put(key, words.words[static_cast<size_t>(value)]);
  }
  template <class T>
  void optional_field(std::string_view key, std::optional<T>& value) {
    if (value) field(key, *value);
  }
  template <class F>
  void table(std::string_view key, F f) {
    DocumentWriter inner;
    f(inner);
    put(key, std::move(inner.document));
  }
  template <class T, class F>
  void list(std::string_view key, std::vector<T>& items, F f) {
    DocumentList documents;
    for (T& item : items) {
      DocumentWriter inner;
      f(inner, item);
      documents.push_back(std::move(inner.document));
    }
    if (!documents.empty()) put(key, std::move(documents));
  }
  static constexpr bool kReads = false;

  Document document{DocumentTable{}};

 private:
  void put(std::string_view key, Document value) { document.set(std::string(key), std::move(value)); }
};

}  // namespace bitwright
