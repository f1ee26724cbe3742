// SPDX-License-Identifier: Apache-2.0

#include "puma/environments/internal/greeting.hpp"

#include "puma/base/codec.hpp"
#include "puma/environments/internal/worker_options.hpp"
#include "puma/environments/node_error.hpp"

#include <cstring>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace puma::internal::greeting {

namespace {

constexpr std::size_t nonce_size = 32;
constexpr std::size_t code_size = 32;

using code = std::array<std::byte, code_size>;

struct hello {
  char magic[8];
  std::uint32_t version;
  std::uint32_t unused;
  std::byte nonce[nonce_size];
};

constexpr std::string_view magic{"puma\r\n\x1a", 8};

/// What a TLS peer begins with: a handshake, or an alert.
constexpr char tls_handshake = 0x16;
constexpr char tls_alert = 0x15;

hello make_hello() {
  hello result{};
  std::memcpy(result.magic, magic.data(), magic.size());
  result.version = wire_version;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(result.nonce), nonce_size)
      != 1)
    throw node_error{"no random numbers are to be had"};
  return result;
}

std::array<std::byte, 64> join(const hello& client, const hello& server) {
  std::array<std::byte, 64> result{};
  std::memcpy(result.data(), client.nonce, nonce_size);
  std::memcpy(result.data() + nonce_size, server.nonce, nonce_size);
  return result;
}

/// `side` keeps an answer from being taken for a request.
code sign(const std::string& token, const std::array<std::byte, 64>& nonces,
          char side, std::span<const std::byte> body) {
  std::vector<unsigned char> text;
  text.push_back(static_cast<unsigned char>(side));
  const auto add = [&text](std::span<const std::byte> x) {
    const auto* at = reinterpret_cast<const unsigned char*>(x.data());
    text.insert(text.end(), at, at + x.size());
  };
  add(nonces);
  add(body);
  code result{};
  unsigned int size = 0;
  if (HMAC(EVP_sha256(), token.data(), static_cast<int>(token.size()),
           text.data(), text.size(),
           reinterpret_cast<unsigned char*>(result.data()), &size)
        == nullptr
      || size != code_size)
    throw node_error{"no code can be computed"};
  return result;
}

bool is_same(const code& a, const code& b) noexcept {
  return CRYPTO_memcmp(a.data(), b.data(), code_size) == 0;
}

std::span<std::byte> bytes_of(hello& x) noexcept {
  return std::as_writable_bytes(std::span{&x, 1});
}

void send(channel& to, const std::string& token,
          const std::array<std::byte, 64>& nonces, char side,
          const encoder& body, const wait_limit& limit) {
  const auto size = static_cast<std::uint32_t>(body.size());
  const auto proof = sign(token, nonces, side, body.bytes());
  encoder all;
  all.number(size);
  all.block(body.bytes().data(), size);
  all.block(proof.data(), proof.size());
  to.write(all.bytes(), limit);
}

struct signed_body {
  std::vector<std::byte> body;
  bool is_genuine = false;
};

signed_body receive(channel& from, const std::string& token,
                    const std::array<std::byte, 64>& nonces, char side,
                    const wait_limit& limit, const std::string& name) {
  std::uint32_t size = 0;
  from.read(std::as_writable_bytes(std::span{&size, 1}), limit);
  if (size == 0 || size > most_bytes)
    throw not_a_node{name + ": said something of " + std::to_string(size)
                     + " bytes where at most " + std::to_string(most_bytes)
                     + " are allowed"};
  signed_body result;
  result.body.resize(size);
  from.read(result.body, limit);
  code proof{};
  from.read(proof, limit);
  result.is_genuine = is_same(proof, sign(token, nonces, side, result.body));
  return result;
}

/// Throws unless the two sides speak the same.
void check(const hello& x, const std::string& name) {
  if (std::memcmp(x.magic, magic.data(), magic.size()) != 0)
    throw not_a_node{name + ": does not speak puma's protocol"};
  if (x.version != wire_version)
    throw node_mismatch{name + ": speaks version " + std::to_string(x.version)
                        + " of the protocol, and this process "
                        + std::to_string(wire_version)};
}

void encode_request(encoder& to, const node_request& x,
                    const node_route& route) {
  encode(to, build());
  to.number(x.what);
  to.number(x.capture_output);
  to.number(x.session[0]);
  to.number(x.session[1]);
  to.number(x.worker);
  to.number(x.is_shared);
  to.number(x.threads);
  to.number(x.slot);
  to.number(x.silence_limit_ms);
  to.number(x.stream[0]);
  to.number(x.stream[1]);
  to.number(x.grace_ms);
  to.number(x.received);
  if (x.what != errand::reach)
    return;
  encode(to, route.address);
  encode(to, route.host_name);
  to.number(route.session[0]);
  to.number(route.session[1]);
  to.number(route.worker);
}

node_route decode_route(decoder& from) {
  node_route result;
  decode(from, result.address);
  decode(from, result.host_name);
  result.session[0] = from.number<std::uint64_t>();
  result.session[1] = from.number<std::uint64_t>();
  result.worker = from.number<node_id>();
  return result;
}

