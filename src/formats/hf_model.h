// hf_model.h -- a directory as model hubs lay it out: config.json, safetensors in one file or many, tokenizer.json.
#pragma once
#include <string>

#include "formats/model_file.h"

namespace heed {

/// Metadata under GGUF's keys, with the text of tokenizer.json as tokenizer.huggingface.json; tensors under GGUF's
/// names, those that hubs keep otherwise with a source(). Tensors of unknown names keep them.
class HfModel final : public ModelFile {
 public:
  /// `path`: the directory, or a file in it (a .safetensors file or an index), or a .safetensors file with the
  /// directory's texts behind its tensors (hf_bundle.h). Errors name the file; malformed too where index and files
  /// disagree.
  static Expected<HfModel> open(const std::string& path, FileLayer& files = system_files());

 private:
  friend class HfReader;
};

/// Whether open() is the one for this path.
bool is_hf_model(const std::string& path, FileLayer& files);

}  // namespace heed
