// cpu.h -- what this processor can do, asked once.
#pragma once
#include <string>

namespace heed {

struct CpuFeatures {
  bool avx2 = false;  // AVX2 + FMA + F16C
  bool avx_vnni = false;
  bool avx512 = false;  // F BW DQ VL VNNI
  bool avx512_bf16 = false;
  bool amx_int8 = false;
};

const CpuFeatures& cpu_features() noexcept;
/// The marketing name, for benchmark lines ("AMD EPYC ..."); "unknown" when the system does not say.
std::string cpu_name();

}  // namespace heed