node_request decode_request(decoder& from) {
  node_request result;
  result.what = from.number<errand>();
  result.capture_output = from.number<bool>();
  result.session[0] = from.number<std::uint64_t>();
  result.session[1] = from.number<std::uint64_t>();
  result.worker = from.number<node_id>();
  result.is_shared = from.number<bool>();
  result.threads = from.number<std::uint32_t>();
  result.slot = from.number<std::uint64_t>();
  result.silence_limit_ms = from.number<std::uint64_t>();
  result.stream[0] = from.number<std::uint64_t>();
  result.stream[1] = from.number<std::uint64_t>();
  result.grace_ms = from.number<std::uint64_t>();
  result.received = from.number<std::uint64_t>();
  if (from.ok() && result.what > errand::reach)
    from.fail("an unknown errand");
  return result;
}

std::string describe_executable() {
  std::string result = "wire " + std::to_string(wire_version) + ", "
                       + __VERSION__;
  const owned_descriptor file{::open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0)
    return result;
  const auto size = static_cast<std::size_t>(status.st_size);
  auto* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(),
                            0);
  if (data == MAP_FAILED)
    return result;
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(data, size, digest, &length, EVP_sha1(), nullptr);
  ::munmap(data, size);
  constexpr unsigned int shown = 8;
  constexpr const char* digits = "0123456789abcdef";
  result += ", executable of " + std::to_string(size) + " bytes with checksum ";
  for (unsigned int i = 0; i != shown && i < length; ++i) {
    result += digits[digest[i] >> 4u];
    result += digits[digest[i] & 15u];
  }
  return result;
}

} // namespace

const std::string& build() {
  static const auto text = describe_executable();
  return text;
}

std::string introduce(channel& to, const std::string& token,
                      const node_request& request, const wait_limit& limit,
                      const std::string& name, const node_route& route) {
  auto mine = make_hello();
  to.write(bytes_of(mine), limit);
  hello theirs{};
  // Byte by byte where it matters: an alert of TLS is shorter.
  to.read(bytes_of(theirs).first(1), limit);
  if (theirs.magic[0] == tls_alert || theirs.magic[0] == tls_handshake)
    throw not_a_node{name + ": speaks TLS; give it a tls:// address"};
  to.read(bytes_of(theirs).subspan(1), limit);
  check(theirs, name);
  const auto nonces = join(mine, theirs);
  encoder body;
  encode_request(body, request, route);
  send(to, token, nonces, 'c', body, limit);
  const auto answer = receive(to, token, nonces, 's', limit, name);
  decoder in{answer.body};
  const auto verdict = in.number<node_verdict>();
  if (!answer.is_genuine) {
    if (in.ok() && verdict == node_verdict::other_token)
      throw node_refused{name + ": refuses this process: the tokens differ"};
    throw node_refused{name + ": could not prove that it has the token; the "
                              "tokens differ, or somebody is in between"};
  }
  std::string text;
  decode(in, text);
  if (!in.ok())
    throw not_a_node{name + ": said something that cannot be read"};
  switch (verdict) {
  case node_verdict::accepted:
    return text;
  case node_verdict::other_build:
    throw node_mismatch{name + ": runs another build: it is '" + text
                        + "', and this process '" + build() + "'"};
  case node_verdict::other_token:
    throw node_refused{name + ": refuses this process: the tokens differ"};
  case node_verdict::unknown_session:
    throw node_unreachable{name + ": was started again meanwhile"};
  case node_verdict::unknown_stream:
    throw stream_unknown{name + ": a connection that broke is over there"};
  default:
    throw node_error{name + ": " + text};
  }
}

welcome::welcome(channel& from, const std::string& token,
                 const wait_limit& limit)
  : channel_(from),
    token_(token),
    limit_(limit) {
  const std::string name = "who connected";
  hello theirs{};
  auto mine = make_hello();
  channel_.read(bytes_of(theirs).first(1), limit);
  if (theirs.magic[0] == tls_handshake) {
    // What it takes for a sign that nobody speaks TLS here.
    channel_.write(bytes_of(mine), limit);
    throw not_a_node{name + " speaks TLS, and this node was started with a "
                            "tcp:// address"};
  }
  channel_.read(bytes_of(theirs).subspan(1), limit);
  if (std::memcmp(theirs.magic, magic.data(), magic.size()) != 0)
    throw not_a_node{name + " does not speak puma's protocol"};
  channel_.write(bytes_of(mine), limit);
  check(theirs, name);
  nonces_ = join(theirs, mine);
  const auto request = receive(channel_, token_, nonces_, 'c', limit, name);
  if (!request.is_genuine) {
    encoder body;
    body.number(node_verdict::other_token);
    // Without a code: it could be used to guess the token.
    send(channel_, {}, {}, 's', body, limit);
    throw node_refused{name + " has another token"};
  }
  decoder in{request.body};
  std::string their_build;
  decode(in, their_build);
  if (in.ok() && their_build != build()) {
    answer(node_verdict::other_build, build());
    throw node_mismatch{name + " runs another build: it is '" + their_build
                        + "', and this process '" + build() + "'"};
  }
  request_ = decode_request(in);
  if (in.ok() && request_.what == errand::reach)
    route_ = decode_route(in);
  if (!in.ok()) {
    answer(node_verdict::failed, "a request that cannot be read");
    throw not_a_node{name + " sent a request that cannot be read"};
  }
}

void welcome::answer(node_verdict what, const std::string& text) {
  encoder body;
  body.number(what);
  encode(body, text);
  send(channel_, token_, nonces_, 's', body, limit_);
}

} // namespace puma::internal::greeting
