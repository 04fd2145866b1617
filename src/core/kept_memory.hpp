// Memory that stays as it is as long as its owner lives: packed weights, arenas. Where the system offers pages of 2 MB it is
// asked for them, as far as they are filled to the end: passing over 25 MB of weights then takes 12 translations of addresses
// instead of 6400.
#pragma once

#include "core/tensor.hpp"

namespace bitwright {

/// Tensor(type, shape), in huge pages but for what is left over.
Tensor in_huge_pages(DType type, Shape shape);

/// Copies of tensors one behind the other in few large blocks; a block lives as long as a tensor in it.
class KeptMemory {
 public:
  /// So many bytes will be kept in all, or more: as many go to huge pages.
  void expect(size_t bytes) { expected_ = bytes; }
  /// The same contents, 64-byte aligned; the tensor itself where no memory can be had.
  Tensor keep(const Tensor& tensor);
  /// What of huge pages no tensor took goes back.
  void trim() noexcept;

 private:
  std::shared_ptr<void> block_;
  size_t used_ = 0, size_ = 0, expected_ = 0;
};

}  // namespace bitwright
