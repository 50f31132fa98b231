// hub.h -- a hub of model repositories: what a repository holds, and where each file is fetched from.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "core/expected.h"
#include "core/file.h"
#include "store/hub_name.h"
#include "store/store.h"

namespace heed {

struct HubOptions {
  std::vector<std::string> endpoints = {"https://huggingface.co"};  // in order of preference: the hub, then mirrors
  std::string token;                                                // for the first endpoint alone
  std::string proxy;                                                // empty: as the environment says
};

/// HOME/hub.toml (endpoints, token, proxy), then HEED_HUB (comma-separated) and HEED_HUB_TOKEN in its place.
/// Errors: malformed (named key and line), unauthorized (a file with a token that others may read).
Expected<HubOptions> read_hub_options(const std::string& home, FileLayer& files);

class Hub {
 public:
  explicit Hub(HubOptions options) : options_(std::move(options)) {}

  /// All files of the repository, by {endpoint}/api/models/{owner}/{repo}/tree/{revision}. The first endpoint that
  /// answers counts. Errors: not_found, unauthorized, malformed, cancelled, io (each endpoint's reason).
  Expected<std::vector<HubFile>> list(const HubName& name, const std::function<bool()>& keep_going) const;
  /// One per endpoint: {endpoint}/{owner}/{repo}/resolve/{revision}/{file}.
  std::vector<CatalogSource> sources(const HubName& name, const std::string& file) const;

 private:
  Expected<std::vector<HubFile>> list_at(std::size_t endpoint, const HubName& name,
                                         const std::function<bool()>& keep_going) const;
  const std::string& token_of(std::size_t endpoint) const;
  HubOptions options_;
};

}  // namespace heed
