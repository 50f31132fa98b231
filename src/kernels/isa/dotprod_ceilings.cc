// dotprod_ceilings.cc -- the ceilings of 64-bit Arm with dot products; bf16 only by widening to f32.
#include "kernels/ceilings.h"

#include "kernels/body/simd_neon.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

using Vector = uint8x16_t;

inline void dot_bytes(Vector& sum, Vector a, Vector b) {
  asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
}
inline void multiply_words(Vector& sum, Vector a, Vector b) {
  asm volatile("smlal %0.4s, %1.4h, %2.4h" : "+w"(sum) : "w"(a), "w"(b));
}
inline void multiply_add(Vector& sum, Vector a, Vector b) {
  asm volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(sum) : "w"(a), "w"(b));
}

#include "kernels/body/ceilings.inl"

constexpr CeilingTable kTable = {{"sdot", kChains * 32, chains<dot_bytes>},
                                 {"smlal", kChains * 8, chains<multiply_words>},
                                 {"fmla (widened)", kChains * 8, chains<multiply_add>},
                                 {"fmla", kChains * 8, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_dotprod() noexcept { return kTable; }

}  // namespace heed
