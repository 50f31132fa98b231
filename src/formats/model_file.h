// model_file.h -- a model on disk, whatever its format: metadata under GGUF's keys, tensors under GGUF's names.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/expected.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/tensor.h"
#include "formats/metadata.h"

namespace heed {

struct NamedTensor {
  std::string name;
  Tensor tensor;  // heed order: shape[0] outermost (GGUF writes dimensions innermost first)
};

/// How a tensor comes out of a file that keeps it otherwise than GGUF does.
struct TensorSource {
  std::vector<Tensor> pieces;     // as they lie in the file; their rows follow one another; one dtype, one row length
  std::int32_t rotary_heads = 0;  // > 0: row j of each half of a head becomes row 2 j, 2 j + 1 (GGUF's llama order)
  float add = 0.0f;               // to every number (Gemma's norms are kept as their distance from one)
};

/// What every format gives: views into mapped files, which live as long as this object. Move-only.
class ModelFile {
 public:
  ModelFile() = default;
  ModelFile(ModelFile&&) noexcept = default;
  ModelFile& operator=(ModelFile&&) noexcept = default;
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;
  virtual ~ModelFile() = default;

  /// "gguf", "safetensors", "llama2.c".
  const std::string& format() const noexcept { return format_; }
  int version() const noexcept { return version_; }  // of the format; 0: it has none
  const Metadata& metadata() const noexcept { return metadata_; }
  /// Frees it: a vocabulary is large, and its reader keeps a copy.
  void forget_metadata() noexcept { metadata_ = {}; }
  const std::vector<NamedTensor>& tensors() const noexcept { return tensors_; }  // in file order
  /// nullptr when absent. Without data where there is a source().
  const Tensor* find(std::string_view name) const noexcept;
  /// nullptr: the tensor's data are its numbers, as they are.
  const TensorSource* source(std::string_view name) const noexcept;
  /// From now on the tensor's numbers are `data`, of the same shape, kept in memory. `name` is one of tensors().
  void replace(std::string_view name, DType type, Buffer data);
  /// Frees what replace() keeps, but for the data of `kept`; the other replaced tensors have none from then on.
  void release_replaced(std::span<const Tensor> kept) noexcept;
  /// Called when a tensor's pages are not needed again soon (after packing).
  void drop_pages(const Tensor& tensor) const noexcept;
  /// Of all files.
  void drop_pages() const noexcept;
  std::size_t file_bytes() const noexcept { return file_bytes_; }
  /// The whole file; empty where the model is several files, or none, or a tensor was replaced.
  const MappedFile& mapped() const noexcept;

 protected:
  /// Indexes tensors_. Error: a name that appears twice, by name.
  Expected<void> index_tensors();

  std::string format_;
  int version_ = 0;
  std::vector<MappedFile> files_;
  std::vector<Buffer> replaced_;
  bool is_changed_ = false;  // a tensor was replaced
  std::size_t file_bytes_ = 0;
  Metadata metadata_;
  std::vector<NamedTensor> tensors_;
  std::map<std::string, TensorSource, std::less<>> sources_;

 private:
  std::vector<std::pair<std::string_view, std::size_t>> index_;  // sorted by name
};

/// Opens what lies at `path`, by its first bytes. Errors: what the format's reader says.
Expected<std::unique_ptr<ModelFile>> open_model_file(const std::string& path, FileLayer& files = system_files());

}  // namespace heed
