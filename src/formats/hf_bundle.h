// hf_bundle.h -- a hub's directory in one file: model.safetensors, and behind its tensors the directory's JSON texts.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "core/expected.h"

namespace heed {

/// The texts, one behind another, by their names in a directory; they are told apart by their keys. Errors: malformed
/// (no JSON, a text that heed does not know, one twice).
Expected<std::map<std::string, std::string_view, std::less<>>> split_hub_texts(std::string_view bytes);

}  // namespace heed
