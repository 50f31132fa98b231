// api_error.cc -- errors as the OpenAI clients expect them.
#include "serve/api_error.h"

#include "serve/json_out.h"

namespace heed {

ApiError invalid_value(std::string param, std::string message) {
  return ApiError{.message = param.empty() ? std::move(message) : param + ": " + message,
                  .param = std::move(param),
                  .code = "invalid_value"};
}

ApiError invalid_type(std::string param, std::string expected, std::string came) {
  std::string message = param + ": expected " + expected + ", got " + came;
  return ApiError{.message = std::move(message), .param = std::move(param), .code = "invalid_type"};
}

ApiError not_supported_yet(std::string param, std::string message) {
  return ApiError{.message = param + ": " + message, .param = std::move(param), .code = "not_supported_yet"};
}

ApiError unavailable(std::string message, std::int32_t retry_after_seconds) {
  return ApiError{.status = 503,
                  .message = std::move(message),
                  .type = "server_error",
                  .code = "unavailable",
                  .retry_after_seconds = retry_after_seconds};
}

ApiError from_error(const Error& error) {
  ApiError out{.message = error.text, .param = error.where};
  switch (error.code) {
    case Code::invalid_argument:
      out.code = "invalid_value";
      return out;
    case Code::unsupported:
      out.code = "not_supported_yet";
      return out;
    case Code::malformed:
      out.code = "invalid_value";
      return out;
    case Code::too_long:
      out.code = "context_length_exceeded";
      return out;
    case Code::not_found:
      out.status = 404, out.code = "not_found";
      return out;
    case Code::unauthorized:
      out.status = 401, out.code = "invalid_api_key";
      return out;
    case Code::busy:
      out.status = 429, out.type = "rate_limit_error", out.code = "rate_limit_exceeded", out.retry_after_seconds = 1;
      return out;
    case Code::out_of_memory:
    case Code::cancelled:
      out.status = 503, out.type = "server_error", out.code = code_name(error.code), out.retry_after_seconds = 1;
      return out;
    case Code::io:
    case Code::internal:
      break;
  }
  out.status = 500, out.type = "server_error", out.code = code_name(error.code);
  return out;
}

std::string named_message(const ApiError& error) {
  const bool is_named = error.param.empty() || error.message.starts_with(error.param);
  return is_named ? error.message : error.param + ": " + error.message;
}

std::string to_json(const ApiError& error) {
  JsonOut out;
  out.open_object().key("error").open_object();
  out.member("message", error.message).member("type", error.type);
  out.key("param");
  if (error.param.empty())
    out.null();
  else
    out.value(error.param);
  out.key("code");
  if (error.code.empty())
    out.null();
  else
    out.value(error.code);
  out.close_object().close_object();
  return out.take();
}

HttpResponse to_response(const ApiError& error) {
  HttpResponse response{.status = error.status, .body = to_json(error)};
  if (error.retry_after_seconds > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_seconds));
  }
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

}  // namespace heed
