// tables.h -- one function a table and instruction set; kernels.cc picks among them at run time.
#pragma once

namespace heed {

struct MatmulTable;
struct AttentionTable;
struct LayerTable;

const MatmulTable& matmul_scalar() noexcept;
const AttentionTable& attention_scalar() noexcept;
const LayerTable& layers_scalar() noexcept;
#if defined(__x86_64__)
const MatmulTable& matmul_avx2() noexcept;
const AttentionTable& attention_avx2() noexcept;
const LayerTable& layers_avx2() noexcept;
const MatmulTable& matmul_avx512() noexcept;
const AttentionTable& attention_avx512() noexcept;
const LayerTable& layers_avx512() noexcept;
const AttentionTable& attention_avx512bf16() noexcept;
const MatmulTable& matmul_avxvnni() noexcept;
const MatmulTable& matmul_amx() noexcept;
const AttentionTable& attention_amx() noexcept;
#elif defined(__aarch64__)
const MatmulTable& matmul_neon() noexcept;
const AttentionTable& attention_neon() noexcept;
const LayerTable& layers_neon() noexcept;
const MatmulTable& matmul_dotprod() noexcept;
const MatmulTable& matmul_i8mm() noexcept;
#endif

}  // namespace heed
