// avx512_emulated_matmul.cc -- the AVX-512 matmul unit once more, over emulated intrinsics.
#include "tests/unit/kernels/avx512_emulation.h"

#define matmul_avx512 matmul_avx512_emulated
#include "src/kernels/isa/avx512_matmul.cc"
