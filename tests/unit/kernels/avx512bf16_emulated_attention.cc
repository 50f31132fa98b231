// avx512bf16_emulated_attention.cc -- the unit of bf16 dot products once more, over emulated intrinsics.
#include "tests/unit/kernels/avx512bf16_emulation.h"

#define attention_avx512bf16 attention_avx512bf16_emulated
#include "src/kernels/isa/avx512bf16_attention.cc"
