#include "stream_pool.h"

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace poolbench::stream {
namespace {

using Task = std::uint64_t (*)(void*, int);

// The caller looks this often for the others' end before it sleeps: waking up costs more than a small pass.
constexpr int kLooks = 4000;

inline void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

class Pool {
 public:
  std::uint64_t run(Task task, void* context, int parts) {
    const std::lock_guard<std::mutex> only_caller(caller_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (workers_ < parts - 1) {
        std::thread(&Pool::work, this, workers_ + 1, turn_).detach();
        ++workers_;
      }
      task_ = task;
      context_ = context;
      parts_ = parts;
      sum_.store(0, std::memory_order_relaxed);
      pending_.store(parts - 1, std::memory_order_relaxed);
      ++turn_;
    }
    begin_.notify_all();
    const std::uint64_t own = task(context, 0);
    for (int look = 0; look < kLooks && pending_.load(std::memory_order_acquire) > 0; ++look) pause();
    if (pending_.load(std::memory_order_acquire) > 0) {
      std::unique_lock<std::mutex> lock(mutex_);
      end_.wait(lock, [this] { return pending_.load(std::memory_order_acquire) == 0; });
    }
    return own + sum_.load(std::memory_order_relaxed);
  }

 private:
  void work(int index, std::uint64_t seen) {
    for (;;) {
      Task task;
      void* context;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        begin_.wait(lock, [&] { return turn_ != seen; });
        seen = turn_;
        if (index >= parts_) continue;
        task = task_;
        context = context_;
      }
      sum_.fetch_add(task(context, index), std::memory_order_relaxed);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        const std::lock_guard<std::mutex> lock(mutex_);  // or the caller could fall asleep after the notice
        end_.notify_one();
      }
    }
  }

  std::mutex caller_;
  std::mutex mutex_;
  std::condition_variable begin_, end_;
  int workers_ = 0;
  std::uint64_t turn_ = 0;
  Task task_ = nullptr;
  void* context_ = nullptr;
  int parts_ = 0;
  std::atomic<int> pending_{0};
  std::atomic<std::uint64_t> sum_{0};
};

// Never destroyed: its threads may still wait in it when the process ends. A forked child has none of the threads,
// so it forgets the pool, whatever state its locks were in.
std::atomic<Pool*> pool{nullptr};

void forget_pool() { pool.store(nullptr); }

Pool& current_pool() {
  static const int registered = pthread_atfork(nullptr, nullptr, forget_pool);
  (void)registered;
  Pool* known = pool.load();
  if (known == nullptr) {
    auto* fresh = new Pool;
    if (pool.compare_exchange_strong(known, fresh)) return *fresh;
    delete fresh;
  }
  return *known;
}

}  // namespace

std::uint64_t run_in_parallel(Task task, void* context, int parts) {
  if (parts == 1) return task(context, 0);
  return current_pool().run(task, context, parts);
}

}  // namespace poolbench::stream
