// stop.cc -- a handful of stop strings, searched in what is held back plus the new piece.
#include "decode/stop.h"

#include <algorithm>

namespace heed {
namespace {

/// Length of the longest suffix of `text` that is a proper prefix of `stop`.
std::size_t open_bytes(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

Expected<StopMatcher> StopMatcher::make(std::vector<std::string> stops) {
  if (stops.size() > kMaxStops) {
    return fail(Code::invalid_argument,
                "stop: at most " + std::to_string(kMaxStops) + " strings, got " + std::to_string(stops.size()), "stop");
  }
  for (const std::string& stop : stops) {
    if (stop.empty()) return fail(Code::invalid_argument, "stop: a stop string must not be empty", "stop");
    if (stop.size() > kMaxStopBytes) {
      return fail(
          Code::invalid_argument,
          "stop: at most " + std::to_string(kMaxStopBytes) + " bytes a string, got " + std::to_string(stop.size()),
          "stop");
    }
    if ((static_cast<unsigned char>(stop[0]) & 0xC0u) == 0x80u) {
      return fail(Code::invalid_argument, "stop: a stop string must begin with a whole UTF-8 character", "stop");
    }
  }
  StopMatcher out;
  out.stops_ = std::move(stops);
  return out;
}

std::string StopMatcher::push(std::string_view piece) {
  if (has_matched()) return {};
  std::string text = std::move(held_);
  held_.clear();
  text += piece;
  std::size_t best_begin = 0, best_end = std::string::npos;
  for (std::size_t i = 0; i < stops_.size(); ++i) {
    const std::size_t begin = text.find(stops_[i]);
    if (begin == std::string::npos) continue;
    const std::size_t end = begin + stops_[i].size();
    const bool is_better = end < best_end || (end == best_end && begin < best_begin);
    if (!is_better) continue;
    best_begin = begin;
    best_end = end;
    matched_ = static_cast<int>(i);
  }
  if (has_matched()) {
    text.resize(best_begin);
    return text;
  }
  std::size_t open = 0;
  for (const std::string& stop : stops_) open = std::max(open, open_bytes(text, stop));
  held_ = text.substr(text.size() - open);
  text.resize(text.size() - open);
  return text;
}

std::string StopMatcher::finish() {
  std::string text = has_matched() ? std::string() : std::move(held_);
  held_.clear();
  return text;
}

}  // namespace heed
