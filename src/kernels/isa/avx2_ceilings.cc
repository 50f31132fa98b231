// avx2_ceilings.cc -- the ceilings of avx2: no dot-product instruction, bf16 only by widening to f32.
#include "kernels/ceilings.h"

#include "kernels/body/simd_avx2.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

using Vector = __m256i;

inline void maddubs(Vector& sum, Vector a, Vector b) {
  Vector product;
  asm volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(a), "x"(b));
}
inline void madd(Vector& sum, Vector a, Vector b) {
  Vector product;
  asm volatile("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(a), "x"(b));
}
inline void multiply_add(Vector& sum, Vector a, Vector b) {
  asm volatile("vfmadd231ps %2, %1, %0" : "+x"(sum) : "x"(a), "x"(b));
}

#include "kernels/body/ceilings.inl"

constexpr CeilingTable kTable = {{"vpmaddubsw + vpaddw", kChains * 64, chains<maddubs>},
                                 {"vpmaddwd + vpaddd", kChains * 32, chains<madd>},
                                 {"vfmadd231ps (widened)", kChains * 16, chains<multiply_add>},
                                 {"vfmadd231ps", kChains * 16, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_avx2() noexcept { return kTable; }

}  // namespace heed
