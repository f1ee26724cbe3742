// SPDX-License-Identifier: Apache-2.0

#pragma once

#include "puma/actors/internal/registry.hpp"
#include "puma/environments/internal/node.hpp"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace puma::internal {

/// A worker process: runs runnables on behalf of the owner, which it ends with.
class worker_node final : public node {
 public:
  using run_id = std::uint64_t;

  /// `descriptor` leads to the owner; `directory` is where the sockets are of
  /// the processes of this host, unless the owner is one of them.
  worker_node(io_loop& loop, io_loop& link_loop, registry& runs,
              std::shared_ptr<run_starter> starter, node_id self,
              int descriptor, std::string directory);

  ~worker_node() override;

  /// Waits until the owner says that it is over; false when the owner is gone.
  bool wait_for_exit();

  // -- implementation of port_context -----------------------------------------

  void export_buffer(encoder& to, const detail::buffer_core_ptr& x) override;
  detail::buffer_core_ptr import_buffer(decoder& from,
                                        const detail::value_ops& ops) override;
  void tell_home(buffer_id id, note what, std::uint64_t epoch) override;
  void when_passed_on_from(port& x, std::function<void()> done) override;

 protected:
  void on_control(const connection_ptr& from, const frame_header& head,
                  connection::bytes body) override;
  void on_control_lost(const connection_ptr& who,
                       const std::string& why) override;
  void on_fault(node_id who, const std::string& why) override;
  void dial(node_id peer, const connection_ptr& pending) override;
  void dial_otherwise(node_id peer, std::uint64_t slot) override;
  void on_cut(node_id who) override;
  bool may_leave(const port& x) override;
  void forward(node_id to, connection::bytes piece) override;
  void carry(node_id to, std::shared_ptr<const encoder> piece,
             bool is_call) override;

 private:
  class run;
  enum class phase { at_work, dismissed, orphaned };

  void tell(node_frame what, std::uint64_t to, const encoder& body);
  void ask_to_dial(node_id peer, std::uint64_t slot, bool by_owner);
  void on_welcome(decoder& in);
  void on_start(run_id id, decoder& in);
  void on_signal(run_id id, wake::bits what);
  void on_status_seen(run_id id, std::uint32_t which);
  void on_ping();
  void on_port(node_frame what, buffer_id id, decoder& in);
  void report_end(run_id id, const failure* error, bool untaken,
                  buffer_id failed_input);
  void forget(run_id id, std::string how);

  /// Gets the ports of handles that this thread decodes, while it starts a
  /// runnable; otherwise null.
  static std::vector<port_ptr>*& imported() noexcept;

  registry& runs_;
  const std::shared_ptr<run_starter> starter_;
  const std::string directory_; // of the sockets; empty: the owner's
  connection_ptr control_;

  std::mutex mutex_;
  std::condition_variable changed_;
  phase phase_ = phase::at_work;
  std::map<run_id, registry::record_ptr> live_;
};

} // namespace puma::internal
