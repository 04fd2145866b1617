#include "core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace bitwright {
namespace {

thread_local int worker_index = 0;

/// The caller of run() is worker 0 of that pool, even when it is a worker of another one.
struct AsFirst {
  int before = std::exchange(worker_index, 0);
  ~AsFirst() { worker_index = before; }
};

void pause() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

/// The runs of one network follow each other within microseconds: a worker looks out for the next one so many times
/// (some 50 to 100 microseconds) before it parks, which costs as much to undo. None where threads outnumber cores.
constexpr int kLooks = 2000;

/// One number says all that claiming a chunk needs: which run (16 bits), how many chunks it has and how many of them are
/// taken (24 bits each). What a worker claims late, from a run that has ended, is therefore never taken for another's.
struct Ticket {
  static constexpr int kBits = 24;
  static constexpr int64_t kMost = (int64_t{1} << kBits) - 1;
  uint64_t word;
  int64_t taken() const { return static_cast<int64_t>(word) & kMost; }
  int64_t chunks() const { return static_cast<int64_t>(word >> kBits) & kMost; }
  uint64_t run() const { return word >> (2 * kBits); }
  static Ticket first(uint64_t run, int64_t chunks) { return {run << (2 * kBits) | static_cast<uint64_t>(chunks) << kBits}; }
};

}  // namespace

int Threads::worker() { return worker_index; }

struct Threads::State {
  std::atomic<uint64_t> ticket{0};
  std::atomic<int64_t> left{0};  // chunks of the current run that are not done
  std::atomic<int> parked{0};
  std::atomic<bool> stop{false}, failed{false};
  FunctionRef<void(int64_t)> body;  // of the current run: whoever holds one of its chunks may read it
  int64_t first = 0;                // what chunk 0 of the current run is to the body
  std::mutex mutex;
  std::exception_ptr error;
  int looks = kLooks;
  std::vector<std::thread> workers;

  void work(uint64_t seen);
  void execute(int64_t chunk);
  void serve();
  uint64_t await(uint64_t seen);
  void run(int64_t begin, int64_t chunks, FunctionRef<void(int64_t)> what);
};

void Threads::State::execute(int64_t chunk) {
  try {
    if (!failed.load(std::memory_order_relaxed)) body(first + chunk);
  } catch (...) {
    const std::lock_guard lock(mutex);
    if (!error) error = std::current_exception();
    failed = true;
  }
  if (left.fetch_sub(1) == 1) left.notify_one();
}

/// Takes chunks until none is left. A word that shows a full run is not touched, so that `taken` cannot grow into `chunks`.
void Threads::State::work(uint64_t word) {
  for (;;) {
    const Ticket t{word};
    if (t.taken() >= t.chunks()) return;
    if (!ticket.compare_exchange_weak(word, word + 1)) continue;
    execute(t.taken());
    word = ticket.load();
  }
}

uint64_t Threads::State::await(uint64_t seen) {
  for (int look = 0; look < looks; ++look, pause())
    if (const uint64_t now = ticket.load(); Ticket{now}.run() != Ticket{seen}.run()) return now;
  ++parked;
  uint64_t now = ticket.load();
  while (Ticket{now}.run() == Ticket{seen}.run()) {
    ticket.wait(now);
    now = ticket.load();
  }
  --parked;
  return now;
}

void Threads::State::serve() {
  for (uint64_t seen = 0; !stop;) {
    seen = await(seen);
    work(seen);
  }
}

void Threads::State::run(int64_t begin, int64_t chunks, FunctionRef<void(int64_t)> what) {
  body = what, first = begin, failed = false;
  left = chunks;
  const Ticket next = Ticket::first(Ticket{ticket.load()}.run() + 1, chunks);
  ticket = next.word;
  if (parked.load() > 0) ticket.notify_all();
  work(next.word);
  for (int look = 0; look < looks && left.load() != 0; ++look) pause();
  for (int64_t still = left.load(); still != 0; still = left.load()) left.wait(still);
  if (error) std::rethrow_exception(std::exchange(error, nullptr));
}

Threads::Threads(int count)
    : count_(count > 0 ? count : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))),
      state_(std::make_unique<State>()) {
  if (count_ > static_cast<int>(std::thread::hardware_concurrency())) state_->looks = 0;
  for (int i = 1; i < count_; ++i)
    state_->workers.emplace_back([this, i] {
      worker_index = i;
      state_->serve();
    });
}

Threads::~Threads() {
  state_->stop = true;
  state_->ticket = Ticket::first(Ticket{state_->ticket.load()}.run() + 1, 0).word;
  state_->ticket.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

void Threads::run(int64_t chunks, FunctionRef<void(int64_t)> body) {
  const AsFirst first;
  if (count_ == 1 || chunks <= 1) {
    for (int64_t i = 0; i < chunks; ++i) body(i);
    return;
  }
  for (int64_t begin = 0; begin < chunks; begin += Ticket::kMost)
    state_->run(begin, std::min(chunks - begin, Ticket::kMost), body);
}

}  // namespace bitwright
