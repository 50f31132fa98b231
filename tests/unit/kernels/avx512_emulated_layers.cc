// avx512_emulated_layers.cc -- the AVX-512 layers unit once more, over emulated intrinsics.
#include "tests/unit/kernels/avx512_emulation.h"

#define layers_avx512 layers_avx512_emulated
#include "src/kernels/isa/avx512_layers.cc"
