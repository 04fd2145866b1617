// Where a long job tells what it does: the library never prints. A Sink of the caller receives notes and progress and can
// stop the job, which then ends with Error{cancelled} and leaves no partial file behind.
#pragma once

#include <cstdint>

#include "core/error.hpp"

namespace bitwright {

class Sink {
 public:
  virtual ~Sink() = default;
  /// One line that a user should read.
  virtual void note(std::string_view) {}
  /// `done` of `total` units of `job` are finished; total 0: not known. Called from one thread at a time.
  virtual void progress(std::string_view, int64_t, int64_t) {}
  /// True when the caller wants the job to end soon.
  virtual bool cancelled() { return false; }
};

/// Reports progress and throws Error{cancelled} when the caller asked for it; a null sink is silent.
inline void report_progress(Sink* sink, std::string_view job, int64_t done, int64_t total) {
  if (!sink) return;
  if (sink->cancelled()) fail(ErrorCode::cancelled, job, " was stopped");
  sink->progress(job, done, total);
}
inline void report_note(Sink* sink, std::string_view text) {
  if (sink) sink->note(text);
}

}  // namespace bitwright
