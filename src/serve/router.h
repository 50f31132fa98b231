// router.h -- from method and path to a handler. Every path stands with and without /v1.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/api_error.h"
#include "serve/http.h"

namespace heed {

struct DialectShape;

using RequestPointer = std::shared_ptr<const HttpRequest>;
using WriterPointer = std::shared_ptr<ResponseWriter>;
using RouteHandler = std::function<void(const RequestPointer&, const WriterPointer&)>;

/// Who may call it. Without keys configured both are open.
enum class Access : unsigned char { keyed, open };

struct Route {
  std::string method;
  std::string pattern;  // "/models/{}": a {} part matches one segment
  Access access = Access::keyed;
  RouteHandler handler;
  HttpResponse (*refuse)(const ApiError& error) = to_response;  // errors in the shape of the route's API
  const DialectShape* shape = nullptr;                          // of the body, where it is another API's
};

class Router {
 public:
  struct Match {
    const Route* route = nullptr;        // nullptr: no such path or method
    std::vector<std::string> arguments;  // decoded {} parts
    std::vector<std::string> allowed;    // methods of this path; empty: no such path
  };

  void add(Route route);
  /// `segments` of split_path. HEAD finds GET's route. A literal part matches only its plain spelling.
  Match find(std::string_view method, const std::vector<std::string_view>& segments) const;
  const std::vector<Route>& routes() const noexcept { return routes_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> parts_;  // of each route's pattern
};

}  // namespace heed
