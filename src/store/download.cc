// download.cc -- libcurl, one transfer at a time.
#include "store/download.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

namespace heed {
namespace {

constexpr long kConnectTimeoutMs = 5000;
constexpr long kStallSeconds = 30;  // below one byte a second for so long: give up

struct CurlFree {
  void operator()(CURL* curl) const noexcept { curl_easy_cleanup(curl); }
};

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// State of one transfer; the callbacks below are its methods as C functions.
struct Transfer {
  const Download& wanted;
  CURL* curl = nullptr;
  std::int64_t range_begin = -1, range_total = -1;  // Content-Range of the last response
  std::int64_t to_skip = 0;                         // a server that ignores Range sends the beginning again
  bool is_checked = false, is_cancelled = false;
  std::optional<Error> refusal = {};

  void read_header(std::string_view line) {
    if (line.starts_with("HTTP/")) range_begin = range_total = -1;  // a redirect's headers do not count
    constexpr std::string_view kName = "content-range:";
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == b; };
    if (line.size() < kName.size() ||
        !std::equal(kName.begin(), kName.end(), line.begin(), [&](char b, char a) { return same(a, b); }))
      return;
    const std::size_t unit = line.find("bytes "), dash = line.find('-', kName.size()),
                      slash = line.find('/', kName.size());
    if (unit == std::string_view::npos || dash == std::string_view::npos || slash == std::string_view::npos) return;
    std::string_view total = line.substr(slash + 1);
    while (!total.empty() && std::isspace(static_cast<unsigned char>(total.back())) != 0) total.remove_suffix(1);
    if (dash > unit + 6) range_begin = number_of(line.substr(unit + 6, dash - unit - 6)).value_or(-1);
    range_total = number_of(total).value_or(-1);
  }

  std::optional<Error> check_response() {
    long status = 0;
    curl_off_t announced = -1;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    const std::string from = "download: " + wanted.url + ": ";
    if (status == 206) {
      if (range_begin != wanted.offset)
        return fail(Code::io, from + "asked for bytes from " + std::to_string(wanted.offset) + ", got them from " +
                                  std::to_string(range_begin));
      if (range_total < 0) return std::nullopt;
      announced = range_total;
    } else if (status == 200) {
      to_skip = wanted.offset;
    } else {
      return fail(status == 404 ? Code::not_found : Code::io, from + "the server answered " + std::to_string(status));
    }
    if (status == 200 && announced < 0) return std::nullopt;
    if (announced == wanted.size_bytes) return std::nullopt;
    return fail(Code::malformed, from + "expected a file of " + std::to_string(wanted.size_bytes) +
                                     " bytes, the server has one of " + std::to_string(announced));
  }

  bool write(std::span<const std::byte> bytes) {
    if (!is_checked) {
      is_checked = true;
      refusal = check_response();
      if (refusal) return false;
    }
    const auto skipped = std::min(to_skip, static_cast<std::int64_t>(bytes.size()));
    to_skip -= skipped;
    bytes = bytes.subspan(static_cast<std::size_t>(skipped));
    if (bytes.empty()) return true;
    auto taken = wanted.sink(bytes);
    if (!taken) refusal = std::move(taken).error();
    return !refusal;
  }
};

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  static_cast<Transfer*>(user)->read_header({data, size});
  return size;
}

std::size_t on_bytes(char* data, std::size_t, std::size_t size, void* user) {
  return static_cast<Transfer*>(user)->write(std::as_bytes(std::span(data, size))) ? size : 0;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* transfer = static_cast<Transfer*>(user);
  transfer->is_cancelled = !transfer->wanted.keep_going();
  return transfer->is_cancelled ? 1 : 0;
}

void set_up(CURL* curl, Transfer& transfer) {
  const Download& wanted = transfer.wanted;
  curl_easy_setopt(curl, CURLOPT_URL, wanted.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 8L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "heed");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
  // An explicit header rather than RESUME_FROM: a 200 answer is then ours to handle.
  if (wanted.offset > 0) curl_easy_setopt(curl, CURLOPT_RANGE, (std::to_string(wanted.offset) + "-").c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_bytes);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
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

}  // namespace

std::string host_of(const std::string& url) {
  const std::size_t begin = url.find("://");
  const std::size_t host = begin == std::string::npos ? 0 : begin + 3;
  return url.substr(host, url.find_first_of("/?#", host) - host);
}

Expected<void> download(const Download& wanted, DownloadFailure& failure) {
  const std::unique_ptr<CURL, CurlFree> curl(curl_easy_init());
  if (!curl) return fail(Code::out_of_memory, "download: libcurl could not start");
  Transfer transfer{.wanted = wanted, .curl = curl.get()};
  set_up(curl.get(), transfer);
  const CURLcode code = curl_easy_perform(curl.get());
  const bool got_bytes = transfer.is_checked;
  if (code == CURLE_OK && !transfer.is_checked) transfer.refusal = transfer.check_response();  // an empty body
  failure = {};
  if (transfer.is_cancelled) {
    failure.error = fail(Code::cancelled, "download: cancelled");
  } else if (transfer.refusal) {
    failure.error = *transfer.refusal;
  } else if (code != CURLE_OK) {
    failure.error = fail(Code::io, "download: " + wanted.url + ": " + curl_easy_strerror(code));
    failure.host_unreachable = is_unreachable(code, got_bytes);
    failure.worth_resuming = got_bytes;
  } else {
    return {};
  }
  return failure.error;
}

}  // namespace heed
