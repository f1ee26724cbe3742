// SPDX-License-Identifier: Apache-2.0

#include "reader.hpp"

#include "letters.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace word_count {

namespace {

constexpr std::size_t block_bytes = std::size_t{64} * 1024;

std::string text_of(int error) {
  return std::generic_category().message(error);
}

/// Appends `block_bytes` of `file` to `text`, or less at its end and when it
/// cannot be read: then returns the error.
int append_block(int file, std::string& text) {
  auto size = text.size();
  const auto goal = size + block_bytes;
  text.resize(goal);
  int error = 0;
  while (size != goal) {
    const auto count = ::read(file, text.data() + size, goal - size);
    if (count > 0) {
      size += static_cast<std::size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno != EINTR) {
      error = errno;
      break;
    }
  }
  text.resize(size);
  return error;
}

} // namespace

reader::reader(std::vector<std::string> paths,
               const std::vector<puma::buffer<text_block>>& blocks,
               const puma::buffer<report>& reports)
  : source_runnable("reader"),
    paths_(std::move(paths)),
    reports_(publish_to(reports)) {
  for (const auto& x : blocks)
    outputs_.push_back(publish_to(x));
}

reader::~reader() {
  if (file_ != -1)
    ::close(file_);
}

// [on_demand]
bool reader::on_demand() {
  if (file_ != -1)
    return read_block();
  if (next_path_ != paths_.size())
    return open_next();
  return false; // all files are done
}
// [on_demand]

bool reader::open_next() {
  file_bytes_ = 0;
  carry_.clear();
  file_ = ::open(paths_[next_path_].c_str(), O_RDONLY | O_CLOEXEC);
  return file_ != -1 || finish_file(file_done::outcome::failed, text_of(errno));
}

bool reader::read_block() {
  auto text = std::exchange(carry_, {});
  const auto carried = text.size();
  const auto error = append_block(file_, text);
  const auto count = text.size() - carried;
  const bool first = file_bytes_ == 0;
  const bool at_end = count < block_bytes;
  file_bytes_ += count;

  if (first && text.find('\0') != std::string::npos)
    return finish_file(file_done::outcome::binary);
  if (!at_end)
    keep_last_word(text, carried);
  if (!publish(std::move(text)))
    return false;
  if (!send(block_read{paths_[next_path_], count}))
    return false;
  if (!at_end)
    return true;
  if (error == 0)
    return finish_file(file_done::outcome::read);
  auto reason = text_of(error);
  if (file_bytes_ != 0)
    reason += "; the words of its first " + std::to_string(file_bytes_)
              + " bytes are counted";
  return finish_file(file_done::outcome::failed, std::move(reason));
}

/// Moves the word at the end of `text` to the next block. The first `carried`
/// bytes are letters only.
void reader::keep_last_word(text_block& text, std::size_t carried) {
  auto end = text.size();
  while (end != carried && is_letter(text[end - 1]))
    --end;
  if (end == carried)
    end = 0; // one long word
  carry_.assign(text, end);
  text.resize(end);
}

bool reader::publish(text_block&& text) {
  if (text.empty())
    return true;
  auto& output = outputs_[next_output_];
  next_output_ = (next_output_ + 1) % outputs_.size();
  return output.publish(std::move(text)) != puma::publish_result::closed;
}

bool reader::finish_file(file_done::outcome result, std::string reason) {
  if (file_ != -1)
    ::close(std::exchange(file_, -1));
  return send(
    file_done{result, std::move(paths_[next_path_++]), std::move(reason)});
}

bool reader::send(report x) {
  return reports_.publish(std::move(x)) != puma::publish_result::closed;
}

} // namespace word_count
