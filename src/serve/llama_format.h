// llama_format.h -- the shapes of llama.cpp's server: its answers, events, settings and errors.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "serve/answer.h"

namespace heed {

class JsonOut;

struct InfillFile {
  std::string name, text;
};

/// What /infill asks for.
struct Infill {
  std::string prefix, suffix;
  std::string prompt;             // how the answer begins
  std::vector<InfillFile> extra;  // of the same repository, ahead of the prefix
};

std::unique_ptr<AnswerFormat> llama_format();
std::unique_ptr<AnswerFormat> infill_format(Infill asked);

/// {"error":{"code","message","type"}}, `code` the status.
HttpResponse llama_error(const ApiError& error);

/// The members of generation_settings: what is in force, whatever the client said.
void append_llama_settings(JsonOut& out, const GenerationParams& params);

}  // namespace heed
