// ceilings.h -- what an instruction set can do at most: loops of one kind of arithmetic in registers, and of reads.
// Benchmarks divide by what these measure.
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/kernels.h"

namespace heed {

/// Independent chains of the fastest instructions for a pair of operands; nothing is loaded or stored.
struct Ceiling {
  const char* instructions = "";
  double operations = 0;  // of one round; a multiply-add is two
  void (*run)(std::int64_t rounds) = nullptr;
};

struct CeilingTable {
  Ceiling int8;                                               // u8 x s8, summed in 16 or 32 bits
  Ceiling int16;                                              // s16 x s16, summed in 32 bits
  Ceiling bf16;                                               // bf16 x bf16, summed in f32
  Ceiling f32;                                                // fused multiply-add
  std::uint64_t (*read)(const std::byte* p, std::int64_t n);  // n a multiple of 512; returns what keeps it alive
};

/// The ceilings of what a kernel table is compiled for.
const CeilingTable& ceilings_for(const Kernels& kernels) noexcept;

}  // namespace heed
