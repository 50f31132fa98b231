// fim.cc -- Mistral's /v1/fim/completions: what stands between a prompt and a suffix.
#include "serve/dialect.h"
#include "serve/service.h"

namespace heed {
namespace {

bool is_no_minimum(const Json& value) { return value == 0; }

constexpr std::array kFimFields = {
    DialectField{"model", "model"},
    DialectField{"prompt", "", ParamType::string, "What stands before the gap."},
    DialectField{"suffix", "suffix"},
    DialectField{"stream", "stream"},
    DialectField{"stream_options", "stream_options"},
    DialectField{"max_tokens", "max_tokens"},
    DialectField{"temperature", "temperature"},
    DialectField{"top_p", "top_p"},
    DialectField{"random_seed", "seed"},
    DialectField{"stop", "stop"},
    DialectField{"heed", "heed"},
    DialectField{"min_tokens", "", ParamType::integer, "a least length is not supported yet", is_no_minimum},
};
constexpr DialectShape kFim{"FimRequest", kCompletionEndpoint, kFimFields, "prompt"};

std::optional<ApiError> read_fim(const std::string& text, GenerationParams& params) {
  Json body, translated = Json::object();
  if (auto error = parse_body(text, body)) return error;
  if (auto error = translate(kFim, body, translated)) return error;
  if (const Json* prompt = find_field(body, "prompt")) translated["prompt"] = *prompt;
  return parse_translated(kFim, body, translated, params);
}

}  // namespace

void add_fim_routes(Router& router, GenerationContext context) {
  router.add({.method = "POST",
              .pattern = "/fim/completions",
              .handler =
                  [context](const auto& request, const auto& writer) {
                    GenerationParams params;
                    if (auto error = read_fim(request->body, params)) return writer->send(to_response(*error));
                    Generation::start(context, fim_format(), std::move(params), request->tenant, writer);
                  },
              .shape = &kFim});
}

}  // namespace heed
