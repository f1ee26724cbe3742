# SPDX-License-Identifier: Apache-2.0

# Test executables of the sources in PUMA_LOCKCORE_SOURCES, which include no
# CAF. Paths are relative to tests/, so these begin with tsan/.
