// gguf.h -- GGUF v1 to v3 files: metadata and tensor views. Files are hostile: every count, offset and size is checked.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/file.h"
#include "formats/model_file.h"

namespace heed {

/// The specification's number of an encoding; none: GGUF has no such type.
std::optional<std::uint32_t> gguf_type_number(DType type) noexcept;

class GgufFile final : public ModelFile {
 public:
  /// A model in several files is opened by the first, NAME-00001-of-0000N.gguf; the others lie beside it.
  static Expected<GgufFile> open(const std::string& path, FileLayer& files = system_files());
  /// Views into `bytes`, which must outlive the result. Used by tests and fuzzing.
  static Expected<GgufFile> parse(std::span<const std::byte> bytes);
  /// The parts of one model in their order become one: the metadata of the first, the tensors of all. Errors: a part
  /// that is another's or out of its place (keys split.no, split.count, split.tensors.count), a tensor that two parts
  /// hold.
  static Expected<GgufFile> join(std::vector<GgufFile> parts);

 private:
  static Expected<GgufFile> open_one(const std::string& path, FileLayer& files);
};

}  // namespace heed
