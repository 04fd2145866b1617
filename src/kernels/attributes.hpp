// What kernel files tell the compiler. GCC clones a kernel for constant arguments and then spills its tile (half the
// speed): kernels are closed to inter-procedural analysis, and their files are compiled with -O2.
#pragma once

#if defined(__clang__)
#define BW_NOIPA __attribute__((noinline))
#define BW_UNROLL _Pragma("unroll")
#else
#define BW_NOIPA __attribute__((noipa))
#define BW_UNROLL _Pragma("GCC unroll 16")
#endif
#define BW_INLINE inline __attribute__((always_inline))
#define BW_INLINE_LAMBDA __attribute__((always_inline))
/// The compiler must read memory anew, and so keeps nothing that could be read again in a register.
#define BW_FORGET() __asm__ volatile("" : : : "memory")
