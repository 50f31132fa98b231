// onnx_t5.h -- a T5 exported to ONNX (encoder.onnx, decoder.onnx, tokenizer.json): its weights, not its graphs.
#pragma once
#include <string>

#include "formats/model_file.h"

namespace heed {

/// Matrices are found by the nodes that use them; int8 ones with one scale become Q8_0, whose scales have 11 bits.
/// Sizes follow from shapes; what a graph does not say is T5's (epsilon 1e-6, start token 0).
class OnnxT5 final : public ModelFile {
 public:
  /// `path`: the directory. Errors name the file.
  static Expected<OnnxT5> open(const std::string& path, FileLayer& files = system_files());

 private:
  friend class OnnxT5Reader;
};

/// Whether the directory holds an encoder.onnx and a decoder.onnx.
bool is_onnx_t5(const std::string& path, FileLayer& files);

}  // namespace heed
