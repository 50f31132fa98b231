// gguf.h -- GGUF v2 and v3 files: metadata and tensor views. Files are hostile: every count, offset and size is
// checked.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"
#include "core/file.h"
#include "core/tensor.h"
#include "formats/metadata.h"

namespace heed {

struct NamedTensor {
  std::string name;
  Tensor tensor;  // heed order: shape[0] outermost (GGUF writes dimensions innermost first)
};

/// Views into a mapped file; they live as long as this object. Move-only.
class GgufFile {
 public:
  static Expected<GgufFile> open(const std::string& path, FileLayer& files = system_files());
  /// Views into `bytes`, which must outlive the result. Used by tests and fuzzing.
  static Expected<GgufFile> parse(std::span<const std::byte> bytes);

  int version() const noexcept { return version_; }
  const Metadata& metadata() const noexcept { return metadata_; }
  /// Frees it: a vocabulary is large, and its reader keeps a copy.
  void forget_metadata() noexcept { metadata_ = {}; }
  const std::vector<NamedTensor>& tensors() const noexcept { return tensors_; }  // in file order
  /// nullptr when absent.
  const Tensor* find(std::string_view name) const noexcept;
  /// Called when a tensor's pages are not needed again soon (after packing).
  void drop_pages(const Tensor& tensor) const noexcept;
  std::size_t file_bytes() const noexcept { return bytes_.size(); }
  /// The whole file; empty after parse().
  const MappedFile& mapped() const noexcept { return file_; }

 private:
  MappedFile file_;
  std::span<const std::byte> bytes_;
  int version_ = 0;
  Metadata metadata_;
  std::vector<NamedTensor> tensors_;
  std::vector<std::pair<std::string_view, std::size_t>> index_;  // sorted by name
};

}  // namespace heed
