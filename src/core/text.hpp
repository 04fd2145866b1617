// Small text helpers. g++ 12 has no std::format; str() is all that messages need.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace bitwright {

void append(std::string& out, std::string_view text);
void append(std::string& out, char c);
void append(std::string& out, long long value);
void append(std::string& out, unsigned long long value);
void append(std::string& out, double value);  // shortest form that reads back to the same double
void append(std::string& out, float value);   // shortest form that reads back to the same float

template <class T>
void append_any(std::string& out, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    append(out, std::string_view(value ? "true" : "false"));
  } else if constexpr (std::is_same_v<T, char>) {
    append(out, value);
  } else if constexpr (std::is_floating_point_v<T>) {
    append(out, value);
  } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
    append(out, static_cast<long long>(value));
  } else if constexpr (std::is_integral_v<T>) {
    append(out, static_cast<unsigned long long>(value));
  } else {
    append(out, std::string_view(value));
  }
}

/// The parts joined: str("got ", 3, " of ", name).
template <class... Parts>
std::string str(const Parts&... parts) {
  std::string out;
  (append_any(out, parts), ...);
  return out;
}

std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
/// Bytes as people read them: 423146 -> "423.1 kB".
std::string human_bytes(double bytes);
/// The candidate with the least edit distance to `word`, for "did you mean ..."; empty when none is near.
std::string nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace bitwright
