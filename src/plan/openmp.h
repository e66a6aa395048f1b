#pragma once

// Of OpenMP, whose runtime libtorch and oneDNN share; its header comes with each compiler separately.

extern "C" {
int omp_get_max_threads();
void omp_set_num_threads(int threads);  // of regions that the calling thread opens
}
