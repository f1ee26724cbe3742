// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/tls.hpp"

#include "puma/environments/node_error.hpp"

#include <cerrno>
#include <chrono>
#include <utility>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

namespace puma::internal {

namespace {

using session_ptr = std::unique_ptr<SSL, void (*)(SSL*)>;

std::string last_error() {
  const auto code = ERR_peek_last_error();
  const char* text = ERR_reason_error_string(code);
  return text != nullptr ? text : "reason unknown";
}

/// Whether the other side refused this side's certificate.
bool is_certificate_alert(int reason) {
  switch (reason) {
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
  case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
  case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
  case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
    return true;
  default:
    return false;
  }
}

/// A TLS session once both sides have agreed; what is passed on by a pump.
class tls_end final : public byte_end {
 public:
  tls_end(session_ptr session, owned_descriptor socket)
    : socket_(std::move(socket)),
      session_(std::move(session)) {}

  result read(bytes to) override {
    std::size_t n = 0;
    ERR_clear_error();
    const int ok = SSL_read_ex(session_.get(), to.data(), to.size(), &n);
    return judge(ok, n, read_events_);
  }

  result write(std::span<const std::byte> from) override {
    std::size_t n = 0;
    ERR_clear_error();
    const int ok = SSL_write_ex(session_.get(), from.data(), from.size(), &n);
    return judge(ok, n, write_events_);
  }

  void finish(int) noexcept override {
    ERR_clear_error();
    if (!failed_)
      SSL_shutdown(session_.get());
  }

  [[nodiscard]] int descriptor() const noexcept override {
    return socket_.get();
  }

  [[nodiscard]] short read_events() const noexcept override {
    return read_events_;
  }

  [[nodiscard]] short write_events() const noexcept override {
    return write_events_;
  }

 private:
  result judge(int ok, std::size_t n, short& events) {
    if (ok == 1)
      return {outcome::some, n};
    switch (SSL_get_error(session_.get(), ok)) {
    case SSL_ERROR_WANT_READ:
      events = POLLIN;
      return {outcome::blocked};
    case SSL_ERROR_WANT_WRITE:
      events = POLLOUT;
      return {outcome::blocked};
    case SSL_ERROR_ZERO_RETURN:
      return {outcome::over};
    default:
      failed_ = true;
      return {outcome::over};
    }
  }

  owned_descriptor socket_; // outlives the session
  session_ptr session_;
  short read_events_ = POLLIN;
  short write_events_ = POLLOUT;
  bool failed_ = false;
};

class tls_channel final : public channel {
 public:
  tls_channel(SSL_CTX& context, owned_descriptor socket, std::string name)
    : socket_(std::move(socket)),
      session_(SSL_new(&context), SSL_free),
      name_(std::move(name)) {
    if (!session_ || SSL_set_fd(session_.get(), socket_.get()) != 1)
      throw node_error{name_ + ": no TLS session: " + last_error()};
  }

  void connect(const std::string& host, const wait_limit& limit) {
    auto* parameters = SSL_get0_param(session_.get());
    in6_addr ignored{};
    const bool is_address = ::inet_pton(AF_INET, host.c_str(), &ignored) == 1
                            || ::inet_pton(AF_INET6, host.c_str(), &ignored)
                                 == 1;
    X509_VERIFY_PARAM_set_hostflags(parameters,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = is_address
                      ? X509_VERIFY_PARAM_set1_ip_asc(parameters, host.c_str())
                      : X509_VERIFY_PARAM_set1_host(parameters, host.c_str(),
                                                    host.size());
    if (set != 1)
      throw usage_error{name_ + ": '" + host
                        + "' is no name that a certificate could be for"};
    if (!is_address)
      // What SSL_set_tlsext_host_name does, with a cast of its own.
      SSL_ctrl(session_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME,
               TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str()));
    host_ = host;
    agree([this] { return SSL_connect(session_.get()); }, limit);
  }

  void accept(const wait_limit& limit) {
    try {
      check_begin(limit);
      agree([this] { return SSL_accept(session_.get()); }, limit);
    } catch (...) {
      part();
      throw;
    }
  }

  void read(std::span<std::byte> to, const wait_limit& limit) override {
    while (!to.empty()) {
      std::size_t n = 0;
      agree(
        [&] { return SSL_read_ex(session_.get(), to.data(), to.size(), &n); },
        limit);
      to = to.subspan(n);
    }
  }

  void write(std::span<const std::byte> from,
             const wait_limit& limit) override {
    while (!from.empty()) {
      std::size_t n = 0;
      agree(
        [&] {
          return SSL_write_ex(session_.get(), from.data(), from.size(), &n);
        },
        limit);
      from = from.subspan(n);
    }
  }

  [[nodiscard]] int descriptor() const noexcept override {
    return socket_.get();
  }

  std::unique_ptr<byte_end> release_end() override {
    return std::make_unique<tls_end>(std::move(session_), std::move(socket_));
  }

 private:
  /// Lets the other side read why it was refused: closing with something unread
  /// could take that back.
  void part() noexcept {
    constexpr std::chrono::milliseconds patience{200};
    const wait_limit limit{std::chrono::steady_clock::now() + patience};
    ::shutdown(socket_.get(), SHUT_WR);
    char ignored[1024];
    ssize_t n = 1;
    while (n > 0 && limit.wait(socket_.get(), POLLIN))
      n = ::recv(socket_.get(), ignored, sizeof(ignored), MSG_DONTWAIT);
  }

