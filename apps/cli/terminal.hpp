// Notes and progress on standard error: a bar with the time left on a terminal, few plain lines otherwise. Ctrl-C ends the
// job at its next step through the Sink, so that no partial file stays; a second Ctrl-C ends the program at once.
#pragma once

#include <chrono>
#include <mutex>

#include "core/sink.hpp"

namespace bitwright::cli {

class TerminalSink : public Sink {
 public:
  explicit TerminalSink(bool quiet);
  void note(std::string_view text) override;
  void progress(std::string_view job, int64_t done, int64_t total) override;
  bool cancelled() override;

 private:
  void bar(std::string_view job, int64_t done, int64_t total, double seconds);

  bool quiet_, terminal_;
  std::mutex mutex_;
  std::string job_;
  std::chrono::steady_clock::time_point start_, shown_;
};

/// Removes a bar that stands on the terminal.
void clear_progress();
/// Bold, or the text as it is where standard output is no terminal or NO_COLOR is set.
std::string bold(const std::string& text);

}  // namespace bitwright::cli
