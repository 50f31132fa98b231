// tokenizer_file.h -- the tokenizer of whatever `--model` names: a model, or a tokenizer.json.
#pragma once
#include <memory>
#include <string>

#include "core/expected.h"
#include "text/tokenizer.h"

namespace heed {

/// `name_or_path`: as model_path has it, or a path that ends with .json.
Expected<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& name_or_path);

}  // namespace heed