  /// Tells who does not speak TLS what is wrong, which OpenSSL would not.
  void check_begin(const wait_limit& limit) {
    constexpr char handshake = 0x16;
    constexpr unsigned char alert[] = {0x15, 3, 1, 0, 2, 2, 70};
    if (!limit.wait(socket_.get(), POLLIN))
      throw node_silent{name_ + ": has said nothing in time"};
    char first = 0;
    if (::recv(socket_.get(), &first, 1, MSG_PEEK) != 1)
      throw not_a_node{name_ + ": closed the connection at once"};
    if (first == handshake)
      return;
    static_cast<void>(
      !::send(socket_.get(), alert, sizeof(alert), MSG_NOSIGNAL));
    throw not_a_node{name_ + ": does not speak TLS"};
  }

  /// Repeats `what` until it has succeeded.
  template <class F>
  void agree(F what, const wait_limit& limit) {
    for (;;) {
      ERR_clear_error();
      errno = 0;
      const int result = what();
      if (result == 1)
        return;
      short events = POLLIN;
      switch (SSL_get_error(session_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        break;
      case SSL_ERROR_WANT_WRITE:
        events = POLLOUT;
        break;
      default:
        fail();
      }
      if (!limit.wait(socket_.get(), events))
        throw node_silent{name_ + ": accepted the connection, but did not "
                                  "answer in time"};
    }
  }

  [[noreturn]] void fail() {
    const auto verdict = SSL_get_verify_result(session_.get());
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH
        || verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
      throw wrong_host{name_ + ": its certificate is not for '" + host_
                       + "'; it is another host, or the name that is expected "
                         "has to be given"};
    if (verdict != X509_V_OK)
      throw certificate_refused{name_ + ": its certificate is not accepted: "
                                + X509_verify_cert_error_string(verdict)};
    if (ERR_peek_error() == 0) {
      // It was closed while this side wrote; why may be there to be read.
      char ignored = 0;
      std::size_t n = 0;
      static_cast<void>(SSL_read_ex(session_.get(), &ignored, 1, &n));
    }
    const auto code = ERR_peek_error();
    const int reason = ERR_GET_REASON(code);
    if (code != 0 && is_certificate_alert(reason))
      throw certificate_refused{
        name_
        + ": it does not accept the certificate of this side: " + last_error()};
    if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
      throw certificate_refused{name_ + ": it has shown no certificate"};
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST
        || reason == SSL_R_UNSUPPORTED_PROTOCOL)
      throw not_a_node{name_ + ": does not speak TLS 1.3; was it given a tcp:// "
                               "address, or is it something else?"};
    if (code == 0 || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
      throw closed_early{name_
                         + ": closed the connection while it was greeted"};
    throw not_a_node{name_ + ": TLS failed: " + last_error()};
  }

  owned_descriptor socket_; // outlives the session
  session_ptr session_;
  const std::string name_;
  std::string host_;
};

} // namespace

tls_context::tls_context(const tls_files& files) {
  for (const auto& [file, what] :
       {std::pair{&files.certificate, "certificate"},
        std::pair{&files.key, "private key"}, std::pair{&files.ca, "CA"}})
    if (file->empty())
      throw usage_error{std::string{"TLS: the file with the "} + what
                        + " is missing; certificate, key and CA are needed on "
                          "both sides"};
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_method()), SSL_CTX_free);
  const auto check = [](bool ok, const std::string& what) {
    if (!ok)
      throw usage_error{"TLS: " + what + ": " + last_error()};
  };
  auto* x = context_.get();
  check(x != nullptr && SSL_CTX_set_min_proto_version(x, TLS1_3_VERSION) == 1,
        "cannot be set up");
  check(SSL_CTX_use_certificate_chain_file(x, files.certificate.c_str()) == 1,
        "cannot use the certificate in '" + files.certificate + "'");
  check(SSL_CTX_use_PrivateKey_file(x, files.key.c_str(), SSL_FILETYPE_PEM) == 1
          && SSL_CTX_check_private_key(x) == 1,
        "cannot use the private key in '" + files.key + "'");
  check(SSL_CTX_load_verify_locations(x, files.ca.c_str(), nullptr) == 1,
        "cannot use the CA in '" + files.ca + "'");
  SSL_CTX_set_verify(x, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     nullptr);
  // Each connection shows its certificate anew.
  SSL_CTX_set_session_cache_mode(x, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(x, 0);
  SSL_CTX_set_mode(x, SSL_MODE_ENABLE_PARTIAL_WRITE
                        | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                        | SSL_MODE_RELEASE_BUFFERS);
}

std::unique_ptr<channel> tls_context::connect(owned_descriptor socket,
                                              const std::string& host,
                                              const wait_limit& limit,
                                              const std::string& name) {
  auto result = std::make_unique<tls_channel>(*context_, std::move(socket),
                                              name);
  result->connect(host, limit);
  return result;
}

std::unique_ptr<channel> tls_context::accept(owned_descriptor socket,
                                             const wait_limit& limit,
                                             const std::string& name) {
  auto result = std::make_unique<tls_channel>(*context_, std::move(socket),
                                              name);
  result->accept(limit);
  return result;
}

} // namespace puma::internal
