// SPDX-License-Identifier: Apache-2.0

#include "puma/actors/detail/crossing.hpp"

#include "puma/base/internal/names.hpp"

#include <iterator>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <dlfcn.h>
#include <sys/auxv.h>

namespace puma::detail {

namespace {

struct known_decoder {
  const std::type_info* type;
  any_function decode;
  const std::type_info* kind;
};

struct known_decoders {
  std::mutex mutex;
  std::unordered_multimap<std::string, known_decoder> all;
};

/// Made on first use, since registrars run before `main`.
known_decoders& known() {
  static known_decoders instance;
  return instance;
}

/// The program is the same whatever it was started as, which is what the name
/// of its file would be here.
bool is_of_program(const Dl_info& x) {
  Dl_info program{};
  return ::dladdr(reinterpret_cast<void*>(::getauxval(AT_ENTRY)), &program) != 0
         && program.dli_fbase == x.dli_fbase;
}

} // namespace

void register_decoder(const std::type_info& type, any_function decode,
                      const std::type_info& kind) {
  auto& x = known();
  const std::lock_guard guard{x.mutex};
  const auto [begin, end] = x.all.equal_range(type.name());
  for (auto i = begin; i != end; ++i)
    if (*i->second.type == type)
      return;
  x.all.emplace(type.name(), known_decoder{&type, decode, &kind});
}

crossing_key key_of(const std::type_info& type, any_function decode) {
  crossing_key result;
  result.type = type.name();
  Dl_info info{};
  if (::dladdr(reinterpret_cast<void*>(decode), &info) != 0) {
    const std::string_view path = info.dli_fname ? info.dli_fname : "";
    if (!is_of_program(info))
      result.module = path.substr(path.rfind('/') + 1);
    result.offset = reinterpret_cast<std::uintptr_t>(decode)
                    - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  }
  return result;
}

std::string type_name(const std::type_info& type) {
  return internal::readable_type_name(type);
}

std::string first_obstacle(std::initializer_list<std::string> xs) {
  int number = 0;
  for (const auto& why : xs) {
    ++number;
    if (!why.empty())
      return "argument " + std::to_string(number) + ": " + why;
  }
  return {};
}

any_function find_decoder(const crossing_key& key, const std::type_info& kind) {
  auto& x = known();
  const std::lock_guard guard{x.mutex};
  const auto [begin, end] = x.all.equal_range(key.type);
  const bool is_only_one = begin != end && std::next(begin) == end;
  for (auto i = begin; i != end; ++i) {
    if (*i->second.kind != kind)
      continue;
    if (is_only_one)
      return i->second.decode;
    const auto other = key_of(*i->second.type, i->second.decode);
    if (other.module == key.module && other.offset == key.offset)
      return i->second.decode;
  }
  return nullptr;
}

void encode_key(encoder& to, const crossing_key& x) {
  puma::encode(to, x.type);
  puma::encode(to, x.module);
  to.number(x.offset);
}

crossing_key decode_key(decoder& from) {
  crossing_key result;
  puma::decode(from, result.type);
  puma::decode(from, result.module);
  result.offset = from.number<std::uint64_t>();
  return result;
}

} // namespace puma::detail
