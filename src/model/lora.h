// lora.h -- low-rank adapters in GGUF files, merged into a model's weights before they are packed.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/thread_pool.h"
#include "formats/model_file.h"

namespace heed {

/// One adapter: for some matrices W [out, in] of a model a pair A [rank, in], B [out, rank] (tensors W.lora_a and
/// W.lora_b), with which W becomes W + scale * alpha / rank * B A (Hu et al. 2021; alpha 0: scale * B A).
struct LoraAdapter {
  ModelFile file;
  double scale = 1;

  /// Errors: not an adapter (general.type), of another kind than lora (adapter.type), what opening says.
  static Expected<LoraAdapter> open(const std::string& path, double scale, FileLayer& files = system_files());
};

/// "FILE" or "FILE:SCALE" as options have it. Errors: a scale that is no number.
Expected<std::pair<std::string, double>> parse_lora_option(const std::string& text);

/// Opens what parse_lora_option understands. Errors: its own, and LoraAdapter::open's.
Expected<std::vector<LoraAdapter>> open_adapters(std::span<const std::string> options,
                                                 FileLayer& files = system_files());

/// What a changed matrix of `type` is kept as: floats keep their type (F64 becomes F32), all blocks become Q8_0, so
/// that each number is within 1/254 of the largest of its 32, plus the scale's 2^-11.
DType encoding_of_changed(DType type) noexcept;

/// Adds all adapters to the model's tensors: decoded to floats, changed, and encoded again (encoding_of_changed says as
/// what), rows on all threads. The model keeps the changed tensors in memory. Errors, by tensor: another architecture,
/// shapes that do not fit, a lone half of a pair, a tensor that the model lacks or that is no matrix.
Expected<void> merge_adapters(ModelFile& model, std::span<const LoraAdapter> adapters, ThreadPool& pool);

}  // namespace heed
