// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/middleman_loop.hpp"

#include "puma/base/error.hpp"

#include <caf/io/middleman.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/event_handler.hpp>
#include <caf/io/network/operation.hpp>

#include <utility>

namespace puma::internal {

namespace {

namespace net = caf::io::network;

class watched;

/// What others hold of a handler, which deletes itself.
class watched_handle final : public io_loop::handle {
 public:
  explicit watched_handle(net::default_multiplexer& loop) : loop_(loop) {}

  void want_write() override;
  void remove() override;
  void start();

  std::weak_ptr<watched_handle> self;
  watched* target = nullptr; // of the loop's thread

 private:
  template <class F>
  void on_loop(F f) {
    loop_.dispatch([keep = self.lock(), f] {
      if (keep->target)
        f(*keep->target);
    });
  }

  net::default_multiplexer& loop_;
};

/// One descriptor in the multiplexer.
class watched final : public net::event_handler {
 public:
  watched(net::default_multiplexer& loop, int descriptor,
          std::shared_ptr<io_client> client,
          std::shared_ptr<watched_handle> handle)
    : event_handler(loop, descriptor),
      client_(std::move(client)),
      handle_(std::move(handle)) {}

  void handle_event(net::operation op) override {
    if (over_)
      return;
    switch (op) {
    case net::operation::read:
      if (!client_->on_readable())
        remove();
      break;
    case net::operation::write:
      if (!client_->on_writable())
        backend().del(net::operation::write, fd(), this);
      break;
    case net::operation::propagate_error:
      remove();
      break;
    }
  }

  void removed_from_loop(net::operation) override {
    // A handler that waits for nothing is of no use to the multiplexer, which
    // may touch it once more in this round.
    if (!over_ || eventbf() != 0 || std::exchange(gone_, true))
      return;
    finish();
  }

  void graceful_shutdown() override { remove(); }

  void start() {
    if (!over_)
      activate();
  }

  void want_write() {
    if (!over_)
      backend().add(net::operation::write, fd(), this);
  }

  void remove() {
    if (std::exchange(over_, true))
      return;
    if (eventbf() == 0) {
      // Not in the loop yet, or not any more: nobody else would say so. What is
      // queued for it has to be settled first.
      backend().post([this] {
        if (eventbf() == 0 && !std::exchange(gone_, true))
          finish();
      });
    }
    backend().del(net::operation::read, fd(), this);
    backend().del(net::operation::write, fd(), this);
  }

 private:
  /// Not at once: the multiplexer is going through its changes, and must not
  /// get new ones from what the client does.
  void finish() {
    backend().post([this] {
      client_->on_removed();
      handle_->target = nullptr;
      delete this;
    });
  }

  std::shared_ptr<io_client> client_;
  std::shared_ptr<watched_handle> handle_;
  bool over_ = false;
  bool gone_ = false;
};

void watched_handle::want_write() {
  on_loop([](watched& x) { x.want_write(); });
}

void watched_handle::remove() {
  on_loop([](watched& x) { x.remove(); });
}

void watched_handle::start() {
  on_loop([](watched& x) { x.start(); });
}

class middleman_loop final : public io_loop {
 public:
  explicit middleman_loop(net::default_multiplexer& loop) : loop_(loop) {}

  handle_ptr watch(int descriptor, std::shared_ptr<io_client> client) override {
    auto result = std::make_shared<watched_handle>(loop_);
    result->self = result;
    result->target = new watched(loop_, descriptor, std::move(client), result);
    return result;
  }

  void start(const handle_ptr& x) override {
    static_cast<watched_handle&>(*x).start();
  }

  void post(std::function<void()> what) override {
    loop_.post(std::move(what));
  }

 private:
  net::default_multiplexer& loop_;
};

} // namespace

std::unique_ptr<io_loop> make_middleman_loop(caf::actor_system& system) {
  auto* loop = dynamic_cast<net::default_multiplexer*>(
    &system.middleman().backend());
  if (!loop)
    throw error{"runtime: the middleman has no multiplexer of its own"};
  return std::make_unique<middleman_loop>(*loop);
}

} // namespace puma::internal
