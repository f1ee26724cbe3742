# SPDX-License-Identifier: Apache-2.0

# The examples: one puma_example(...) each. Paths are relative to examples/.
