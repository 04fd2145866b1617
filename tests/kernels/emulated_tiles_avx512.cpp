#include "stand_in_kernels.hpp"

#if defined(__x86_64__)
#include "kernels/dot/dot_tiles.hpp"
#include "kernels/tile_test.hpp"

namespace bitwright {
namespace {

enum class Fault { none, wrong, missing };

thread_local int64_t products = 0;

// Loads and stores touch exactly the bytes that the instructions do; begin() and end() leave nothing in the tiles.
template <Fault fault>
struct Tiles {
  static inline thread_local uint8_t tile[8][16][64];

  static void begin() {
    if (fault == Fault::missing) __asm__ volatile("ud2");
    __builtin_memset(tile, 0, sizeof tile);
  }
  static void end() { __builtin_memset(tile, 0, sizeof tile); }
  template <int t>
  static void load(const void* p, int64_t stride) {
    static_assert(t >= 0 && t < 8);
    for (int64_t r = 0; r < 16; ++r) __builtin_memcpy(tile[t][r], static_cast<const char*>(p) + r * stride, 64);
  }
  template <int t>
  static void store(void* p, int64_t stride) {
    for (int64_t r = 0; r < 16; ++r) __builtin_memcpy(static_cast<char*>(p) + r * stride, tile[t][r], 64);
  }
  template <int c, int a, int b>
  static void dot() {
    static_assert(c != a && a != b && b != c);
    ++products;
    for (int m = 0; m < 16; ++m)
      for (int n = 0; n < 16; ++n) {
        uint32_t sum;
        __builtin_memcpy(&sum, tile[c][m] + 4 * n, 4);
        for (int k = 0; k < (fault == Fault::wrong ? 63 : 64); ++k)
          sum += static_cast<uint32_t>(tile[a][m][k] * static_cast<int8_t>(tile[b][k / 4][4 * n + k % 4]));
        __builtin_memcpy(tile[c][m] + 4 * n, &sum, 4);
      }
  }
  static bool correct() {
    static thread_local const bool passed = tiles_pass(known_product<Tiles>);
    return passed;
  }
};

}  // namespace

void dot_on_emulated_tiles(const DotArgs& d) noexcept { dot_on_tiles<Tiles<Fault::none>>(d); }
void dot_on_wrong_tiles(const DotArgs& d) noexcept { dot_on_tiles<Tiles<Fault::wrong>>(d); }
void dot_on_missing_tiles(const DotArgs& d) noexcept { dot_on_tiles<Tiles<Fault::missing>>(d); }
int64_t emulated_products() { return products; }

}  // namespace bitwright
#endif
