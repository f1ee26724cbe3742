// SPDX-License-Identifier: Apache-2.0

#pragma once

/// Everything that an application needs.

#include "puma/actors/command_driven_runnable.hpp"
#include "puma/actors/dead_letter.hpp"
#include "puma/actors/exit_record.hpp"
#include "puma/actors/functions.hpp"
#include "puma/actors/future.hpp"
#include "puma/actors/late_ticks.hpp"
#include "puma/actors/monitor_runnable.hpp"
#include "puma/actors/multi_buffer_servicing_runnable.hpp"
#include "puma/actors/overload.hpp"
#include "puma/actors/proxy.hpp"
#include "puma/actors/remote.hpp"
#include "puma/actors/runnable.hpp"
#include "puma/actors/runner.hpp"
#include "puma/actors/single_buffer_servicing_runnable.hpp"
#include "puma/actors/source_runnable.hpp"
#include "puma/actors/supervision_event.hpp"
#include "puma/actors/supervision_policy.hpp"
#include "puma/actors/value_policy.hpp"
#include "puma/base/error.hpp"
#include "puma/base/failure.hpp"
#include "puma/buffers/buffer.hpp"
#include "puma/environments/environment.hpp"
#include "puma/environments/main.hpp"
#include "puma/environments/process_environment.hpp"
#include "puma/environments/runtime.hpp"
#include "puma/environments/supervisor_environment.hpp"
#include "puma/environments/thread_environment.hpp"
#include "puma/logging/log.hpp"
