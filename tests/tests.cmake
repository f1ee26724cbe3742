# SPDX-License-Identifier: Apache-2.0

# The test executables: one puma_test(...) or puma_compile_fail(...) each. Paths
# are relative to tests/.
