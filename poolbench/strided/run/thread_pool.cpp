#include "run/thread_pool.h"

#include <pthread.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace poolbench {
namespace {

using Task = std::uint64_t (*)(void*, int);

// How often a thread looks for what it waits for before it sleeps: to wake up takes longer than a small pass. Between
// two looks it offers its core to others, since the one it waits for may be queueing there. A worker looks for some
// 20 µs after its part, so that calls in a row find it awake; from then on it leaves the core alone.
constexpr int kLooksForEnd = 400;
constexpr int kLooksForWork = 60;

// A scheduler may wake a worker on the caller's core and leave it there, where each waits for the other. A worker that
// meets the caller so often in a row moves on to any other core that it may use; it is not bound to that one.
constexpr int kMeetings = 4;

#if defined(__linux__)
int current_core() { return sched_getcpu(); }

void leave_core(int core) {
  cpu_set_t allowed;
  if (core < 0 || core >= CPU_SETSIZE) return;
  if (pthread_getaffinity_np(pthread_self(), sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<std::size_t>(core), &others);
  pthread_setaffinity_np(pthread_self(), sizeof others, &others);
  pthread_setaffinity_np(pthread_self(), sizeof allowed, &allowed);
}
#else
int current_core() { return -1; }
void leave_core(int) {}
#endif

class Pool {
 public:
  std::uint64_t run(Task task, void* context, int parts) {
    const std::lock_guard<std::mutex> only_caller(caller_);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (workers_ < parts - 1) {
        std::thread(&Pool::work, this, workers_ + 1, turn_.load()).detach();
        ++workers_;
      }
      task_ = task;
      context_ = context;
      parts_ = parts;
      callers_core_ = current_core();
      sum_.store(0, std::memory_order_relaxed);
      pending_.store(parts - 1, std::memory_order_relaxed);
      ++turn_;
    }
    begin_.notify_all();
    const std::uint64_t own = task(context, 0);
    for (int look = 0; look < kLooksForEnd && pending_.load(std::memory_order_acquire) > 0; ++look) {
      std::this_thread::yield();
    }
    if (pending_.load(std::memory_order_acquire) > 0) {
      std::unique_lock<std::mutex> lock(mutex_);
      end_.wait(lock, [this] { return pending_.load(std::memory_order_acquire) == 0; });
    }
    return own + sum_.load(std::memory_order_relaxed);
  }

 private:
  void work(int index, std::uint64_t seen) {
    int meetings = 0;
    for (;;) {
      for (int look = 0; look < kLooksForWork && turn_.load(std::memory_order_acquire) == seen; ++look) {
        std::this_thread::yield();
      }
      Task task;
      void* context;
      int callers_core;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        begin_.wait(lock, [&] { return turn_ != seen; });
        seen = turn_;
        if (index >= parts_) continue;
        task = task_;
        context = context_;
        callers_core = callers_core_;
      }
      meetings = callers_core >= 0 && callers_core == current_core() ? meetings + 1 : 0;
      if (meetings == kMeetings) {
        leave_core(callers_core);
        meetings = 0;
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
  std::atomic<std::uint64_t> turn_{0};  // changed under the mutex, looked at without
  Task task_ = nullptr;
  void* context_ = nullptr;
  int parts_ = 0;
  int callers_core_ = -1;
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

}  // namespace poolbench
