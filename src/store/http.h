// http.h -- one GET over HTTP(S): redirects that keep a token at home, waiting where the server asks for it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/expected.h"

namespace heed {

struct HttpReply {
  long status = 0;
  std::int64_t bytes = -1;                          // of the body; -1: not announced
  std::int64_t range_begin = -1, range_total = -1;  // Content-Range; -1: none
  std::string next;                                 // Link: <URL>; rel="next"; empty: none
};

struct HttpGet {
  std::string url;
  std::string token;        // sent as a bearer to the url's own origin, and only over https or to loopback
  std::string proxy;        // empty: as the environment says (HTTPS_PROXY, NO_PROXY, ...)
  std::int64_t offset = 0;  // asks for the bytes from there on
  /// Asked once, before the first byte of the final answer; an error ends the transfer.
  std::function<Expected<void>(const HttpReply&)> begin;
  std::function<Expected<void>(std::span<const std::byte>)> sink;
  /// Asked some times a second, also while waiting; false cancels.
  std::function<bool()> keep_going;
};

struct HttpFailure {
  Error error;
  bool host_unreachable = false;  // not worth another try in this process
  bool worth_resuming = false;    // the connection broke in the middle
};

/// Follows at most 8 redirects, never from https to http. An answer 429 or 503 that names a time (Retry-After) of two
/// minutes at most is waited for, four times. Errors: what `begin` or `sink` said, cancelled, io.
Expected<void> http_get(const HttpGet& wanted, HttpFailure& failure);

/// "host:port" of a URL, for messages and for remembering that it cannot be reached.
std::string host_of(const std::string& url);

/// Whether two URLs have scheme, host and port in common.
bool is_same_origin(const std::string& a, const std::string& b);

}  // namespace heed
