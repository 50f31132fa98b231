// metrics.cc -- families of prometheus-cpp.
#include "observe/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace heed {
namespace {

using prometheus::Histogram;

// Seconds. From a small model's step to a long prompt on a slow machine.
const Histogram::BucketBoundaries& step_buckets() {
  static const Histogram::BucketBoundaries buckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
  return buckets;
}

const Histogram::BucketBoundaries& wait_buckets() {
  static const Histogram::BucketBoundaries buckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                      1,     2.5,  5,     10,   30,  60,   120};
  return buckets;
}

}  // namespace

struct Metrics::Impl {
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;
  using Histograms = prometheus::Family<Histogram>;

  Counters& counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }
  Gauges& gauges(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }
  Histograms& histograms(const char* name, const char* help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  prometheus::Registry registry;
  Counters& requests = counters("heed_http_requests_total", "Answered requests by route and status");
  Histograms& durations = histograms("heed_http_request_seconds", "From the request to the end of its answer");
  prometheus::Gauge& in_flight = gauges("heed_http_requests_in_flight", "Requests being answered").Add({});
  prometheus::Gauge& open = gauges("heed_http_connections", "Open connections").Add({});
  Counters& tokens = counters("heed_tokens_total", "Tokens by kind; cached ones are part of the prompt's");
  prometheus::Counter& prompt = tokens.Add({{"kind", "prompt"}});
  prometheus::Counter& cached = tokens.Add({{"kind", "cached"}});
  prometheus::Counter& completion = tokens.Add({{"kind", "completion"}});
  Counters& guesses = counters("heed_speculated_tokens_total", "Guessed tokens: drafted, and accepted of these");
  prometheus::Counter& drafted = guesses.Add({{"kind", "drafted"}});
  prometheus::Counter& accepted = guesses.Add({{"kind", "accepted"}});
  Counters& finished = counters("heed_generations_total", "Finished generations by reason");
  Histogram& first =
      histograms("heed_time_to_first_token_seconds", "From submission to the first token").Add({}, wait_buckets());
  Histogram& between =
      histograms("heed_time_between_tokens_seconds", "Between two tokens of one answer").Add({}, step_buckets());
  prometheus::Gauge& running = gauges("heed_sequences_running", "Sequences in the current step").Add({});
  prometheus::Gauge& queued = gauges("heed_sequences_queued", "Sequences that wait").Add({});
  prometheus::Gauge& disk_pages = gauges("heed_disk_pages", "Pages of keys and values on disk").Add({});
  prometheus::Gauge& disk_bytes = gauges("heed_disk_page_bytes", "Bytes of these pages").Add({});
  prometheus::Gauge& models = gauges("heed_models_loaded", "Models in memory").Add({});
};

Metrics::Metrics(const std::string& version) : impl_(std::make_unique<Impl>()) {
  impl_->gauges("heed_build_info", "Always 1").Add({{"version", version}}).Set(1);
}

Metrics::~Metrics() = default;

void Metrics::request_done(const std::string& route, std::int32_t status, double milliseconds) {
  impl_->requests.Add({{"route", route}, {"code", std::to_string(status)}}).Increment();
  impl_->durations.Add({{"route", route}}, wait_buckets()).Observe(milliseconds / 1000);
}

void Metrics::requests_in_flight(std::int64_t now) { impl_->in_flight.Set(static_cast<double>(now)); }
void Metrics::connections(std::int64_t open) { impl_->open.Set(static_cast<double>(open)); }

void Metrics::tokens(std::int64_t prompt, std::int64_t cached, std::int64_t completion) {
  impl_->prompt.Increment(static_cast<double>(prompt));
  impl_->cached.Increment(static_cast<double>(cached));
  impl_->completion.Increment(static_cast<double>(completion));
}

void Metrics::guesses(std::int64_t drafted, std::int64_t accepted) {
  impl_->drafted.Increment(static_cast<double>(drafted));
  impl_->accepted.Increment(static_cast<double>(accepted));
}

void Metrics::first_token(double milliseconds) { impl_->first.Observe(milliseconds / 1000); }
void Metrics::between_tokens(double milliseconds) { impl_->between.Observe(milliseconds / 1000); }
void Metrics::generation_done(const std::string& finish_reason) {
  impl_->finished.Add({{"reason", finish_reason}}).Increment();
}

std::string Metrics::text(const EngineGauges& gauges) {
  impl_->running.Set(static_cast<double>(gauges.running));
  impl_->queued.Set(static_cast<double>(gauges.queued));
  impl_->disk_pages.Set(static_cast<double>(gauges.disk_pages));
  impl_->disk_bytes.Set(static_cast<double>(gauges.disk_bytes));
  impl_->models.Set(static_cast<double>(gauges.models_loaded));
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace heed
