#include "core/threads.hpp"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace bitwright {
namespace {

thread_local int worker_index = 0;

/// The caller of run() is worker 0 of that pool, even when it is a worker of another one.
struct AsFirst {
  int before = std::exchange(worker_index, 0);
  ~AsFirst() { worker_index = before; }
};

}  // namespace

int Threads::worker() { return worker_index; }

struct Threads::State {
  std::mutex mutex;
  std::condition_variable wake, finished;
  uint64_t generation = 0;  // a new one for every run()
  bool stop = false;
  FunctionRef<void(int64_t)> body;
  int64_t chunks = 0;
  std::atomic<int64_t> next{0};
  int busy = 0;
  std::exception_ptr error;
  std::vector<std::thread> workers;

  void work() {
    try {
      for (int64_t i = next.fetch_add(1); i < chunks; i = next.fetch_add(1)) body(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
      next.store(chunks);
    }
  }

  void serve() {
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return stop || generation != seen; });
      if (stop) return;
      seen = generation;
      lock.unlock();
      work();
      lock.lock();
      if (--busy == 0) finished.notify_one();
    }
  }
};

Threads::Threads(int count)
    : count_(count > 0 ? count : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))),
      state_(std::make_unique<State>()) {
  for (int i = 1; i < count_; ++i)
    state_->workers.emplace_back([this, i] {
      worker_index = i;
      state_->serve();
    });
}

Threads::~Threads() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stop = true;
  }
  state_->wake.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void Threads::run(int64_t chunks, FunctionRef<void(int64_t)> body) {
  const AsFirst first;
  if (count_ == 1 || chunks <= 1) {
    for (int64_t i = 0; i < chunks; ++i) body(i);
    return;
  }
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    state.body = body;
    state.chunks = chunks;
    state.next.store(0);
    state.busy = count_ - 1;
    state.error = nullptr;
    ++state.generation;
  }
  state.wake.notify_all();
  state.work();
  std::unique_lock lock(state.mutex);
  state.finished.wait(lock, [&] { return state.busy == 0; });
  if (state.error) std::rethrow_exception(std::exchange(state.error, nullptr));
}

}  // namespace bitwright
