// ceilings.h -- one table of ceilings an instruction set; kernels/ceilings.cc picks among them.
#pragma once
#include "kernels/body/read_ahead.h"

namespace heed {

struct CeilingTable;

const CeilingTable& ceilings_scalar() noexcept;
#if defined(__x86_64__)
const CeilingTable& ceilings_avx2() noexcept;
const CeilingTable& ceilings_avx512() noexcept;
const CeilingTable& ceilings_avx512bf16() noexcept;
const CeilingTable& ceilings_avxvnni() noexcept;
const CeilingTable& ceilings_amx() noexcept;
#elif defined(__aarch64__)
const CeilingTable& ceilings_neon() noexcept;
const CeilingTable& ceilings_dotprod() noexcept;
const CeilingTable& ceilings_i8mm() noexcept;
#endif

}  // namespace heed
