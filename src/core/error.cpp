#include "core/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace bitwright {

std::string_view name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage: return "usage";
    case ErrorCode::io: return "io";
    case ErrorCode::malformed: return "malformed";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::mismatch: return "mismatch";
    case ErrorCode::numeric: return "numeric";
    case ErrorCode::resource: return "resource";
    case ErrorCode::cancelled: return "cancelled";
  }
  return "unknown";
}

void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "bitwright: internal error: %s does not hold (%s:%d); please report it\n", condition, file, line);
  std::abort();
}

}  // namespace bitwright
