#include "kernels.h"

#include <cstring>

#if defined(__GNUC__) && defined(__x86_64__)
#define PROMPTOPT_X86 1
#include <immintrin.h>
#endif

#if defined(_MSC_VER) && !defined(__clang__)
#include <cmath>
#define __builtin_memcpy std::memcpy
#define __builtin_sqrtf std::sqrt
#define __builtin_erff std::erf
#define INLINE TARGET __forceinline
#else
#define INLINE TARGET inline __attribute__((always_inline))
#endif

#if defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 16")
// Numbers that are rounded here: compilers fuse a product with the sum behind it in one block and not in the next, and a row should have the same
// result in each.
#define SETTLE(array) asm volatile("" : "+m"(array))
#else
#define UNROLL
#define SETTLE(array)
#endif

#define STRING_OF(x) #x
#define STRING(x) STRING_OF(x)

namespace promptopt {
namespace {

#define VARIANT portable
#define TARGET
#define WIDE 4
#include "kernels.inc"
#undef VARIANT
#undef TARGET
#undef WIDE

#if PROMPTOPT_X86

#define VARIANT avx2
#define TARGET __attribute__((target("avx2,fma,f16c")))
#define WIDE 8
#define INT8_AVX2
#include "kernels.inc"
#undef VARIANT
#undef TARGET
#undef INT8_AVX2

#define VARIANT avx_vnni
#define TARGET __attribute__((target("avx2,fma,f16c,avxvnni")))
#define INT8_VNNI256 _mm256_dpbusd_avx_epi32
#include "kernels.inc"
#undef VARIANT
#undef TARGET
#undef WIDE
#undef INT8_VNNI256

#define VARIANT avx512_vnni
#define TARGET __attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define WIDE 16
#define INT8_VNNI512
#include "kernels.inc"
#undef VARIANT
#undef TARGET
#undef WIDE
#undef INT8_VNNI512

#endif

}  // namespace

const Kernels* available_kernels(int n) {
#if PROMPTOPT_X86
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512 && __builtin_cpu_supports("avx512vnni") && n-- == 0) return &avx512_vnni::kernels;
  if (avx2 && __builtin_cpu_supports("avxvnni") && n-- == 0) return &avx_vnni::kernels;
  if (avx2 && n-- == 0) return &avx2::kernels;
#endif
  return n == 0 ? &portable::kernels : nullptr;
}

const Kernels* find_kernels(const char* name) {
  const Kernels* found = nullptr;
  for (int n = 0; (found = available_kernels(n)) != nullptr; ++n)
    if (*name == '\0' || std::strcmp(name, found->name) == 0) return found;
  return nullptr;
}

}  // namespace promptopt
