#include "core/threads.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/error.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sched.h>
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

/// What is left of one worker's share of a run, as one number that can be claimed from: which run (16 bits), and the chunks
/// [next, end) (24 bits each). What somebody claims late, from a run that has ended, is therefore never taken for another's.
struct Share {
  static constexpr int kBits = 24;
  static constexpr int64_t kMost = (int64_t{1} << kBits) - 1;
  uint64_t word;
  int64_t next() const { return static_cast<int64_t>(word) & kMost; }
  int64_t end() const { return static_cast<int64_t>(word >> kBits) & kMost; }
  uint64_t run() const { return word >> (2 * kBits); }
  bool empty() const { return next() >= end(); }
  Share without_first() const { return {word + 1}; }
  Share without_last() const { return {word - (uint64_t{1} << kBits)}; }
  static Share of(uint64_t run, int64_t next, int64_t end) {
    return {run << (2 * kBits) | static_cast<uint64_t>(end) << kBits | static_cast<uint64_t>(next)};
  }
};

#if defined(__linux__)
using Cores = cpu_set_t;

Cores cores_of_caller() {
  Cores cores;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) CPU_ZERO(&cores);
  return cores;
}

/// The calling thread stays on core number `which` of `cores`, if there are so many.
void stay_on(const Cores& cores, int which) {
  if (CPU_COUNT(&cores) <= which) return;
  int core = 0;
  for (int left = which; !CPU_ISSET(core, &cores) || left-- > 0;) ++core;
  Cores one;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  sched_setaffinity(0, sizeof one, &one);
}

void free_to(const Cores& cores) { sched_setaffinity(0, sizeof cores, &cores); }
int count_of(const Cores& cores) { return CPU_COUNT(&cores); }
#else
struct Cores {};
Cores cores_of_caller() { return {}; }
void stay_on(const Cores&, int) {}
void free_to(const Cores&) {}
int count_of(const Cores&) { return 0; }
#endif

/// On a line of its own: its worker looks at it all the time.
struct alignas(64) Slot {
  std::atomic<uint64_t> share{0};
};

}  // namespace

int Threads::worker() { return worker_index; }

struct PinnedCaller::State {
  Cores cores = cores_of_caller();
};
PinnedCaller::PinnedCaller() : state_(std::make_unique<State>()) { stay_on(state_->cores, 0); }
PinnedCaller::~PinnedCaller() { free_to(state_->cores); }

/// Every worker begins with the same part of the chunks in every run, so that what one step leaves in its caches is what it
/// reads in the next, and then helps the others from the end of theirs.
struct Threads::State {
  std::vector<Slot> slots;
  std::atomic<int64_t> left{0};  // chunks of the current run that are not done
  std::atomic<int> parked{0};
  std::atomic<bool> stop{false}, failed{false};
  FunctionRef<void(int64_t)> body;  // of the current run: whoever holds one of its chunks may read it
  int64_t first = 0;                // what chunk 0 of the current run is to the body
  uint64_t runs = 0;
  std::mutex mutex;
  std::exception_ptr error;
  int looks = kLooks;
  std::vector<std::thread> workers;

  explicit State(int count) : slots(static_cast<size_t>(count)) {}
  void work(size_t me);
  int64_t work_on(Slot& slot, bool mine);
  void execute(int64_t chunk);
  void serve(size_t me);
  void await(size_t me, uint64_t seen);
  void run(int64_t begin, int64_t chunks, FunctionRef<void(int64_t)> what);
  void publish(int64_t chunks);
  void end();
};

void Threads::State::execute(int64_t chunk) {
  try {
    if (!failed.load(std::memory_order_relaxed)) body(first + chunk);
  } catch (...) {
    const std::lock_guard lock(mutex);
    if (!error) error = std::current_exception();
    failed = true;
  }
}

/// Takes chunks from the front of the worker's own share or from the back of another's until none is left; how many.
int64_t Threads::State::work_on(Slot& slot, bool mine) {
  int64_t done = 0;
  for (uint64_t word = slot.share.load();;) {
    const Share share{word};
    if (share.empty()) return done;
    const Share rest = mine ? share.without_first() : share.without_last();
    if (!slot.share.compare_exchange_weak(word, rest.word)) continue;
    execute(mine ? share.next() : rest.end());
    ++done;
    word = slot.share.load();
  }
}

void Threads::State::work(size_t me) {
  for (size_t i = 0; i < slots.size(); ++i) {
    const int64_t done = work_on(slots[(me + i) % slots.size()], i == 0);
    if (done > 0 && left.fetch_sub(done) == done) left.notify_one();
  }
}

/// Returns when the worker's share is of another run than `seen`.
void Threads::State::await(size_t me, uint64_t seen) {
  const auto& share = slots[me].share;
  for (int look = 0; look < looks; ++look, pause())
    if (Share{share.load()}.run() != seen) return;
  ++parked;
  for (uint64_t now = share.load(); Share{now}.run() == seen; now = share.load()) share.wait(now);
  --parked;
}

void Threads::State::serve(size_t me) {
  for (uint64_t seen = 0; !stop;) {
    await(me, seen);
    seen = Share{slots[me].share.load()}.run();
    work(me);
  }
}

void Threads::State::end() {
  stop = true;
  publish(0);
  for (std::thread& worker : workers) worker.join();
}

void Threads::State::publish(int64_t chunks) {
  const auto count = static_cast<int64_t>(slots.size());
  ++runs;
  for (int64_t i = count; i-- > 0;) {
    const Share share = Share::of(runs & 0xffff, i * chunks / count, (i + 1) * chunks / count);
    slots[static_cast<size_t>(i)].share = share.word;
  }
  if (parked.load() == 0) return;
  for (Slot& slot : slots) slot.share.notify_all();
}

void Threads::State::run(int64_t begin, int64_t chunks, FunctionRef<void(int64_t)> what) {
  body = what, first = begin, failed = false;
  left = chunks;
  publish(chunks);
  work(0);
  for (int look = 0; look < looks && left.load() != 0; ++look) pause();
  for (int64_t still = left.load(); still != 0; still = left.load()) left.wait(still);
  if (error) std::rethrow_exception(std::exchange(error, nullptr));
}

Threads::Threads(int count, bool pin)
    : count_(count > 0 ? count : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()))),
      state_(std::make_unique<State>(count_)) {
  if (count_ > static_cast<int>(std::thread::hardware_concurrency())) state_->looks = 0;
  const Cores cores = cores_of_caller();
  pin = pin && count_ <= count_of(cores);
  try {
    for (int i = 1; i < count_; ++i)
      state_->workers.emplace_back([this, i, pin, cores] {
        worker_index = i;
        if (pin) stay_on(cores, i);
        state_->serve(static_cast<size_t>(i));
      });
  } catch (const std::system_error& e) {
    const size_t started = state_->workers.size() + 1;
    state_->end();
    fail(ErrorCode::resource, "only ", started, " of ", count_, " threads can be started: ", e.code().message());
  }
}

Threads::~Threads() { state_->end(); }

void Threads::run(int64_t chunks, FunctionRef<void(int64_t)> body) {
  const AsFirst first;
  if (count_ == 1 || chunks <= 1) {
    for (int64_t i = 0; i < chunks; ++i) body(i);
    return;
  }
  for (int64_t begin = 0; begin < chunks; begin += Share::kMost)
    state_->run(begin, std::min(chunks - begin, Share::kMost), body);
}

}  // namespace bitwright
