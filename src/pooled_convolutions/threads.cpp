#include "common.h"

extern "C" void use_threads(void (*team)(Task, void*, unsigned, unsigned), int (*size)(), int (*member)()) {
  omp_team = team;
  omp_size = size;
  omp_member = member;
}
