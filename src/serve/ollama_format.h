// ollama_format.h -- the shapes of Ollama's API: its records, times, names and errors.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "serve/answer.h"

namespace heed {

class JsonOut;

enum class OllamaPath : unsigned char { chat, generate };

/// What /api/generate asks for besides its parameters.
struct OllamaGenerate {
  std::string system;
  bool is_raw = false;  // the prompt is what the model reads, without a template
};

/// Streams are newline-delimited JSON.
std::unique_ptr<AnswerFormat> ollama_chat_format();
std::unique_ptr<AnswerFormat> ollama_generate_format(OllamaGenerate asked);

/// The answer to a request without input: the model is loaded.
std::string ollama_loaded(OllamaPath path, const std::string& model);

/// {"error": text}
HttpResponse ollama_error(const ApiError& error);

/// "2023-08-04T19:22:45.499127302Z"
std::string rfc3339(std::int64_t unix_ns);
std::string rfc3339_now();

}  // namespace heed
