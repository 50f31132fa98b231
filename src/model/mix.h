// mix.h -- which encoding each tensor of a quantized model gets.
#pragma once
#include <string>
#include <string_view>

#include "core/expected.h"
#include "core/tensor.h"

namespace heed {

/// One row a name. Most matrices get `most`; values and the feed-forward's last matrix of every third layer and of the
/// first and last eighth get `more`, as they err most; so does the output matrix get `output`.
struct Mix {
  std::string_view name;
  DType most, more, output;
  int file_type;  // GGUF's general.file_type
};

/// F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K, Q5_1, Q5_0, Q4_K_M, Q4_K, Q4_1, Q4_0, whatever the case.
/// invalid_argument names them.
Expected<Mix> mix_named(std::string_view name);

struct MixedModel {
  std::int64_t layers = 0;
  bool is_tied = false;  // token_embd is the output matrix, too
};

/// The encoding of one tensor. Vectors, routers and small tables stay f32; a row that is no multiple of 256 gets the
/// nearest encoding of 32 (Q4_K: Q5_0, Q5_K: Q5_1, Q6_K: Q8_0), a row that is no multiple of 32 f16.
DType mixed_type(const Mix& mix, const MixedModel& model, std::string_view name, const Tensor& tensor);

}  // namespace heed
