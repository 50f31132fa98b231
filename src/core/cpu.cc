// cpu.cc -- the processor's own description, read once: cpuid and xgetbv (Intel SDM, volume 2, CPUID), or Linux' hwcap.
#include "core/cpu.h"

#include <fstream>
#include <sstream>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace heed {
namespace {

constexpr bool has(std::uint64_t word, std::initializer_list<int> bits) {
  for (const int bit : bits)
    if ((word >> bit & 1) == 0) return false;
  return true;
}

#if defined(__x86_64__)
X86Words read_words() noexcept {
  constexpr int kSystemSavesRegisters = 27;
  X86Words words;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return words;
  words.leaf1_ecx = c;
  if (has(c, {kSystemSavesRegisters})) {
    std::uint32_t low = 0, high = 0;
    asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    words.xcr0 = std::uint64_t{high} << 32 | low;
  }
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
    words.leaf7_ebx = b, words.leaf7_ecx = c, words.leaf7_edx = d;
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) words.leaf7_1_eax = a;
  }
  return words;
}

// Linux hands out the 8 KiB of tile registers on request only (Documentation/arch/x86/xstate.rst).
bool may_use_tiles() noexcept {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

CpuFeatures detect() noexcept {
  CpuFeatures f = features_of(read_words());
  f.amx = f.amx && may_use_tiles();
  return f;
}
#elif defined(__aarch64__)
CpuFeatures detect() noexcept { return features_of(ArmWords{getauxval(AT_HWCAP), getauxval(AT_HWCAP2)}); }
#else
CpuFeatures detect() noexcept { return {}; }
#endif

// The value of the first line that begins with `key`, or nothing.
std::string value_of(const std::string& cpuinfo, const std::string& key) {
  std::istringstream in(cpuinfo);
  for (std::string line; std::getline(in, line);)
    if (line.rfind(key, 0) == 0)
      if (const auto colon = line.find(": "); colon != std::string::npos) return line.substr(colon + 2);
  return {};
}

}  // namespace

CpuFeatures features_of(const X86Words& w) noexcept {
  constexpr int kFma = 12, kOsSaves = 27, kAvx = 28, kF16c = 29;            // leaf 1, ecx
  constexpr int kAvx2 = 5, kF = 16, kDq = 17, kBw = 30, kVl = 31;           // leaf 7, ebx
  constexpr int kVnni = 11;                                                 // leaf 7, ecx
  constexpr int kAmxBf16 = 22, kAmxTile = 24, kAmxInt8 = 25;                // leaf 7, edx
  constexpr int kAvxVnni = 4, kBf16 = 5;                                    // leaf 7.1, eax
  constexpr int kXmm = 1, kYmm = 2, kMasks = 5, kZmmLow = 6, kZmmHigh = 7;  // xcr0
  constexpr int kTileConfig = 17, kTileData = 18;                           // xcr0
  CpuFeatures f;
  f.avx2 = has(w.leaf1_ecx, {kFma, kOsSaves, kAvx, kF16c}) && has(w.xcr0, {kXmm, kYmm}) && has(w.leaf7_ebx, {kAvx2});
  f.avx_vnni = f.avx2 && has(w.leaf7_1_eax, {kAvxVnni});
  // Without VNNI (Skylake-X) there is no dot product of bytes, and the AVX2 unit is the better one.
  f.avx512 = f.avx2 && has(w.xcr0, {kMasks, kZmmLow, kZmmHigh}) && has(w.leaf7_ebx, {kF, kDq, kBw, kVl}) &&
             has(w.leaf7_ecx, {kVnni});
  f.avx512_bf16 = f.avx512 && has(w.leaf7_1_eax, {kBf16});
  f.amx = f.avx512_bf16 && has(w.leaf7_edx, {kAmxBf16, kAmxTile, kAmxInt8}) && has(w.xcr0, {kTileConfig, kTileData});
  return f;
}

CpuFeatures features_of(const ArmWords& w) noexcept {
  constexpr int kAdvancedSimd = 1, kDotProduct = 20;  // Linux, arch/arm64: HWCAP_ASIMD, HWCAP_ASIMDDP
  constexpr int kMatrixInt8 = 13;                     // HWCAP2_I8MM
  CpuFeatures f;
  f.neon = has(w.hwcap, {kAdvancedSimd});
  f.dotprod = f.neon && has(w.hwcap, {kDotProduct});
  f.i8mm = f.dotprod && has(w.hwcap2, {kMatrixInt8});
  return f;
}

const CpuFeatures& cpu_features() noexcept {
  static const CpuFeatures features = detect();
  return features;
}

std::string cpu_name_in(const std::string& cpuinfo) {
  if (const std::string name = value_of(cpuinfo, "model name"); !name.empty()) return name;
  const std::string maker = value_of(cpuinfo, "CPU implementer"), part = value_of(cpuinfo, "CPU part");
  return maker.empty() || part.empty() ? "unknown" : "Arm " + maker + " " + part;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  std::ostringstream text;
  text << in.rdbuf();
  return cpu_name_in(text.str());
}

}  // namespace heed
