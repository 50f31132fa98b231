// dtype.h -- how one row of numbers is encoded, block formats included.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace heed {

/// Block formats follow the GGUF specification (names are its names in lower case).
enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  f64,
  i8,
  i16,
  i32,
  i64,
  q4_0,
  q4_1,
  q5_0,
  q5_1,
  q8_0,
  q2_k,
  q3_k,
  q4_k,
  q5_k,
  q6_k,
  i4,  // two values a byte, the first in the low half; not a GGUF type
  q8_1,
  q8_k,
  iq4_nl,
  iq4_xs,
  mxfp4,
  iq3_s,
  iq3_xxs,
  iq2_s,
  iq2_xs,
  iq2_xxs,
  iq1_s,
  iq1_m,
  tq1_0,
  tq2_0,
};
inline constexpr std::size_t kDTypes = 33;

struct DTypeInfo {
  std::string_view name;
  std::int32_t block;        // values per block
  std::int32_t block_bytes;  // bytes per block
};

const DTypeInfo& info(DType type) noexcept;

/// Bytes of a row of `values` numbers; `values` must be a multiple of the block.
inline std::int64_t row_bytes(DType type, std::int64_t values) noexcept {
  const DTypeInfo& i = info(type);
  return values / i.block * i.block_bytes;
}

}  // namespace heed
