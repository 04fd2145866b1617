// A Plan: a flat list of steps over numbered buffers. Buffers are constants, the caller's inputs, places in one arena, parts of
// such places, the Run's memory for the next step's state, or (only after an operator whose output shape depends on data)
// memory made during the run. Inside the runtime only.
#pragma once

#include <map>

#include "core/kept_memory.hpp"
#include "runtime/cut.hpp"
#include "runtime/program.hpp"

namespace bitwright {

using BufferId = int32_t;
constexpr BufferId kNoBuffer = -1;

struct Buffer {
  enum Kind : uint8_t { arena, alias, constant, input, state, made };
  Kind kind = arena;
  Tensor tensor;        // constant: the data; arena, alias, input, state: type and shape; made: empty
  int64_t offset = 0;   // bytes in the arena; of an alias: in its root
  BufferId root = kNoBuffer;  // of an alias: the arena buffer whose memory it shares
  int32_t first = -1, last = -1;  // steps that write and last read it
};

/// What a step sees while it runs.
class StepContext {
 public:
  StepContext(std::vector<Tensor>& tensors, Threads& threads, const Tap& tap) : tensors_(tensors), threads_(threads), tap_(tap) {}
  /// Memory of the step that runs next: `stride` bytes for each worker.
  void set_scratch(std::byte* scratch, int64_t stride) { scratch_ = scratch, scratch_stride_ = stride; }

  Tensor& at(BufferId id) { return tensors_[static_cast<size_t>(id)]; }
  Threads& threads() { return threads_; }
  const Tap& tap() const { return tap_; }
  /// Step::scratch_bytes of memory for chunk-local use by the calling worker.
  std::byte* scratch(int64_t worker) { return scratch_ + worker * scratch_stride_; }
  /// body(begin, end, scratch) over rows [0, count) in pieces of `grain` rows, whatever the number of threads.
  void rows(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t, std::byte*)> body);
  /// The same in even pieces of at least `least` rows, as many as the threads want: for steps that give the same results
  /// however they are cut.
  void spread(int64_t count, int64_t least, FunctionRef<void(int64_t, int64_t, std::byte*)> body);
  /// body(piece, scratch) over a product's rows and panels of columns. For exact integers only: the cut follows the number
  /// of threads.
  void pieces(const ProductSize& size, FunctionRef<void(const Piece&, std::byte*)> body);

 private:
  std::vector<Tensor>& tensors_;
  Threads& threads_;
  const Tap& tap_;
  std::byte* scratch_ = nullptr;
  int64_t scratch_stride_ = 0;
};

class Step {
 public:
  virtual ~Step() = default;
  virtual void run(StepContext& context) const = 0;

  StepInfo info;
  std::vector<BufferId> reads, writes;
  int64_t scratch_bytes = 0;  // per worker
  int64_t constant_bytes = 0;  // packed weights it owns
  /// A step that `can_stride` writes the rows (pixels, channels last) of writes[0] that many elements from each other where
  /// this is not 0: into its part of a wider buffer.
  bool can_stride = false;
  int64_t row_stride = 0;
  /// Operands (of `reads`) that may lie where writes[0] lies: each element is read before it is written.
  std::vector<size_t> in_place;
};

class Plan {
 public:
  std::vector<Buffer> buffers;
  std::vector<std::unique_ptr<Step>> steps;
  std::vector<BufferId> inputs, outputs;  // as the graph's, state included
  int64_t arena_bytes = 0;
  bool dynamic = false;       // some buffer is `made`

  BufferId add_buffer(Buffer::Kind kind, Tensor tensor);
};

/// What plans of one Program have in common (packed weights, tables), by node and purpose; see Lowering::shared.
struct SharedConstants {
  std::map<std::pair<NodeId, std::string>, std::shared_ptr<const void>> made;
  KeptMemory memory;  // of the weights among them
};

/// Gives every arena buffer its offset: largest first, at the lowest place free during its life; what may be computed in place
/// becomes an alias of its operand. Sets arena_bytes.
void place_buffers(Plan& plan);
/// From the scratch of one worker to that of the next.
inline int64_t scratch_stride(const Step& step) { return (step.scratch_bytes + 63) / 64 * 64; }
/// Where each step's scratch for so many workers lies: in a part of the arena that holds nothing during the step, or behind the
/// arena, of which `bytes` then becomes the larger.
std::vector<int64_t> place_scratch(const Plan& plan, int64_t workers, int64_t& bytes);
/// The most bytes that are alive at once, which no arena can be smaller than. After place_buffers.
int64_t largest_live_set(const Plan& plan);

}  // namespace bitwright
