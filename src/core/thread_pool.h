// thread_pool.h -- a fixed team of compute threads with a cheap barrier. Created by the app, passed down, never global.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace heed {

/// Runs one parallel region at a time; the calling thread is worker 0. Regions must not nest.
class ThreadPool {
 public:
  /// threads >= 1; 0 means: as many as this process may use (affinity and cgroup quota).
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const noexcept { return threads_; }

  /// Calls f(begin, end, worker) for disjoint ranges that cover [0, n), each at most `grain` long, handed out in
  /// order as workers become free. Results must not depend on which worker runs which range.
  template <class F>
  void parallel_for(std::int64_t n, std::int64_t grain, F&& f) {
    if (n <= 0) return;
    if (threads_ == 1 || n <= grain) {
      f(std::int64_t{0}, n, 0);
      return;
    }
    run(
        n, grain,
        [](void* c, std::int64_t b, std::int64_t e, int w) { (*static_cast<std::remove_reference_t<F>*>(c))(b, e, w); },
        const_cast<void*>(static_cast<const void*>(&f)));
  }

  /// Threads that this process may really use: affinity mask and cgroup CPU quota, at least 1.
  static int usable_cpus() noexcept;

 private:
  using Body = void (*)(void*, std::int64_t, std::int64_t, int);
  void run(std::int64_t n, std::int64_t grain, Body body, void* context);
  void work(int worker) noexcept;
  void loop(int worker) noexcept;

  int threads_;
  bool is_crowded_;
  std::vector<std::thread> team_;
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  alignas(64) std::atomic<int> running_{0};
  alignas(64) std::atomic<std::int64_t> next_{0};
  std::int64_t n_ = 0, grain_ = 1;
  Body body_ = nullptr;
  void* context_ = nullptr;
  std::atomic<bool> stop_{false};
};

}  // namespace heed
