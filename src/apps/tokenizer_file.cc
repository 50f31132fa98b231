// tokenizer_file.cc -- by the end of the name.
#include "apps/tokenizer_file.h"

#include "apps/model_path.h"
#include "core/file.h"
#include "formats/model_file.h"

namespace heed {

Expected<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& name_or_path) {
  if (name_or_path.ends_with(".json")) {
    HEED_ASSIGN(const MappedFile file, system_files().map(name_or_path));
    return Tokenizer::from_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  }
  HEED_ASSIGN(const std::string path, model_path(name_or_path));
  HEED_ASSIGN(const auto file, open_model_file(path));
  return Tokenizer::from_metadata(file->metadata());
}

}  // namespace heed
