// avx2_attention.cc -- the attention kernels for avx2.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_avx2.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/attention.inl"
}  // namespace

const AttentionTable& attention_avx2() noexcept { return kTable; }

}  // namespace heed
