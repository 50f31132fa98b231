// avx512bf16_ceilings.cc -- the ceilings of avx512 with VNNI and bf16 dot products.
#include "kernels/ceilings.h"

#include "kernels/body/ceilings_avx512.h"
#include "kernels/body/simd_avx512.h"
#include "kernels/isa/ceilings.h"

namespace heed {
namespace {

#include "kernels/body/ceilings.inl"

constexpr CeilingTable kTable = {{"vpdpbusd", kChains * 128, chains<dot_bytes>},
                                 {"vpdpwssd", kChains * 64, chains<dot_words>},
                                 {"vdpbf16ps", kChains * 64, chains<dot_pairs>},
                                 {"vfmadd231ps", kChains * 32, chains<multiply_add>},
                                 read_memory};

}  // namespace

const CeilingTable& ceilings_avx512bf16() noexcept { return kTable; }

}  // namespace heed
