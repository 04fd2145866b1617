// A small pool of threads. Work is cut by the caller into chunks fixed by shape, never by the number of threads, so that
// results do not depend on it.
#pragma once

#include <cstdint>
#include <memory>

#include "core/function_ref.hpp"

namespace bitwright {

class Threads {
 public:
  /// `count` workers including the caller; 0 = one per core of this machine. `pin`: where there is a core for each, every
  /// worker but the caller stays on one of its own, the caller's first one left free (Linux; else ignored).
  explicit Threads(int count = 1, bool pin = false);
  ~Threads();
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  int count() const { return count_; }
  /// Which worker the calling thread is, in [0, count): for scratch memory. 0 outside run().
  static int worker();
  /// Calls body(chunk) for every chunk in [0, chunks), in any order, from several threads; returns when all are done.
  /// An exception thrown by a body is rethrown here (the first one).
  void run(int64_t chunks, FunctionRef<void(int64_t)> body);

 private:
  struct State;
  int count_;
  std::unique_ptr<State> state_;
};

/// Keeps the calling thread on the first of its cores as long as this lives: what a pinned pool leaves to its caller.
class PinnedCaller {
 public:
  PinnedCaller();
  ~PinnedCaller();
  PinnedCaller(const PinnedCaller&) = delete;
  PinnedCaller& operator=(const PinnedCaller&) = delete;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitwright
