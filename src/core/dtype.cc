// dtype.cc -- the table of encodings.
#include "core/dtype.h"

#include <array>

namespace heed {
namespace {
constexpr std::array<DTypeInfo, 19> kInfo = {{
    {"F32", 1, 4},      {"F16", 1, 2},      {"BF16", 1, 2},     {"F64", 1, 8},     {"I8", 1, 1},
    {"I16", 1, 2},      {"I32", 1, 4},      {"I64", 1, 8},      {"Q4_0", 32, 18},  {"Q4_1", 32, 20},
    {"Q5_0", 32, 22},   {"Q5_1", 32, 24},   {"Q8_0", 32, 34},   {"Q2_K", 256, 84}, {"Q3_K", 256, 110},
    {"Q4_K", 256, 144}, {"Q5_K", 256, 176}, {"Q6_K", 256, 210}, {"I4", 2, 1},
}};
}  // namespace

const DTypeInfo& info(DType type) noexcept { return kInfo[static_cast<std::size_t>(type)]; }

}  // namespace heed
