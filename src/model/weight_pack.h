// weight_pack.h -- all weights of a model, packed, in one file of a cache: the next start maps it.
#pragma once
#include <span>

#include "model/weights.h"

namespace heed {

/// A weight of the spec and the tensor of the file it comes from; their shapes agree.
struct WeightPart {
  WeightSlot slot;
  Tensor tensor;                         // without data where there is a source, or it is turned
  const TensorSource* source = nullptr;  // of the whole tensor, whose rows from `first` on are the slot's
  Tensor whole;
  std::int64_t first = 0;
};

/// [rows * cols] floats of a vector; f32, f16 and bf16 only.
Expected<void> read_vector(const WeightPart& part, Vector& out);

/// Fills all slots from the pack of this file's content, which is made when the cache lacks it. The matrices view the
/// result. Errors: what FileCache says, and cancelled.
Expected<MappedFile> map_weights(std::span<const WeightPart> parts, const ModelFile& file, Exec& exec,
                                 const LoadWeightsOptions& options);

}  // namespace heed
