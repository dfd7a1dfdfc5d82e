// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>
#include <sparse_experts/core/validate.hpp>

#include <charconv>
#include <fstream>
#include <istream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

/// What the text readers share: lines with their numbers, numbers independent of the locale, errors that name
/// the place. A file that cannot be read or does not parse is a std::runtime_error.
namespace sparse_experts::detail {

inline std::ifstream open_for_reading(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("sparse_experts: cannot open " + path + " for reading");
  return file;
}

inline bool is_blank(char c) { return c == ' ' || c == '\t'; }

inline std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Lines of a stream without their ends (LF or CRLF); lines that are empty or blank are passed over.
class LineReader {
 public:
  LineReader(std::istream& stream, std::string name) : stream_(stream), name_(std::move(name)) {}

  bool next(std::string_view& line) {
    while (std::getline(stream_, buffer_)) {
      ++number_;
      if (number_ == 1 && buffer_.starts_with("\xEF\xBB\xBF")) buffer_.erase(0, 3);  // byte order mark
      if (buffer_.ends_with('\r')) buffer_.pop_back();
      if (number_ == 1 && buffer_.starts_with("\x1F\x8B"))
        fail("the stream is gzip-compressed, unpack it first");
      line = trimmed(buffer_);
      if (!line.empty()) return true;
    }
    if (stream_.bad()) throw std::runtime_error("sparse_experts: reading " + name_ + " failed");
    return false;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("sparse_experts: " + name_ + ", line " + std::to_string(number_) + ": " + what);
  }

  /// A finite number that fills `text`, in the notation of C, whatever the locale.
  template <class Scalar>
  Scalar number(std::string_view text, std::string_view role) const {
    std::string_view digits = text;
    if (digits.starts_with('+') && !digits.starts_with("+-")) digits.remove_prefix(1);
    // Read as double, so that a value too small for float becomes 0 and one too large is told apart; what is
    // too small even for double has a negative exponent.
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || end != digits.data() + digits.size() || error == std::errc::invalid_argument)
      fail(std::string(role) + " is \"" + std::string(text) + "\", expected a number");
    const auto result = static_cast<Scalar>(value);
    const bool tiny =
        digits.find("e-") != std::string_view::npos || digits.find("E-") != std::string_view::npos;
    if ((error == std::errc::result_out_of_range && !tiny) || !is_finite(result))
      fail(std::string(role) + " is " + std::string(text) + ", expected a finite number in range");
    return result;
  }

  Index integer(std::string_view text, std::string_view role) const {
    Index value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || end != text.data() + text.size() || error != std::errc())
      fail(std::string(role) + " is \"" + std::string(text) + "\", expected an integer");
    return value;
  }

  const std::string& name() const { return name_; }
  Index line_number() const { return number_; }

 private:
  std::istream& stream_;
  std::string name_;
  std::string buffer_;
  Index number_ = 0;
};

}  // namespace sparse_experts::detail
