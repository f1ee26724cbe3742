# SPDX-License-Identifier: Apache-2.0

# The benchmarks: one puma_benchmark(...) or puma_bench_program(...) each. Paths
# are relative to benchmarks/.
