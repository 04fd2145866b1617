#include "kernels/tile_test.hpp"

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <mutex>

namespace bitwright {
namespace {

std::mutex one_at_a_time;  // the handler belongs to the whole process
struct sigaction former;
thread_local volatile sig_atomic_t testing = 0;
thread_local sigjmp_buf after_fault;

void on_fault(int) {
  if (testing) siglongjmp(after_fault, 1);
  sigaction(SIGILL, &former, nullptr);  // another thread's own: the instruction is repeated and met by the former handler
}

/// 1 or 0 as `correct` says, -1 if it faulted.
int outcome(bool (*correct)() noexcept) noexcept {
  const std::lock_guard lock(one_at_a_time);
  struct sigaction ours {};
  ours.sa_handler = on_fault;
  sigemptyset(&ours.sa_mask);
  if (sigaction(SIGILL, &ours, &former) != 0) return -1;
  volatile int result = -1;
  if (sigsetjmp(after_fault, 1) == 0) {
    testing = 1;
    result = correct();
  }
  testing = 0;
  sigaction(SIGILL, &former, nullptr);
  return result;
}

}  // namespace

bool tiles_pass(bool (*correct)() noexcept) noexcept {
  const int result = outcome(correct);
  static std::atomic<bool> said{false};
  if (result != 1 && !said.exchange(true))
    std::fprintf(stderr, "bitwright: the processor announces AMX, but its tiles %s; AVX-512 is used instead\n",
                 result == 0 ? "multiply wrongly" : "cannot be used");
  return result == 1;
}

}  // namespace bitwright
