// hub_name.h -- names of models on a hub: OWNER/REPO[@REVISION][:FILE], FILE a path or a type such as Q4_K_M.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/expected.h"

namespace heed {

struct HubName {
  std::string owner, repo;
  std::string revision = "main";  // a branch, tag or commit
  std::string file;               // of the repository, or a type; empty: not said

  std::string repository() const { return owner + "/" + repo; }
  /// "OWNER/REPO", with "@REVISION" when it is not main; also where its files lie under models/.
  std::string directory() const;
  std::string text() const;
};

/// Nothing when `text` is no such name. Each part is a plain name: no "..", nothing hidden, no control character.
std::optional<HubName> parse_hub_name(const std::string& text);

/// The name of the file at models/`path`, "OWNER/REPO[@REVISION]/FILE"; nothing for other paths.
std::optional<HubName> hub_name_of_path(const std::string& path);

struct HubFile {
  std::string path;  // in the repository
  std::int64_t bytes = 0;
  std::string sha256;  // empty: the hub does not say
};

/// What can be chosen: a GGUF file, or the parts of one that was split.
struct HubChoice {
  std::string file, type;  // of the first part; the type as the name has it ("Q4_K_M"), or empty
  std::int64_t bytes = 0;  // of all parts
  std::vector<HubFile> parts;
};

/// The GGUF files among `files`, parts put together, by name. A split file that lacks a part is left out.
std::vector<HubChoice> choices_of(std::vector<HubFile> files);

/// The choice that `name.file` means: a whole path, a path without ".gguf", or a type. Not said: the only one there is.
/// Errors: not_found and invalid_argument (several), both with the list of what there is.
Expected<HubChoice> choose(const std::vector<HubChoice>& choices, const HubName& name);

/// The type in a file's name, in capitals ("Q4_K_M", "IQ4_XS", "BF16"); empty: none.
std::string type_in_name(const std::string& file);

/// Of "x-00001-of-00003.gguf": 1 and 3. Nothing for other names.
struct SplitPart {
  std::string stem;  // "x"
  int index = 0, count = 0;
};
std::optional<SplitPart> split_part_of(const std::string& file);

}  // namespace heed
