// AMX. Instructions are our own text: g++ 12's intrinsics do not tell the compiler that they read and write memory.
#include "kernels/dot/dot_tiles.hpp"
#include "kernels/isa.hpp"
#include "kernels/tile_test.hpp"

namespace bitwright {
namespace {

struct Tiles {
  // Others in this thread (oneDNN) configure tiles too, and release them: nothing is assumed from one call to the next.
  static BW_INLINE void begin() {
    static constexpr TileConfiguration kConfiguration;
    __asm__ volatile("ldtilecfg %0" : : "m"(kConfiguration) : "memory");
  }
  static BW_INLINE void end() { __asm__ volatile("tilerelease" : : : "memory"); }
  template <int t>
  static BW_INLINE void load(const void* p, int64_t stride) {
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(t) : "memory");
  }
  template <int t>
  static BW_INLINE void store(void* p, int64_t stride) {
    __asm__ volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(t) : "memory");
  }
  template <int c, int a, int b>
  static BW_INLINE void dot() {
    __asm__ volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b) : "memory");
  }
  static bool correct() {
    static thread_local const bool passed = request_tiles() && tiles_pass(known_product<Tiles>);
    return passed;
  }
};

}  // namespace

void dot_u8s8_2x2_amx(const DotArgs& d) noexcept { dot_on_tiles<Tiles>(d); }

}  // namespace bitwright
