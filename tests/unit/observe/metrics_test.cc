// metrics_test.cc -- the text that Prometheus reads.
#include "observe/metrics.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

bool has(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line) != std::string::npos;
}

TEST(Metrics, CountsWhatHappened) {
  Metrics metrics("1.2.3");
  metrics.request_done("/models", 200, 12);
  metrics.request_done("/models", 200, 12);
  metrics.request_done("/models", 404, 12);
  metrics.requests_in_flight(2);
  metrics.requests_in_flight(1);
  metrics.connections(7);
  metrics.tokens(10, 4, 3);
  metrics.guesses(7, 5);
  metrics.first_token(20);
  metrics.between_tokens(2);
  metrics.generation_done("stop");
  const std::string text = metrics.text({.running = 2, .queued = 5, .models_loaded = 1});
  EXPECT_TRUE(has(text, "heed_http_requests_total{code=\"200\",route=\"/models\"} 2")) << text;
  EXPECT_TRUE(has(text, "heed_http_requests_total{code=\"404\",route=\"/models\"} 1"));
  EXPECT_TRUE(has(text, "heed_http_requests_in_flight 1"));
  EXPECT_TRUE(has(text, "heed_http_connections 7"));
  EXPECT_TRUE(has(text, "heed_tokens_total{kind=\"prompt\"} 10"));
  EXPECT_TRUE(has(text, "heed_tokens_total{kind=\"cached\"} 4"));
  EXPECT_TRUE(has(text, "heed_tokens_total{kind=\"completion\"} 3"));
  EXPECT_TRUE(has(text, "heed_speculated_tokens_total{kind=\"drafted\"} 7"));
  EXPECT_TRUE(has(text, "heed_speculated_tokens_total{kind=\"accepted\"} 5"));
  EXPECT_TRUE(has(text, "heed_time_to_first_token_seconds_count 1"));
  EXPECT_TRUE(has(text, "heed_time_between_tokens_seconds_count 1"));
  EXPECT_TRUE(has(text, "heed_sequences_running 2"));
  EXPECT_TRUE(has(text, "heed_sequences_queued 5"));
  EXPECT_TRUE(has(text, "heed_generations_total{reason=\"stop\"} 1"));
  EXPECT_TRUE(has(text, "heed_build_info{version=\"1.2.3\"} 1"));
}

}  // namespace
}  // namespace heed
