// Kernels of instruction sets that the machine at hand may lack, made to run on it: the same sources on other primitives, with
// no more than AVX-512. Plain declarations, since the files that define them have that instruction set's flags.
#pragma once

#include <cstdint>

#include "kernels/conv/depthwise.hpp"
#include "kernels/dot/dot.hpp"

#if defined(__x86_64__)
namespace bitwright {

/// dot_ymm.hpp and depthwise_lines_ymm.hpp as AVX-VNNI uses them, with AVX-512's encoding of the instruction.
void dot_like_avxvnni(const DotArgs& args) noexcept;
extern const DepthwiseLineKernel lines_like_avxvnni;
/// dot_tiles.hpp on tiles made of memory.
void dot_on_emulated_tiles(const DotArgs& args) noexcept;
/// On tiles that lose a product, or that are an illegal instruction: it must notice and use vectors.
void dot_on_wrong_tiles(const DotArgs& args) noexcept;
void dot_on_missing_tiles(const DotArgs& args) noexcept;
/// Products of tiles so far in this thread.
int64_t emulated_products();

}  // namespace bitwright
#endif
