// ceilings.cc -- which ceilings belong to which kernel table.
#include "kernels/ceilings.h"

#include "kernels/isa/ceilings.h"

namespace heed {

const CeilingTable& ceilings_for(const Kernels& kernels) noexcept {
  [[maybe_unused]] const std::string_view name = kernels.name;
#if defined(__x86_64__)
  if (name == "amx") return ceilings_amx();
  if (name == "avx512bf16") return ceilings_avx512bf16();
  if (name == "avx512") return ceilings_avx512();
  if (name == "avxvnni") return ceilings_avxvnni();
  if (name == "avx2") return ceilings_avx2();
#elif defined(__aarch64__)
  if (name == "i8mm") return ceilings_i8mm();
  if (name == "dotprod") return ceilings_dotprod();
  if (name == "neon") return ceilings_neon();
#endif
  return ceilings_scalar();
}

}  // namespace heed
