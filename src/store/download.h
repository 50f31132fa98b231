// download.h -- one file over HTTP(S): resumed by Range, refused early when it cannot be the wanted one; and small
// texts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/expected.h"
#include "store/http.h"

namespace heed {

struct Download {
  std::string url, token, proxy;  // as HttpGet's
  std::int64_t offset = 0;        // bytes that are here already
  std::int64_t size_bytes = 0;    // of the whole file; a server that announces another size is refused
  /// Gets the bytes from `offset` on, in order.
  std::function<Expected<void>(std::span<const std::byte>)> sink;
  /// Asked some times a second; false cancels.
  std::function<bool()> keep_going;
};

/// Fails with the sink's own error when the sink refuses, `cancelled` when keep_going says so, unauthorized (401, 403),
/// not_found (404), else io.
Expected<void> download(const Download& wanted, HttpFailure& failure);

struct TextPage {
  std::string text, next;  // next: URL of the page that follows; empty: the last one
};

/// A text of at most `max_bytes`. Errors as download's, and too_long.
Expected<TextPage> fetch_text(const std::string& url, const std::string& token, const std::string& proxy,
                              std::size_t max_bytes, const std::function<bool()>& keep_going, HttpFailure& failure);

}  // namespace heed
