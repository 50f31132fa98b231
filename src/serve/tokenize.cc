// tokenize.cc -- /tokenize, /detokenize and /apply-template in llama.cpp's shapes.
#include "engine/pipelines/chat_prompt.h"
#include "serve/json_out.h"
#include "serve/service.h"

namespace heed {
namespace {

using TextHandler = std::optional<ApiError> (*)(LoadedModel& model, const Json& body, JsonOut& out);

std::optional<ApiError> read_flag(const Json& body, const char* name, bool& out) {
  const auto found = body.find(name);
  if (found == body.end() || found->is_null()) return std::nullopt;
  if (!found->is_boolean()) return invalid_type(name, "true or false", describe(*found));
  return out = found->get<bool>(), std::nullopt;
}

bool is_utf8(const std::string& bytes) {
  try {
    (void)Json(bytes).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

void append_piece(JsonOut& out, std::int32_t token, const std::string& bytes) {
  out.open_object().member("id", token).key("piece");
  if (is_utf8(bytes)) {
    out.value(bytes);
  } else {
    out.open_array();
    for (const char c : bytes) out.value(static_cast<int>(static_cast<unsigned char>(c)));
    out.close_array();
  }
  out.close_object();
}

std::optional<ApiError> tokenize(LoadedModel& model, const Json& body, JsonOut& out) {
  const auto content = body.find("content");
  if (content == body.end() || !content->is_string()) {
    return invalid_type("content", "a string", content == body.end() ? "nothing" : describe(*content));
  }
  bool add_special = false, parse_special = true, with_pieces = false;
  if (auto error = read_flag(body, "add_special", add_special)) return error;
  if (auto error = read_flag(body, "parse_special", parse_special)) return error;
  if (auto error = read_flag(body, "with_pieces", with_pieces)) return error;
  const Tokenizer& tokenizer = model.model().tokenizer();
  const auto tokens =
      tokenizer.encode(content->get<std::string>(), parse_special, {.add_bos = add_special, .add_eos = false});
  out.open_object().key("tokens").open_array();
  for (const std::int32_t token : tokens) {
    if (with_pieces)
      append_piece(out, token, tokenizer.token_bytes(token, true));
    else
      out.value(token);
  }
  out.close_array().close_object();
  return std::nullopt;
}

std::optional<ApiError> detokenize(LoadedModel& model, const Json& body, JsonOut& out) {
  const Tokenizer& tokenizer = model.model().tokenizer();
  std::vector<std::int32_t> tokens;
  const auto found = body.find("tokens");
  if (auto error = token_array(found == body.end() ? Json() : *found, "tokens", tokenizer.vocab_size(), tokens))
    return error;
  out.open_object().member("content", tokenizer.decode(tokens, true)).close_object();
  return std::nullopt;
}

std::optional<ApiError> apply_template(LoadedModel& model, const Json& body, JsonOut& out) {
  GenerationParams params;
  if (auto error = parse_params(body, kChatEndpoint, params)) return error;
  if (model.chat() == nullptr) {
    return ApiError{.message = "model: " + model.name() + " is a base model without a chat template",
                    .param = "model",
                    .code = "no_chat_template"};
  }
  Json messages;
  if (auto error = normalize_messages(params.messages, messages)) return error;
  auto segments = render_chat(model.model().tokenizer(), *model.chat(), messages);
  if (!segments) {
    ApiError error = from_error(segments.error());
    error.param = "messages";
    return error;
  }
  std::string prompt;
  for (const Segment& segment : *segments) prompt += segment.text;
  out.open_object().member("prompt", prompt).close_object();
  return std::nullopt;
}

void handle(ModelHost& models, const RequestPointer& request, const WriterPointer& writer, TextHandler work) {
  auto body = std::make_shared<Json>();
  if (auto error = parse_body(request->body, *body)) {
    writer->send(to_response(*error));
    return;
  }
  const auto named = body->find("model");
  const std::string name = named != body->end() && named->is_string() ? named->get<std::string>() : std::string();
  models.acquire(name, [body, writer, work](Expected<ModelPointer> model) {
    if (!model) {
      ApiError error = from_error(model.error());
      if (model.error().where == "model") error.code = "model_not_found";
      writer->send(to_response(error));
      return;
    }
    JsonOut out;
    const auto error = work(**model, *body, out);
    writer->send(error ? to_response(*error) : HttpResponse{.body = out.take()});
  });
}

}  // namespace

void add_text_routes(Router& router, ModelHost& models) {
  const auto add = [&](const char* path, TextHandler work) {
    router.add({"POST", path, Access::keyed,
                [&models, work](const auto& request, const auto& writer) { handle(models, request, writer, work); }});
  };
  add("/tokenize", tokenize);
  add("/detokenize", detokenize);
  add("/apply-template", apply_template);
}

}  // namespace heed
