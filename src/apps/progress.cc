// progress.cc -- the bar.
#include "apps/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace heed {
namespace {

constexpr int kBarWidth = 24;
constexpr auto kRedraw = std::chrono::milliseconds(100);

std::string human_seconds(double seconds) {
  if (seconds > 359'999) return "--:--";
  const int whole = static_cast<int>(std::lround(seconds));
  std::array<char, 32> text{};
  if (whole >= 3600) {
    std::snprintf(text.data(), text.size(), "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  } else {
    std::snprintf(text.data(), text.size(), "%d:%02d", whole / 60, whole % 60);
  }
  return text.data();
}

std::size_t terminal_columns() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

std::string human_bytes(std::int64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

ProgressBar::ProgressBar(std::string title) : title_(std::move(title)), is_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() { clear(); }

void ProgressBar::show(const std::string& what, std::int64_t done_bytes, std::int64_t total_bytes) {
  if (!is_terminal_) return;
  const Time now = std::chrono::steady_clock::now();
  if (what != what_) {  // a new phase: its speed is its own
    what_ = what;
    began_at_ = now;
    began_bytes_ = done_bytes;
  } else if (now - drawn_at_ < kRedraw) {
    return;
  }
  drawn_at_ = now;
  const double share = total_bytes > 0 ? static_cast<double>(done_bytes) / static_cast<double>(total_bytes) : 0;
  const int filled = std::clamp(static_cast<int>(share * kBarWidth), 0, kBarWidth);
  std::string line = title_ + " [" + std::string(static_cast<std::size_t>(filled), '#') +
                     std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "] " + human_bytes(done_bytes) +
                     " / " + human_bytes(total_bytes);
  const double seconds = std::chrono::duration<double>(now - began_at_).count();
  const double speed = seconds > 0.5 ? static_cast<double>(done_bytes - began_bytes_) / seconds : 0;
  if (speed > 1)
    line += "  " + human_bytes(static_cast<std::int64_t>(speed)) + "/s  " +
            human_seconds(static_cast<double>(total_bytes - done_bytes) / speed);
  line += "  " + what;
  line.resize(std::min(line.size(), terminal_columns() - 1));
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  is_drawn_ = true;
}

void ProgressBar::clear() {
  if (!is_drawn_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  is_drawn_ = false;
}

}  // namespace heed
