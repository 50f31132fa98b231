// model_facts.h -- what a model file says of itself, without loading it: for lists and model pages.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/expected.h"

namespace heed {

struct ModelFacts {
  std::string format;           // "gguf", "safetensors", "llama2.c"; empty: nothing is known
  std::string family;           // general.architecture
  std::string quantization;     // "Q4_K_M", or the type of most bytes
  std::string chat_template;    // Jinja; empty: a base model
  std::string sha256;           // of the file, where it is known without reading it
  std::int64_t parameters = 0;  // numbers in all tensors
  bool fills_gaps = false;      // it has fill-in-the-middle tokens
  bool makes_vectors = false;   // of texts; it writes none then
  nlohmann::ordered_json info = nlohmann::ordered_json::object();  // metadata under GGUF's keys; arrays are empty
};

/// Reads the file's metadata and its list of tensors, none of their numbers.
Expected<ModelFacts> model_facts(const std::string& path);

}  // namespace heed
