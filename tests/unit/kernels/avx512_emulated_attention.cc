// avx512_emulated_attention.cc -- the AVX-512 attention unit once more, over emulated intrinsics.
#include "tests/unit/kernels/avx512_emulation.h"

#define attention_avx512 attention_avx512_emulated
#include "src/kernels/isa/avx512_attention.cc"
