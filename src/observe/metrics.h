// metrics.h -- what the server counts, in Prometheus' text format. Safe from any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace heed {

/// Read at the moment of a scrape.
struct EngineGauges {
  std::int64_t running = 0, queued = 0, models_loaded = 0;
  std::int64_t disk_pages = 0, disk_bytes = 0;  // shared by all models
};

class Metrics {
 public:
  explicit Metrics(const std::string& version);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  /// `route` is a pattern of the router or "other": clients cannot make series.
  void request_done(const std::string& route, std::int32_t status, double milliseconds);
  void requests_in_flight(std::int64_t now);
  void connections(std::int64_t open);
  void tokens(std::int64_t prompt, std::int64_t cached, std::int64_t completion);
  void guesses(std::int64_t drafted, std::int64_t accepted);
  void first_token(double milliseconds);
  void between_tokens(double milliseconds);
  void generation_done(const std::string& finish_reason);

  /// text/plain; version=0.0.4
  std::string text(const EngineGauges& gauges);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace heed
