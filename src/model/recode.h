// recode.h -- a tensor's rows as they have to be: in GGUF's order, in another encoding.
#pragma once
#include <cstdint>

#include "core/expected.h"
#include "core/memory.h"
#include "core/thread_pool.h"
#include "formats/model_file.h"

namespace heed {

/// Rows [first, first + rows) of a tensor that is kept otherwise than GGUF does, as bytes of `shown` (its description:
/// dtype, shape; a vector is one row). Errors: memory.
Expected<Buffer> gather_rows(const TensorSource& source, const Tensor& shown, std::int64_t first, std::int64_t rows);

/// All rows of t in another encoding, which can_quantize; cols is a multiple of its block. Errors: memory;
/// malformed: a number that blocks cannot hold (not finite, above 65504).
Expected<Buffer> recode(const Tensor& t, DType type, ThreadPool& pool);

/// How numbers of `type` are kept once they changed their row: floats as they are, others as f32.
DType turned_type(DType type) noexcept;
/// A tensor [heads, cols, n] as [heads * n, cols] of turned_type: each head's matrix turned. Errors: memory.
Expected<Buffer> turn_heads(const Tensor& t, ThreadPool& pool);

}  // namespace heed
