// amx_emulated_attention.cc -- the AMX attention unit once more, over emulated intrinsics.
#include "tests/unit/kernels/amx_emulation.h"

#define attention_amx attention_amx_emulated
#include "src/kernels/isa/amx_attention.cc"
