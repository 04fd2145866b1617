#include "terminal.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "core/utf8.hpp"

namespace bitwright::cli {
namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free);
bool g_bar_shown = false;

void on_interrupt(int) {
  if (g_interrupted.exchange(true)) _exit(130);
}

double seconds_between(std::chrono::steady_clock::time_point a, std::chrono::steady_clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

std::string time_text(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (whole < 60) return str(whole, " s");
  return str(whole / 60, " min ", whole % 60, " s");
}

}  // namespace

TerminalSink::TerminalSink(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that grows beyond the limit is an error of write()
}

bool TerminalSink::cancelled() { return g_interrupted; }

void TerminalSink::note(std::string_view text) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  clear_progress();
  std::fprintf(stderr, "note: %s\n", one_line(text).c_str());
}

void TerminalSink::progress(std::string_view job, int64_t done, int64_t total) {
  if (quiet_) return;
  const std::lock_guard lock(mutex_);
  const auto now = std::chrono::steady_clock::now();
  if (job != job_ || done == 0) {
    job_ = std::string(job);
    start_ = shown_ = now;
  }
  const bool last = total > 0 && done >= total;
  if (terminal_ && last) return clear_progress();
  const double pause = terminal_ ? 0.1 : 10;  // a log gets a line every ten seconds
  if (last || seconds_between(shown_, now) < pause) return;
  shown_ = now;
  bar(job, done, total, seconds_between(start_, now));
}

void TerminalSink::bar(std::string_view job, int64_t done, int64_t total, double seconds) {
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  const std::string left = share > 0.02 ? ", " + time_text(seconds / share * (1 - share)) + " left" : "";
  const std::string percent = total > 0 ? str(static_cast<int>(share * 100), " %") : str(done);
  if (!terminal_) {
    std::fprintf(stderr, "%.*s: %s%s\n", static_cast<int>(job.size()), job.data(), percent.c_str(), left.c_str());
    return;
  }
  constexpr size_t kWidth = 30;
  const auto filled = static_cast<size_t>(share * kWidth);
  const std::string text = std::string(filled, '#') + std::string(kWidth - filled, '.');
  std::fprintf(stderr, "\r\033[K%.*s [%s] %s%s", static_cast<int>(job.size()), job.data(), text.c_str(), percent.c_str(),
               left.c_str());
  std::fflush(stderr);
  g_bar_shown = true;
}

void clear_progress() {
  if (!g_bar_shown) return;
  std::fputs("\r\033[K", stderr);
  g_bar_shown = false;
}

std::string bold(const std::string& text) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool plain = !isatty(STDOUT_FILENO) || (no_color && *no_color);
  return plain ? text : "\033[1m" + text + "\033[0m";
}

}  // namespace bitwright::cli
