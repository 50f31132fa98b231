// hf_sentence.h -- what sentence-transformers adds to a hub's directory: how a text's rows become one vector, and how
// long a text may be.
#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/expected.h"
#include "formats/metadata.h"

namespace heed {

/// The files' contents, as objects; empty where there is no such file.
struct HfSentenceFiles {
  const nlohmann::ordered_json& modules;   // modules.json, an array
  const nlohmann::ordered_json& pooling;   // 1_Pooling/config.json
  const nlohmann::ordered_json& sentence;  // sentence_bert_config.json
};

/// {architecture}.pooling_type as GGUF has it, and {architecture}.text_length, heed's own. Errors name the file and the
/// key; unsupported: modules and poolings that heed does not compute.
Expected<void> read_hf_sentence(const HfSentenceFiles& files, const std::string& architecture, Metadata& out);

}  // namespace heed
