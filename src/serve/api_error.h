// api_error.h -- the OpenAI error object, and which status each error gets.
#pragma once
#include <cstdint>
#include <string>

#include "core/expected.h"
#include "serve/http.h"

namespace heed {

struct ApiError {
  std::int32_t status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param;  // empty: null
  std::string code;   // empty: null
  std::int32_t retry_after_seconds = 0;
};

ApiError invalid_value(std::string param, std::string message);
ApiError invalid_type(std::string param, std::string expected, std::string came);
ApiError not_supported_yet(std::string param, std::string message);
ApiError unavailable(std::string message, std::int32_t retry_after_seconds);

/// Of an error that came from the rooms below: too_long is the context's limit, busy the queue's.
ApiError from_error(const Error& error);

/// The message, with the field ahead where it does not begin with it: for APIs whose errors have no place for it.
std::string named_message(const ApiError& error);

/// {"error":{"message","type","param","code"}}
std::string to_json(const ApiError& error);
HttpResponse to_response(const ApiError& error);

}  // namespace heed
