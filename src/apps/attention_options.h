// attention_options.h -- --attention, --window, --sinks and --budget of the subcommands that run a model.
#pragma once
#include <CLI/CLI.hpp>

#include "engine/engine.h"

namespace heed {

/// `policy` must outlive the parsing.
inline void add_attention_options(CLI::App& sub, AttentionPolicy& policy) {
  const std::map<std::string, AttentionKept> names = {{"full", AttentionKept::full},
                                                      {"window", AttentionKept::window},
                                                      {"topk_pages", AttentionKept::topk_pages},
                                                      {"big_bird", AttentionKept::big_bird}};
  sub.add_option("--attention", policy.kept, "full, or a lossy policy: window, topk_pages, big_bird")
      ->transform(CLI::CheckedTransformer(names).description(""));
  sub.add_option("--window", policy.window, "last tokens that stay visible")->check(CLI::Range(64, 1 << 24));
  sub.add_option("--sinks", policy.sinks, "first tokens that stay visible")->check(CLI::Range(0, 1 << 24));
  sub.add_option("--budget", policy.budget, "tokens in chosen or drawn pages")->check(CLI::Range(64, 1 << 24));
}

}  // namespace heed
