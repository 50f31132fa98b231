// ceilings.cc -- which ceilings belong to which kernel table.
#include "kernels/ceilings.h"

#include "kernels/isa/ceilings.h"

namespace heed {

const CeilingTable& ceilings_for(const Kernels& kernels) noexcept {
#if defined(__x86_64__)
  const std::string_view name = kernels.name;
  if (name == "avx512bf16") return ceilings_avx512bf16();
  if (name == "avx512") return ceilings_avx512();
  if (name == "avx2") return ceilings_avx2();
#endif
  static_cast<void>(kernels);
  return ceilings_scalar();
}

}  // namespace heed
