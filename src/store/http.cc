// http.cc -- libcurl, one transfer at a time. Redirects are followed here, so that what is sent where can be read here.
#include "store/http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

namespace heed {
namespace {

constexpr long kConnectTimeoutMs = 5000;
constexpr long kStallSeconds = 30;  // below one byte a second for so long: give up
constexpr int kMaxRedirects = 8, kMaxWaits = 4;
constexpr std::int64_t kMaxWaitSeconds = 120;
constexpr auto kPoll = std::chrono::milliseconds(50);

struct CurlFree {
  void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
  void operator()(char* text) const noexcept { curl_free(text); }
};

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string part_of(const std::string& url, CURLUPart part) {
  const std::unique_ptr<CURLU, CurlFree> parsed(curl_url());
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
  char* raw = nullptr;
  if (curl_url_get(parsed.get(), part, &raw, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  const std::unique_ptr<char, CurlFree> text(raw);
  std::string out = text.get();
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool may_carry_token(const std::string& url) {
  if (part_of(url, CURLUPART_SCHEME) == "https") return true;
  const std::string host = part_of(url, CURLUPART_HOST);
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

/// The rest of a header line after its name, without spaces around; nothing when it is another header.
std::optional<std::string_view> value_of(std::string_view line, std::string_view name) {
  const auto same = [](char a, char b) { return a == std::tolower(static_cast<unsigned char>(b)); };
  if (line.size() < name.size() || !std::equal(name.begin(), name.end(), line.begin(), same)) return std::nullopt;
  line.remove_prefix(name.size());
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())) != 0) line.remove_prefix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())) != 0) line.remove_suffix(1);
  return line;
}

void read_range(std::string_view value, HttpReply& reply) {  // "bytes 5-9/10"
  const std::size_t dash = value.find('-'), slash = value.find('/');
  if (!value.starts_with("bytes ") || dash == std::string_view::npos || slash == std::string_view::npos) return;
  if (dash > 6) reply.range_begin = number_of(value.substr(6, dash - 6)).value_or(-1);
  reply.range_total = number_of(value.substr(slash + 1)).value_or(-1);
}

void read_link(std::string_view value, HttpReply& reply) {  // "<https://...>; rel="next", <...>; rel="last""
  while (!value.empty()) {
    const std::size_t open = value.find('<'), close = value.find('>');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open) return;
    const std::size_t end = std::min(value.find(',', close), value.size());
    if (value.substr(close, end - close).find("rel=\"next\"") != std::string_view::npos)
      reply.next = std::string(value.substr(open + 1, close - open - 1));
    value.remove_prefix(std::min(end + 1, value.size()));
  }
}

enum class Step : unsigned char { done, again, failed };

/// One request of a transfer; the callbacks below are its methods as C functions.
struct Request {
  const HttpGet& wanted;
  CURL* curl = nullptr;
  HttpReply reply = {};
  std::int64_t wait_seconds = -1;
  bool may_wait = false, has_location = false, is_begun = false, is_cancelled = false;
  std::optional<Error> refusal = {};

  void read_header(std::string_view line) {
    if (line.starts_with("HTTP/")) reply = {}, has_location = false;  // "100 Continue", a proxy's answer: do not count
    if (value_of(line, "location:")) has_location = true;
    if (const auto range = value_of(line, "content-range:")) read_range(*range, reply);
    if (const auto link = value_of(line, "link:")) read_link(*link, reply);
  }

  /// Whether this answer only says where or when to ask again.
  bool is_detour() {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
    if (reply.status >= 301 && reply.status <= 308) return has_location;
    if (reply.status != 429 && reply.status != 503) return false;
    curl_off_t seconds = 0;
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
    if (!may_wait || seconds <= 0 || seconds > kMaxWaitSeconds) return false;
    wait_seconds = seconds;
    return true;
  }

  void begin() {
    is_begun = true;
    curl_off_t announced = -1;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    reply.bytes = announced;
    auto begun = wanted.begin(reply);
    if (!begun) refusal = std::move(begun).error();
  }

