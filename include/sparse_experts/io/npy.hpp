// SPDX-License-Identifier: MIT
#pragma once

#include <sparse_experts/core/types.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

/// NumPy's .npy files (format 1.0 to 3.0): one array of one or two dimensions, little-endian.
namespace sparse_experts {

namespace detail {

static_assert(std::endian::native == std::endian::little,
              "npy files are read and written on little-endian machines");

struct NpyHeader {
  std::string type;  // e.g. <f8
  bool fortran_order = false;
  Index rows = 0, cols = 1;
};

[[noreturn]] inline void npy_fail(const std::string& name, const std::string& what) {
  throw std::runtime_error("sparse_experts: " + name + ": " + what);
}

/// Text after `key` in the header, up to the comma or brace that ends the value.
inline std::string npy_value(const std::string& header, const std::string& key, const std::string& name) {
  const std::size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) npy_fail(name, "the npy header has no " + key);
  const std::size_t begin = header.find_first_not_of(' ', at + key.size() + 3);
  if (begin == std::string::npos) npy_fail(name, "the npy header has no value of " + key);
  const char last = header[begin] == '(' ? ')' : ',';
  const std::size_t end = header.find(last, begin);
  if (end == std::string::npos) npy_fail(name, "the npy header breaks off");
  return header.substr(begin, end - begin + (last == ')' ? 1 : 0));
}

inline NpyHeader read_npy_header(std::istream& stream, const std::string& name) {
  unsigned char start[8];
  if (!stream.read(reinterpret_cast<char*>(start), 8) || std::memcmp(start, "\x93NUMPY", 6) != 0)
    npy_fail(name, "not an npy file");
  if (start[6] < 1 || start[6] > 3)
    npy_fail(name, "npy format " + std::to_string(start[6]) + ", expected 1 to 3");
  unsigned char length[4] = {};
  const std::streamsize bytes = start[6] == 1 ? 2 : 4;
  if (!stream.read(reinterpret_cast<char*>(length), bytes)) npy_fail(name, "the npy header breaks off");
  const std::size_t size = length[0] + (std::size_t{length[1]} << 8) + (std::size_t{length[2]} << 16) +
                           (std::size_t{length[3]} << 24);
  if (size > (std::size_t{1} << 20)) npy_fail(name, "the npy header is longer than a megabyte");
  std::string text(size, ' ');
  if (!stream.read(text.data(), static_cast<std::streamsize>(size)))
    npy_fail(name, "the npy header breaks off");

  NpyHeader header;
  header.type = npy_value(text, "descr", name);
  std::erase(header.type, '\'');
  header.fortran_order = npy_value(text, "fortran_order", name) == "True";
  const std::string shape = npy_value(text, "shape", name);
  std::vector<Index> sizes;
  for (const char *at = shape.data() + 1, *end = shape.data() + shape.size(); at < end;) {
    Index value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    if (error == std::errc() && value >= 0) sizes.push_back(value);
    at = std::max(next, at + 1);
  }
  if (sizes.empty() || sizes.size() > 2)
    npy_fail(name, "shape " + shape + ", expected one or two dimensions");
  header.rows = sizes[0];
  header.cols = sizes.size() == 2 ? sizes[1] : 1;
  if (header.cols > 0 && header.rows > (Index{1} << 48) / header.cols)
    npy_fail(name, "shape " + shape + " is too large");
  return header;
}

template <class Stored, class Scalar>
RowMatrix<Scalar> read_npy_values(std::istream& stream, const NpyHeader& header, const std::string& name) {
  // Read in pieces, so that a header that promises too much cannot ask for memory that the file does not
  // fill.
  const auto total = static_cast<std::size_t>(header.rows * header.cols);
  constexpr std::size_t piece = std::size_t{1} << 20;
  std::vector<Scalar> values;
  std::vector<Stored> buffer;
  for (std::size_t begin = 0; begin < total; begin += piece) {
    buffer.resize(std::min(piece, total - begin));
    if (!stream.read(reinterpret_cast<char*>(buffer.data()),
                     static_cast<std::streamsize>(buffer.size() * sizeof(Stored))))
      npy_fail(name, "the data break off, expected " + std::to_string(total) + " values");
    for (const Stored value : buffer) values.push_back(static_cast<Scalar>(value));
  }
  if (header.fortran_order) return Eigen::Map<const Matrix<Scalar>>(values.data(), header.rows, header.cols);
  return Eigen::Map<const RowMatrix<Scalar>>(values.data(), header.rows, header.cols);
}

}  // namespace detail

/// Reads an array of float, double, or integers (8 to 64 bits) as n x p; an array of one dimension as n x 1.
/// Values are converted to Scalar. Throws std::runtime_error that names the source.
template <class Scalar>
RowMatrix<Scalar> read_npy(std::istream& stream, const std::string& name = "npy stream") {
  const detail::NpyHeader header = detail::read_npy_header(stream, name);
  const auto as = [&](auto stored) {
    return detail::read_npy_values<decltype(stored), Scalar>(stream, header, name);
  };
  const std::string& type = header.type;
  if (type == "<f4") return as(float{});
  if (type == "<f8") return as(double{});
  if (type == "|u1") return as(std::uint8_t{});
  if (type == "|i1") return as(std::int8_t{});
  if (type == "<i2") return as(std::int16_t{});
  if (type == "<u2") return as(std::uint16_t{});
  if (type == "<i4") return as(std::int32_t{});
  if (type == "<u4") return as(std::uint32_t{});
  if (type == "<i8") return as(std::int64_t{});
  if (type == "<u8") return as(std::uint64_t{});
  detail::npy_fail(name, "values of type " + type + ", expected little-endian floats or integers");
}

template <class Scalar>
RowMatrix<Scalar> read_npy(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("sparse_experts: cannot open " + path + " for reading");
  return read_npy<Scalar>(file, path);
}

/// Writes a dense matrix (float, double, or integers of 32 or 64 bits) in row-major order, a vector as one
/// dimension.
template <class Derived>
void write_npy(std::ostream& stream, const Eigen::DenseBase<Derived>& x) {
  using Scalar = typename Derived::Scalar;
  static_assert(std::is_arithmetic_v<Scalar> && (sizeof(Scalar) == 4 || sizeof(Scalar) == 8));
  const std::string type = std::is_floating_point_v<Scalar> ? "f" : (std::is_signed_v<Scalar> ? "i" : "u");
  std::string header = "{'descr': '<" + type + std::to_string(sizeof(Scalar)) +
                       "', 'fortran_order': False, 'shape': (" + std::to_string(x.rows()) + ",";
  if (Derived::ColsAtCompileTime != 1) header += " " + std::to_string(x.cols());
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // data start at a multiple of 64
  header += '\n';
  const auto size = static_cast<unsigned>(header.size());
  const char start[] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(size & 0xFF), static_cast<char>(size >> 8)};
  stream.write(start, sizeof start);
  stream.write(header.data(), static_cast<std::streamsize>(header.size()));
  const RowMatrix<Scalar> rows = x;
  stream.write(reinterpret_cast<const char*>(rows.data()),
               static_cast<std::streamsize>(static_cast<std::size_t>(rows.size()) * sizeof(Scalar)));
  if (!stream) throw std::runtime_error("sparse_experts: writing an npy array failed");
}

template <class Derived>
void write_npy(const std::string& path, const Eigen::DenseBase<Derived>& x) {
  std::ofstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("sparse_experts: cannot open " + path + " for writing");
  write_npy(file, x);
}

}  // namespace sparse_experts
