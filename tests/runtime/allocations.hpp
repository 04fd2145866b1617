// Counts what operator new hands out in this test program.
#pragma once

#include <cstdint>

namespace bitwright {

int64_t allocations();
int64_t allocated_bytes();

}  // namespace bitwright
