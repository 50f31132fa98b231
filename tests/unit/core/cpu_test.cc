// cpu_test.cc -- which instruction sets a processor's own words stand for, processor by processor.
#include "core/cpu.h"

#include <gtest/gtest.h>

#include <string>

namespace heed {
namespace {

constexpr std::uint32_t bits(std::initializer_list<int> which) {
  std::uint32_t word = 0;
  for (const int bit : which) word |= std::uint32_t{1} << bit;
  return word;
}

std::string names(const CpuFeatures& f) {
  std::string out;
  const auto add = [&](bool has, const char* name) { out += has ? std::string(out.empty() ? "" : " ") + name : ""; };
  add(f.avx2, "avx2");
  add(f.avx_vnni, "avx_vnni");
  add(f.avx512, "avx512");
  add(f.avx512_bf16, "avx512_bf16");
  add(f.amx, "amx");
  add(f.neon, "neon");
  add(f.dotprod, "dotprod");
  add(f.i8mm, "i8mm");
  return out;
}

// The words' bits that matter here, as the makers' manuals number them.
constexpr std::uint32_t kLeaf1 = bits({12, 27, 28, 29});  // FMA, OSXSAVE, AVX, F16C
constexpr std::uint32_t kAvx2 = bits({5});
constexpr std::uint32_t kSkylakeX = bits({5, 16, 17, 28, 30, 31});  // AVX2, F, DQ, CD, BW, VL
constexpr std::uint32_t kVnni = bits({11});
constexpr std::uint32_t kAmx = bits({22, 24, 25});  // BF16, TILE, INT8
constexpr std::uint64_t kYmm = 0x7, kZmm = 0xe7, kTiles = 0x600e7;

struct X86Row {
  const char* processor;
  X86Words words;
  const char* features;
};

TEST(Cpu, KnowsX86Processors) {
  const X86Row rows[] = {
      {"Nehalem", {.leaf1_ecx = 0, .xcr0 = 0x3}, ""},
      {"Sandy Bridge", {.leaf1_ecx = bits({27, 28}), .xcr0 = kYmm}, ""},
      {"Haswell", {kLeaf1, kAvx2, 0, 0, 0, kYmm}, "avx2"},
      {"Haswell, a system that does not save ymm", {kLeaf1, kAvx2, 0, 0, 0, 0x3}, ""},
      {"Haswell, a system that saves nothing", {kLeaf1 & ~bits({27}), kAvx2, 0, 0, 0, kYmm}, ""},
      {"Zen 3", {kLeaf1, kAvx2, 0, 0, 0, kYmm}, "avx2"},
      {"Skylake-X: AVX-512 without VNNI", {kLeaf1, kSkylakeX, 0, 0, 0, kZmm}, "avx2"},
      {"Cascade Lake", {kLeaf1, kSkylakeX, kVnni, 0, 0, kZmm}, "avx2 avx512"},
      {"Cascade Lake, zmm switched off", {kLeaf1, kSkylakeX, kVnni, 0, 0, kYmm}, "avx2"},
      {"Knights Mill: no BW, DQ, VL", {kLeaf1, bits({5, 16, 28}), kVnni, 0, 0, kZmm}, "avx2"},
      {"Cooper Lake, Zen 4", {kLeaf1, kSkylakeX, kVnni, 0, bits({5}), kZmm}, "avx2 avx512 avx512_bf16"},
      {"Alder Lake", {kLeaf1, kAvx2, 0, 0, bits({4}), kYmm}, "avx2 avx_vnni"},
      {"Zen 5", {kLeaf1, kSkylakeX, kVnni, 0, bits({4, 5}), kZmm}, "avx2 avx_vnni avx512 avx512_bf16"},
      {"Sapphire Rapids",
       {kLeaf1, kSkylakeX, kVnni, kAmx, bits({4, 5}), kTiles},
       "avx2 avx_vnni avx512 avx512_bf16 amx"},
      {"Sapphire Rapids, a system without tiles",
       {kLeaf1, kSkylakeX, kVnni, kAmx, bits({4, 5}), kZmm},
       "avx2 avx_vnni avx512 avx512_bf16"},
      {"a machine that hides tile int8",
       {kLeaf1, kSkylakeX, kVnni, bits({22, 24}), bits({4, 5}), kTiles},
       "avx2 avx_vnni avx512 avx512_bf16"},
      {"a machine that hides tile bf16",
       {kLeaf1, kSkylakeX, kVnni, bits({24, 25}), bits({4, 5}), kTiles},
       "avx2 avx_vnni avx512 avx512_bf16"},
  };
  for (const X86Row& row : rows) EXPECT_EQ(names(features_of(row.words)), row.features) << row.processor;
}

TEST(Cpu, KnowsArmProcessors) {
  // HWCAP: FP 0, ASIMD 1, FPHP 9, ASIMDHP 10, ASIMDDP 20. HWCAP2: I8MM 13, BF16 14.
  EXPECT_EQ(names(features_of(ArmWords{bits({0, 1}), 0})), "neon") << "Cortex-A72";
  EXPECT_EQ(names(features_of(ArmWords{bits({0, 1, 9, 10, 20}), 0})), "neon dotprod") << "Neoverse N1";
  EXPECT_EQ(names(features_of(ArmWords{bits({0, 1, 9, 10, 20}), bits({13, 14})})), "neon dotprod i8mm")
      << "Neoverse V1";
  EXPECT_EQ(names(features_of(ArmWords{bits({0}), bits({13})})), "") << "no vectors";
}

TEST(Cpu, FeaturesAreThoseOfOneFamily) {
  const CpuFeatures& f = cpu_features();
  EXPECT_FALSE(f.avx2 && f.neon);
#if defined(__x86_64__)  // the compiler's own reading of the same words
  __builtin_cpu_init();
  EXPECT_EQ(f.avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"));
  EXPECT_EQ(f.avx512, f.avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni"));
#elif defined(__aarch64__)
  EXPECT_TRUE(f.neon);
#endif
}

TEST(Cpu, NamesTheProcessor) {
  EXPECT_EQ(cpu_name_in("processor\t: 0\nmodel name\t: AMD EPYC 7763 64-Core Processor\nmodel name\t: other\n"),
            "AMD EPYC 7763 64-Core Processor");
  EXPECT_EQ(cpu_name_in("processor\t: 0\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd40\n"),
            "Arm 0x41 0xd40");
  EXPECT_EQ(cpu_name_in(""), "unknown");
  EXPECT_EQ(cpu_name_in("model name\n"), "unknown");
}

}  // namespace
}  // namespace heed
