// The AMX kernel's own source on tiles made of memory: exact, slow, and needing no more than AVX-512.
#pragma once

#include "kernels/dot/dot.hpp"

namespace bitwright {

/// Null where there is no such kernel.
DotKernel dot_on_emulated_tiles();
/// The same on tiles that lose a product, or that are an illegal instruction: it must notice and use vectors.
DotKernel dot_on_wrong_tiles();
DotKernel dot_on_missing_tiles();
/// Products of tiles so far in this thread.
int64_t emulated_products();

}  // namespace bitwright
