#pragma once

// Of OpenMP, whose runtime libtorch and oneDNN share; its header comes with each compiler separately.

extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);  // of regions that the calling thread opens
}

namespace vitrail {

/// The calling thread opens regions of one thread, as long as this lives.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace vitrail
