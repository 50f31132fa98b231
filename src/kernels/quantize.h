// quantize.h -- rows of floats in any encoding that heed writes.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace heed {

/// f32, f16, bf16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q6_K.
bool can_quantize(DType type) noexcept;

/// Encodes n values of at most 65504 (Q8_0 and floats: any) into dst, n a multiple of the type's block; a type that
/// can_quantize refuses writes nothing. Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1 are bit-equal to the Python `gguf` package; K
/// types come of a least-squares search.
void quantize_row(DType type, const float* src, std::int64_t n, std::byte* dst) noexcept;

/// One super-block of 256 values; see quantize_k.cc.
void quantize_q4_k(const float* x, std::byte* block) noexcept;
void quantize_q5_k(const float* x, std::byte* block) noexcept;
void quantize_q6_k(const float* x, std::byte* block) noexcept;

}  // namespace heed
