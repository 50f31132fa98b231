// progress.h -- a progress bar on a terminal; silence elsewhere.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace heed {

/// "491.4 MB", "12.0 kB".
std::string human_bytes(std::int64_t bytes);

/// One line on stderr, redrawn at most ten times a second: what, bar, bytes, speed, time left.
class ProgressBar {
 public:
  explicit ProgressBar(std::string title);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(const std::string& what, std::int64_t done_bytes, std::int64_t total_bytes);
  /// Clears the line, so that a message can follow.
  void clear();

 private:
  using Time = std::chrono::steady_clock::time_point;
  std::string title_, what_;
  bool is_terminal_, is_drawn_ = false;
  Time drawn_at_ = {}, began_at_ = {};
  std::int64_t began_bytes_ = 0;
};

}  // namespace heed
