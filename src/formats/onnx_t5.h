// onnx_t5.h -- a T5 exported to ONNX: its weights, not its graphs.
#pragma once
#include <string>

#include "formats/model_file.h"

namespace heed {

/// Matrices are found by the nodes that use them; int8 ones with one scale become Q8_0, whose scales have 11 bits.
/// Sizes follow from shapes; what a graph does not say is T5's (epsilon 1e-6, start token 0).
class OnnxT5 final : public ModelFile {
 public:
  /// `path`: a directory with encoder.onnx, decoder.onnx and tokenizer.json, or one .onnx file that holds all three,
  /// one behind another. Errors name the file.
  static Expected<OnnxT5> open(const std::string& path, FileLayer& files = system_files());

 private:
  friend class OnnxT5Reader;
};

/// Whether open() is the one for this path.
bool is_onnx_t5(const std::string& path, FileLayer& files);

}  // namespace heed
