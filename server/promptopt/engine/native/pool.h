// Threads that share the rows of each matrix product.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace promptopt {

// A product of a large network takes some 50 microseconds, waking a thread takes as long: so threads spin for a while before they sleep.
class Pool {
 public:
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(begin, end, thread) on every thread with its part of 0 ... count, and returns when all are done. One call at a time.
  template <class Work>
  void run(int count, const Work& work) {
    if (workers_.empty() || count < 2) {
      work(0, count, 0);
      return;
    }
    dispatch(count, [](const void* context, int begin, int end, int thread) { (*static_cast<const Work*>(context))(begin, end, thread); }, &work);
  }

 private:
  using Call = void (*)(const void*, int, int, int);
  void dispatch(int count, Call call, const void* context);
  void serve(int thread);
  void part(int thread) const;
  void wait(unsigned seen);

  Call call_ = nullptr;
  const void* context_ = nullptr;
  int count_ = 0;
  std::atomic<unsigned> round_{0};
  std::atomic<int> pending_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<bool> closing_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

}  // namespace promptopt
