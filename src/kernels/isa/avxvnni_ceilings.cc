// avxvnni_ceilings.cc -- the ceilings of avx2 with 256-bit dot products; bf16 only by widening to f32.
#include "kernels/ceilings.h"

#include "kernels/body/simd_avx2.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

using Vector = __m256i;

inline void dot_bytes(Vector& sum, Vector a, Vector b) {
  asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
}
inline void dot_words(Vector& sum, Vector a, Vector b) {
  asm volatile("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
}
inline void multiply_add(Vector& sum, Vector a, Vector b) {
  asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
}

#include "kernels/body/ceilings.inl"

constexpr CeilingTable kTable = {{"vpdpbusd", kChains * 64, chains<dot_bytes>},
                                 {"vpdpwssd", kChains * 32, chains<dot_words>},
                                 {"vfmadd231ps (widened)", kChains * 16, chains<multiply_add>},
                                 {"vfmadd231ps", kChains * 16, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_avxvnni() noexcept { return kTable; }

}  // namespace heed
