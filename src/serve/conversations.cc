// conversations.cc -- /v1/conversations: what the page keeps on the server. Each API key sees its own alone.
#include "store/conversations.h"

#include "serve/json_out.h"
#include "serve/service.h"

namespace heed {
namespace {

HttpResponse refusal(const Error& error) {
  ApiError made = from_error(error);
  if (error.code == Code::too_long) made = ApiError{.status = 413, .message = error.text, .code = "storage_full"};
  return to_response(made);
}

HttpResponse list_response(const ConversationStore& store, const HttpRequest& request) {
  constexpr std::string_view kAfter = "after=";
  std::string_view after = request.query;
  if (after.starts_with(kAfter)) after.remove_prefix(kAfter.size());
  if (!after.empty() && !is_conversation_id(after)) {
    return to_response(invalid_value("after", "after: expected the id of a conversation"));
  }
  const auto page = store.list(request.tenant, after);
  if (!page) return refusal(page.error());
  JsonOut out;
  out.open_object().member("object", "list").key("data").open_array();
  for (const std::string& document : page->documents) out.raw(document);
  out.close_array().member("has_more", page->has_more).close_object();
  return HttpResponse{.body = out.take()};
}

HttpResponse put_response(ConversationStore& store, const HttpRequest& request) {
  const std::string& id = request.arguments[0];
  Json body;
  if (auto error = parse_body(request.body, body)) return to_response(*error);
  const auto named = body.find("id");
  if (named == body.end() || *named != id) {
    return to_response(invalid_value("id", "id: expected the path's, \"" + id.substr(0, 100) + "\""));
  }
  if (const auto kept = store.put(request.tenant, id, request.body); !kept) return refusal(kept.error());
  JsonOut out;
  out.open_object().member("id", id).member("object", "conversation").close_object();
  return HttpResponse{.body = out.take()};
}

HttpResponse remove_response(ConversationStore& store, const HttpRequest& request) {
  const auto removed = store.remove(request.tenant, request.arguments[0]);
  if (!removed) return refusal(removed.error());
  JsonOut out;
  out.open_object().member("id", request.arguments[0]).member("object", "conversation.deleted");
  out.member("deleted", *removed).close_object();
  return HttpResponse{.body = out.take()};
}

}  // namespace

void add_conversation_routes(Router& router, ConversationStore& store) {
  router.add({"GET", "/conversations", Access::keyed,
              [&store](const auto& request, const auto& writer) { writer->send(list_response(store, *request)); }});
  router.add({"PUT", "/conversations/{}", Access::keyed,
              [&store](const auto& request, const auto& writer) { writer->send(put_response(store, *request)); }});
  router.add({"DELETE", "/conversations/{}", Access::keyed,
              [&store](const auto& request, const auto& writer) { writer->send(remove_response(store, *request)); }});
}

}  // namespace heed
