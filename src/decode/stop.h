// stop.h -- stop strings over a stream of text pieces: text that may be the beginning of one is held back.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/expected.h"

namespace heed {

/// The result depends on the text only, never on how it was cut into pieces. The first stop string to be complete wins
/// (of several complete at the same byte: the longest); its text and everything after it is dropped.
class StopMatcher {
 public:
  static constexpr std::size_t kMaxStops = 64;
  static constexpr std::size_t kMaxStopBytes = 1024;

  /// No stop strings: everything passes. Refuses empty and over-long strings, too many, and such that begin inside a
  /// UTF-8 character (whole characters could be cut).
  static Expected<StopMatcher> make(std::vector<std::string> stops);

  /// Text that became certain with this piece. Pieces of whole characters give whole characters.
  std::string push(std::string_view piece);
  /// The end of the text: what was held back belongs to it.
  std::string finish();
  bool has_matched() const noexcept { return matched_ >= 0; }
  /// Index of the stop string that matched, or -1.
  int matched() const noexcept { return matched_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;  // a proper prefix of some stop string; at most kMaxStopBytes
  int matched_ = -1;
};

}  // namespace heed
