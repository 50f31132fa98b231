// download.cc -- what an answer must be to count as a file, or as a text.
#include "store/download.h"

#include <algorithm>

namespace heed {
namespace {

Error status_error(const std::string& url, long status) {
  const std::string text = "download: " + url + ": the server answered " + std::to_string(status);
  if (status == 401 || status == 403) return fail(Code::unauthorized, text);
  return fail(status == 404 ? Code::not_found : Code::io, text);
}

/// Whether this answer can be the wanted file; `to_skip` says how many of its bytes are here already.
Expected<void> check_reply(const Download& wanted, const HttpReply& reply, std::int64_t& to_skip) {
  std::int64_t announced = reply.bytes;
  if (reply.status == 206) {
    if (reply.range_begin != wanted.offset)
      return fail(Code::io, "download: " + wanted.url + ": asked for bytes from " + std::to_string(wanted.offset) +
                                ", got them from " + std::to_string(reply.range_begin));
    announced = reply.range_total;
  } else if (reply.status == 200) {
    to_skip = wanted.offset;  // a server that ignores Range sends the beginning again
  } else {
    return status_error(wanted.url, reply.status);
  }
  if (announced < 0 || announced == wanted.size_bytes) return {};
  return fail(Code::malformed, "download: " + wanted.url + ": expected a file of " + std::to_string(wanted.size_bytes) +
                                   " bytes, the server has one of " + std::to_string(announced));
}

}  // namespace

Expected<void> download(const Download& wanted, HttpFailure& failure) {
  std::int64_t to_skip = 0;
  const auto take = [&](std::span<const std::byte> bytes) -> Expected<void> {
    const auto skipped = std::min(to_skip, static_cast<std::int64_t>(bytes.size()));
    to_skip -= skipped;
    bytes = bytes.subspan(static_cast<std::size_t>(skipped));
    return bytes.empty() ? Expected<void>() : wanted.sink(bytes);
  };
  return http_get({.url = wanted.url,
                   .token = wanted.token,
                   .proxy = wanted.proxy,
                   .offset = wanted.offset,
                   .begin = [&](const HttpReply& reply) { return check_reply(wanted, reply, to_skip); },
                   .sink = take,
                   .keep_going = wanted.keep_going},
                  failure);
}

Expected<TextPage> fetch_text(const std::string& url, const std::string& token, const std::string& proxy,
                              std::size_t max_bytes, const std::function<bool()>& keep_going, HttpFailure& failure) {
  TextPage page;
  const auto begin = [&](const HttpReply& reply) -> Expected<void> {
    if (reply.status != 200) return status_error(url, reply.status);
    page.next = reply.next;
    return {};
  };
  const auto take = [&](std::span<const std::byte> bytes) -> Expected<void> {
    if (page.text.size() + bytes.size() > max_bytes)
      return fail(Code::too_long, "download: " + url + ": more than " + std::to_string(max_bytes) + " bytes");
    page.text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  };
  HEED_TRY(http_get(
      {.url = url, .token = token, .proxy = proxy, .begin = begin, .sink = take, .keep_going = keep_going}, failure));
  return page;
}

}  // namespace heed
