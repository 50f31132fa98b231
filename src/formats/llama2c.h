// llama2c.h -- llama2.c checkpoints of version 0 and their tokenizer.bin: the smallest whole model.
#pragma once
#include <cstddef>
#include <span>
#include <string>

#include "core/memory.h"
#include "formats/model_file.h"

namespace heed {

/// A checkpoint is 7 int32 (dim, ffn_dim, layers, heads, kv_heads, vocab, context; a negative vocab: the output matrix
/// follows) and then floats in a fixed order. Heads of a size the kernels lack and an odd ffn_dim are filled up with
/// zeros, which changes no result. Format: llama2.c by A. Karpathy, `legacy_export` of export.py.
class Llama2cFile final : public ModelFile {
 public:
  /// The vocabulary stands beside the checkpoint, as tokN.bin (N tokens) or tokenizer.bin.
  static Expected<Llama2cFile> open(const std::string& path, FileLayer& files = system_files());
  /// Views into `checkpoint`, which must outlive the result; `tokenizer` is copied.
  static Expected<Llama2cFile> parse(std::span<const std::byte> checkpoint, std::span<const std::byte> tokenizer);

 private:
  Buffer filled_up_;  // the matrices that had to be
};

/// Whether the header describes a file of exactly this many bytes.
bool is_llama2c(std::span<const std::byte> checkpoint);

}  // namespace heed
