// amx_emulated_matmul.cc -- the AMX matmul unit once more, over emulated intrinsics.
#include "tests/unit/kernels/amx_emulation.h"

#define matmul_avx512 matmul_avx512_emulated
#define matmul_amx matmul_amx_emulated
#include "src/kernels/isa/amx_matmul.cc"
