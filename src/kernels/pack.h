// pack.h -- from a file's rows to panels.
#pragma once
#include "core/dtype.h"
#include "core/expected.h"
#include "core/tensor.h"
#include "kernels/body/matmul_table.h"

namespace heed {

/// The pack of an encoding; unsupported when there is none.
Expected<PackKind> pack_kind(DType type);
inline bool is_quantized(PackKind kind) noexcept { return static_cast<std::size_t>(kind) < kQuantKinds; }
/// Bytes of one panel of 16 columns with depth k.
std::int64_t panel_bytes_of(PackKind kind, std::int64_t k);
/// Packs columns 16*panel .. 16*panel+15 of w; columns past its end become zeros.
void pack_panel(const Tensor& w, std::int64_t panel, std::uint8_t* out);

}  // namespace heed
