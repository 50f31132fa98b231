// avx512_attention.cc -- the attention kernels for avx512.
#include "kernels/body/attention_table.h"
#include "kernels/body/simd_avx512.h"
#include "kernels/isa/tables.h"

namespace heed {
namespace {
#include "kernels/body/attention.inl"
}  // namespace

const AttentionTable& attention_avx512() noexcept { return kTable; }

}  // namespace heed
