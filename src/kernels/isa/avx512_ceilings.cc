// avx512_ceilings.cc -- the ceilings of avx512 with VNNI; bf16 only by widening to f32.
#include "kernels/ceilings.h"

#include "kernels/body/ceilings_avx512.h"
#include "kernels/body/simd_avx512.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

#include "kernels/body/ceilings.inl"

constexpr CeilingTable kTable = {{"vpdpbusd", kChains * 128, chains<dot_bytes>},
                                 {"vpdpwssd", kChains * 64, chains<dot_words>},
                                 {"vfmadd231ps (widened)", kChains * 32, chains<multiply_add>},
                                 {"vfmadd231ps", kChains * 32, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_avx512() noexcept { return kTable; }

}  // namespace heed
