// An inline function that may be taken for the whole program.
#include <cstdint>

inline __attribute__((noinline)) int32_t twice(int32_t x) { return 2 * x; }
int32_t user(int32_t x);
int32_t user(int32_t x) { return twice(x); }
