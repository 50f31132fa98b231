// conversations.cc -- one table, one statement a deed: what must hold together is one statement, so no lock of our own.
#include "store/conversations.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>

namespace heed {
namespace {

constexpr std::size_t kMaxIdBytes = 64;
constexpr int kBusyMs = 5000;
constexpr const char* kSchema =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;"
    "CREATE TABLE IF NOT EXISTS conversations("
    "tenant TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY(tenant, id))";
constexpr const char* kList = "SELECT document FROM conversations WHERE tenant = ?1 AND id > ?2 ORDER BY id";
constexpr const char* kPut =
    "INSERT INTO conversations(tenant, id, document) SELECT ?1, ?2, ?3 WHERE length(CAST(?3 AS BLOB)) + "
    "(SELECT coalesce(sum(octets), 0) FROM (SELECT length(CAST(document AS BLOB)) AS octets FROM conversations "
    "WHERE tenant = ?1 AND id <> ?2)) <= ?4 "
    "ON CONFLICT(tenant, id) DO UPDATE SET document = excluded.document RETURNING 1";
constexpr const char* kRemove = "DELETE FROM conversations WHERE tenant = ?1 AND id = ?2 RETURNING 1";

Error sql_error(const char* what, int code) {
  return fail((code & 0xff) == SQLITE_BUSY ? Code::busy : Code::io,
              std::string("conversations: ") + what + ": " + sqlite3_errstr(code));
}

/// One run of one statement.
class Statement {
 public:
  Statement(sqlite3* database, const char* sql) { code_ = sqlite3_prepare_v2(database, sql, -1, &statement_, nullptr); }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  /// `text` must outlive the statement.
  Statement& bind(int place, std::string_view text) {
    const char* bytes = text.data() == nullptr ? "" : text.data();  // null would be NULL
    if (code_ == SQLITE_OK)
      code_ = sqlite3_bind_text64(statement_, place, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8);
    return *this;
  }
  Statement& bind(int place, std::int64_t number) {
    if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_, place, number);
    return *this;
  }
  /// True: a row; false: the end or an error.
  bool step() {
    if (code_ != SQLITE_OK && code_ != SQLITE_ROW) return false;
    code_ = sqlite3_step(statement_);
    return code_ == SQLITE_ROW;
  }
  bool has_failed() const noexcept { return code_ != SQLITE_OK && code_ != SQLITE_ROW && code_ != SQLITE_DONE; }
  int code() const noexcept { return code_; }
  std::string text() {
    const unsigned char* bytes = sqlite3_column_text(statement_, 0);
    const int size = sqlite3_column_bytes(statement_, 0);
    return bytes == nullptr ? std::string()
                            : std::string(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  int code_ = SQLITE_OK;
};

}  // namespace

void ConversationStore::Close::operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }

bool is_conversation_id(std::string_view id) noexcept {
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Expected<std::unique_ptr<ConversationStore>> ConversationStore::open(const std::string& path,
                                                                     ConversationLimits limits) {
  sqlite3* opened = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_EXRESCODE;
  const int opening = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  Database database(opened);
  const auto failed = [&](int code) {
    return fail(Code::io, "conversations: cannot open " + path + ": " + sqlite3_errstr(code), path);
  };
  if (opening != SQLITE_OK) return failed(opening);
  // Before anything is written: the files beside it (the log) take their mode from it.
  std::error_code error;
  std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write, error);
  if (error) return fail(Code::io, "conversations: cannot make " + path + " private: " + error.message(), path);
  sqlite3_busy_timeout(opened, kBusyMs);
  if (const int made = sqlite3_exec(opened, kSchema, nullptr, nullptr, nullptr); made != SQLITE_OK) return failed(made);
  return std::unique_ptr<ConversationStore>(new ConversationStore(std::move(database), limits));
}

Expected<ConversationPage> ConversationStore::list(std::string_view tenant, std::string_view after) const {
  ConversationPage page;
  Statement rows(database_.get(), kList);
  rows.bind(1, tenant).bind(2, after);
  std::size_t bytes = 0;
  while (rows.step()) {
    if (bytes >= limits_.page_bytes) {
      page.has_more = true;
      return page;
    }
    page.documents.push_back(rows.text());
    bytes += page.documents.back().size();
  }
  if (rows.has_failed()) return sql_error("cannot list", rows.code());
  return page;
}

Expected<void> ConversationStore::put(std::string_view tenant, std::string_view id, std::string_view document) {
  if (!is_conversation_id(id)) {
    return fail(Code::invalid_argument, "conversations: an id is 1 to 64 letters, digits, - and _", "id");
  }
  if (document.size() > limits_.document_bytes) {
    return fail(Code::too_long, "conversations: one of " + std::to_string(document.size()) + " bytes; at most " +
                                    std::to_string(limits_.document_bytes) + " are kept");
  }
  Statement put(database_.get(), kPut);
  put.bind(1, tenant).bind(2, id).bind(3, document).bind(4, limits_.tenant_bytes);
  const bool is_kept = put.step();
  while (put.step()) {  // to its end, or the change is undone
  }
  if (put.has_failed()) return sql_error("cannot keep", put.code());
  if (is_kept) return {};
  return fail(Code::too_long,
              "conversations: more than " + std::to_string(limits_.tenant_bytes) + " bytes in all; remove some first");
}

Expected<bool> ConversationStore::remove(std::string_view tenant, std::string_view id) {
  Statement removal(database_.get(), kRemove);
  removal.bind(1, tenant).bind(2, id);
  const bool was_there = removal.step();
  while (removal.step()) {
  }
  if (removal.has_failed()) return sql_error("cannot remove", removal.code());
  return was_there;
}

}  // namespace heed
