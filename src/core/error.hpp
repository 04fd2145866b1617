// The one exception type. A message says what was wrong, where (file, node, tensor) and what to do about it.
// Error is for the user's or the model's fault; BW_CHECK aborts for ours.
#pragma once

#include <exception>
#include <string>

#include "core/text.hpp"

namespace bitwright {

enum class ErrorCode { usage, io, malformed, unsupported, mismatch, numeric, resource, cancelled };

std::string_view name_of(ErrorCode code);

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// The same error with `where` put before the message: within("node 'conv1'") gives "node 'conv1': ...".
  Error within(std::string_view where) const { return {code_, str(where, ": ", message_)}; }

 private:
  ErrorCode code_;
  std::string message_;
};

/// Throws Error{code} with the parts joined: fail(ErrorCode::malformed, "tensor '", name, "' has no data").
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, str(parts...));
}

[[noreturn]] void check_failed(const char* condition, const char* file, int line) noexcept;

#define BW_CHECK(condition) \
  ((condition) ? void(0) : ::bitwright::check_failed(#condition, __FILE__, __LINE__))

}  // namespace bitwright
