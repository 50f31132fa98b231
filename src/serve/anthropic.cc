// anthropic.cc -- the routes.
#include "serve/anthropic.h"

#include "serve/json_out.h"

namespace heed {
namespace {

std::optional<ApiError> read_message_request(const HttpRequest& request, AnthropicUse use, GenerationParams& params) {
  Json body;
  if (auto error = parse_body(request.body, body)) return error;
  return parse_anthropic(body, use, params);
}

void create_message(GenerationContext context, const RequestPointer& request, const WriterPointer& writer) {
  GenerationParams params;
  if (const auto error = read_message_request(*request, AnthropicUse::create, params))
    return writer->send(anthropic_response(*error));
  Generation::start(context, anthropic_format(), std::move(params), request->tenant, writer);
}

HttpResponse count_answer(LoadedModel& model, const GenerationParams& params) {
  PromptTokens prompt;
  if (const auto error = anthropic_tokens(model, params, prompt)) return anthropic_response(*error);
  JsonOut out;
  out.open_object().member("input_tokens", prompt.tokens.size()).close_object();
  return HttpResponse{.body = out.take()};
}

void count_message_tokens(GenerationContext context, const RequestPointer& request, const WriterPointer& writer) {
  GenerationParams params;
  if (const auto error = read_message_request(*request, AnthropicUse::count, params))
    return writer->send(anthropic_response(*error));
  const std::string name = params.model;
  context.models->acquire(name, [params, writer](Expected<ModelPointer> model) {
    writer->send(model ? count_answer(**model, params) : anthropic_response(from_error(model.error())));
  });
}

}  // namespace

void add_anthropic_routes(Router& router, GenerationContext context) {
  const auto add = [&](const char* path, AnthropicUse use, auto work) {
    router.add({"POST", path, Access::keyed,
                [context, work](const auto& request, const auto& writer) { work(context, request, writer); },
                anthropic_response, &anthropic_shape(use)});
  };
  add("/messages", AnthropicUse::create, create_message);
  add("/messages/count_tokens", AnthropicUse::count, count_message_tokens);
}

}  // namespace heed
