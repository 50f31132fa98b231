// cpu.h -- what this processor can do, asked once.
#pragma once
#include <cstdint>
#include <string>

namespace heed {

struct CpuFeatures {
  bool avx2 = false;  // AVX2 + FMA + F16C
  bool avx_vnni = false;
  bool avx512 = false;  // F BW DQ VL VNNI
  bool avx512_bf16 = false;
  bool amx = false;      // tiles and their int8 and bf16 products, beside avx512_bf16
  bool neon = false;     // any 64-bit Arm
  bool dotprod = false;  // sdot (Armv8.2)
  bool i8mm = false;     // smmla, usdot (Armv8.6), beside dotprod
};

/// The words x86 processors describe themselves with, and the registers that the system saves.
struct X86Words {
  std::uint32_t leaf1_ecx = 0;
  std::uint32_t leaf7_ebx = 0, leaf7_ecx = 0, leaf7_edx = 0;
  std::uint32_t leaf7_1_eax = 0;
  std::uint64_t xcr0 = 0;
};
/// The words Linux describes 64-bit Arm processors with: AT_HWCAP and AT_HWCAP2.
struct ArmWords {
  std::uint64_t hwcap = 0, hwcap2 = 0;
};
CpuFeatures features_of(const X86Words& words) noexcept;
CpuFeatures features_of(const ArmWords& words) noexcept;

/// Of this processor. Asks the system for the tile registers where they exist: they need a process' explicit wish.
const CpuFeatures& cpu_features() noexcept;
/// The marketing name, for benchmark lines ("AMD EPYC ..."); on Arm the numbers of its maker and part; "unknown" when
/// the system does not say.
std::string cpu_name();
/// Likewise, from the text of /proc/cpuinfo.
std::string cpu_name_in(const std::string& cpuinfo);

}  // namespace heed
