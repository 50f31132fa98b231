// scalar_attention.cc -- the attention kernels for scalar.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_scalar.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/attention.inl"
}  // namespace

const AttentionTable& attention_scalar() noexcept { return kTable; }

}  // namespace heed
