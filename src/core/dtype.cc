// dtype.cc -- the table of encodings.
#include "core/dtype.h"

#include <array>

namespace heed {
namespace {
constexpr std::array<DTypeInfo, kDTypes> kInfo = {{
    {"F32", 1, 4},        {"F16", 1, 2},      {"BF16", 1, 2},       {"F64", 1, 8},        {"I8", 1, 1},
    {"I16", 1, 2},        {"I32", 1, 4},      {"I64", 1, 8},        {"Q4_0", 32, 18},     {"Q4_1", 32, 20},
    {"Q5_0", 32, 22},     {"Q5_1", 32, 24},   {"Q8_0", 32, 34},     {"Q2_K", 256, 84},    {"Q3_K", 256, 110},
    {"Q4_K", 256, 144},   {"Q5_K", 256, 176}, {"Q6_K", 256, 210},   {"I4", 2, 1},         {"Q8_1", 32, 36},
    {"Q8_K", 256, 292},   {"IQ4_NL", 32, 18}, {"IQ4_XS", 256, 136}, {"MXFP4", 32, 17},    {"IQ3_S", 256, 110},
    {"IQ3_XXS", 256, 98}, {"IQ2_S", 256, 82}, {"IQ2_XS", 256, 74},  {"IQ2_XXS", 256, 66}, {"IQ1_S", 256, 50},
    {"IQ1_M", 256, 56},   {"TQ1_0", 256, 54}, {"TQ2_0", 256, 66},
}};
}  // namespace

const DTypeInfo& info(DType type) noexcept { return kInfo[static_cast<std::size_t>(type)]; }

}  // namespace heed
