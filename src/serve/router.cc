// router.cc -- a linear walk: a few dozen routes, a few segments each.
#include "serve/router.h"

#include <algorithm>
#include <span>

#include "serve/http_grammar.h"

namespace heed {
namespace {

bool matches(const std::vector<std::string>& parts, std::span<const std::string_view> segments) {
  if (parts.size() != segments.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] != "{}" && parts[i] != segments[i]) return false;
  }
  return true;
}

std::vector<std::string> arguments_of(const std::vector<std::string>& parts,
                                      std::span<const std::string_view> segments) {
  std::vector<std::string> arguments;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "{}") arguments.push_back(decode_segment(segments[i]));
  }
  return arguments;
}

}  // namespace

void Router::add(Route route) {
  std::vector<std::string> parts;
  std::string_view rest = std::string_view(route.pattern).substr(1);
  while (!rest.empty()) {
    const std::size_t slash = rest.find('/');
    parts.emplace_back(rest.substr(0, slash));
    rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
  }
  parts_.push_back(std::move(parts));
  routes_.push_back(std::move(route));
}

Router::Match Router::find(std::string_view method, const std::vector<std::string_view>& segments) const {
  std::span<const std::string_view> path(segments);
  if (path.size() > 1 && path.front() == "v1") path = path.subspan(1);
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Match match;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (!matches(parts_[i], path)) continue;
    match.allowed.push_back(routes_[i].method);
    if (routes_[i].method == "GET") match.allowed.emplace_back("HEAD");
    if (match.route != nullptr || routes_[i].method != wanted) continue;
    match.route = &routes_[i];
    match.arguments = arguments_of(parts_[i], path);
  }
  return match;
}

}  // namespace heed