  bool write(std::span<const std::byte> bytes) {
    if (!is_begun) {
      if (is_detour()) return true;
      begin();
    }
    if (refusal) return false;
    auto taken = wanted.sink(bytes);
    if (!taken) refusal = std::move(taken).error();
    return !refusal;
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  static_cast<Request*>(user)->read_header({data, size});
  return size;
}

std::size_t on_bytes(char* data, std::size_t, std::size_t size, void* user) {
  return static_cast<Request*>(user)->write(std::as_bytes(std::span(data, size))) ? size : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* request = static_cast<Request*>(user);
  request->is_cancelled = !request->wanted.keep_going();
  return request->is_cancelled ? 1 : 0;
}

void set_up(CURL* curl, Request& request, const std::string& url) {
  const HttpGet& wanted = request.wanted;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "heed");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  if (!wanted.proxy.empty()) curl_easy_setopt(curl, CURLOPT_PROXY, wanted.proxy.c_str());
  if (!wanted.token.empty() && is_same_origin(url, wanted.url)) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, wanted.token.c_str());
  }
  // An explicit header rather than RESUME_FROM: a 200 answer is then ours to handle.
  if (wanted.offset > 0) curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(wanted.offset) + "-").c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &request);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &request);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &request);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
}

bool is_unreachable(CURLcode code, bool got_bytes) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
      return true;
    case CURLE_OPERATION_TIMEDOUT:
      return !got_bytes;
    default:
      return false;
  }
}

/// Where a redirect points, made whole; known once its transfer has ended.
std::string redirect_of(CURL* curl) {
  char* target = nullptr;
  curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &target);
  return target != nullptr ? target : "";
}

bool wait(std::int64_t seconds, const std::function<bool()>& keep_going) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < until) {
    if (!keep_going()) return false;
    std::this_thread::sleep_for(kPoll);
  }
  return true;
}

/// One round: asks `url`, which becomes the next one when the answer is a redirect.
Step ask(const HttpGet& wanted, std::string& url, bool may_wait, bool& has_waited, HttpFailure& failure) {
  const std::unique_ptr<CURL, CurlFree> curl(curl_easy_init());
  failure = {};
  failure.error = fail(Code::out_of_memory, "download: libcurl could not start");
  if (!curl) return Step::failed;
  Request request{.wanted = wanted, .curl = curl.get(), .may_wait = may_wait};
  set_up(curl.get(), request, url);
  const CURLcode code = curl_easy_perform(curl.get());
  const bool is_detour = code == CURLE_OK && !request.is_begun && request.is_detour();
  if (code == CURLE_OK && !request.is_begun && !is_detour) request.begin();  // an empty body
  has_waited = request.wait_seconds > 0;
  const std::string location = is_detour && !has_waited ? redirect_of(curl.get()) : "";
  if (request.is_cancelled || (has_waited && !wait(request.wait_seconds, wanted.keep_going))) {
    failure.error = fail(Code::cancelled, "download: cancelled");
  } else if (request.refusal) {
    failure.error = *request.refusal;
  } else if (code != CURLE_OK) {
    failure.error = fail(Code::io, "download: " + wanted.url + ": " + curl_easy_strerror(code));
    failure.host_unreachable = is_unreachable(code, request.is_begun);
    failure.worth_resuming = request.is_begun;
  } else if (is_detour && !has_waited && location.empty()) {
    failure.error = fail(Code::io, "download: " + wanted.url + ": the server points to no address");
  } else if (!location.empty() && part_of(url, CURLUPART_SCHEME) == "https" &&
             part_of(location, CURLUPART_SCHEME) != "https") {
    failure.error = fail(Code::io, "download: " + wanted.url + ": the server points from https to an open connection");
  } else {
    if (!location.empty()) url = location;
    return is_detour ? Step::again : Step::done;
  }
  return Step::failed;
}

}  // namespace

std::string host_of(const std::string& url) {
  const std::size_t begin = url.find("://");
  const std::size_t host = begin == std::string::npos ? 0 : begin + 3;
  return url.substr(host, url.find_first_of("/?#", host) - host);
}

bool is_same_origin(const std::string& a, const std::string& b) {
  for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT}) {
    const std::string one = part_of(a, part);
    if (one.empty() || one != part_of(b, part)) return false;
  }
  return true;
}

Expected<void> http_get(const HttpGet& wanted, HttpFailure& failure) {
  failure = {};
  if (!wanted.token.empty() && !may_carry_token(wanted.url)) {
    failure.error = fail(Code::unauthorized, "download: " + wanted.url + ": a token is sent over https only");
    return failure.error;
  }
  std::string url = wanted.url;
  int waits = 0;
  for (int redirects = 0; redirects <= kMaxRedirects;) {
    bool has_waited = false;
    const Step step = ask(wanted, url, waits < kMaxWaits, has_waited, failure);
    if (step == Step::done) return {};
    if (step == Step::failed) return failure.error;
    has_waited ? ++waits : ++redirects;
  }
  failure.error = fail(Code::io, "download: " + wanted.url + ": more than 8 redirects");
  return failure.error;
}

}  // namespace heed
