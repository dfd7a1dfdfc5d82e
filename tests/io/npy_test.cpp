// SPDX-License-Identifier: MIT
#include <sparse_experts/io/npy.hpp>

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace se = sparse_experts;

namespace {

std::string file(std::string header, const std::string& data) {
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header + data;
}

std::string error_of(const std::string& text) {
  std::istringstream stream(text);
  try {
    se::read_npy<double>(stream, "a.npy");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no exception";
}

template <class M>
se::RowMatrix<double> round_trip(const M& x) {
  std::stringstream stream;
  se::write_npy(stream, x);
  EXPECT_EQ(stream.str().size() % 64, static_cast<std::size_t>(x.size()) * sizeof(typename M::Scalar) % 64);
  return se::read_npy<double>(stream);
}

TEST(Npy, WhatIsWrittenIsRead) {
  const se::Matrix<double> x = se::Matrix<double>::Random(5, 3);
  EXPECT_EQ(round_trip(x), x);
  EXPECT_EQ(round_trip(se::RowMatrix<float>(x.cast<float>())), x.cast<float>().cast<double>());
  EXPECT_EQ(round_trip(se::Vector<double>(x.col(1))), x.col(1));
  EXPECT_EQ(round_trip(se::IndexVector(se::IndexVector::LinSpaced(4, -1, 2))),
            se::Vector<double>::LinSpaced(4, -1, 2));
  EXPECT_EQ(round_trip(se::Matrix<double>(0, 3)).cols(), 3);
}

TEST(Npy, ReadsBytesAndColumnOrder) {
  std::istringstream rows(
      file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", "\x01\x02\x03\x04\x05\xFF"));
  EXPECT_EQ(se::read_npy<float>(rows), (se::RowMatrix<float>(2, 3) << 1, 2, 3, 4, 5, 255).finished());
  std::istringstream columns(
      file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "\x01\x02\x03\x04\x05\x06"));
  EXPECT_EQ(se::read_npy<float>(columns), (se::RowMatrix<float>(2, 3) << 1, 3, 5, 2, 4, 6).finished());
}

TEST(Npy, ErrorsNameTheSource) {
  EXPECT_EQ(error_of("PK\x03\x04 is another format"), "sparse_experts: a.npy: not an npy file");
  EXPECT_NE(
      error_of(file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", "\x01")).find("break off"),
      std::string::npos);
  EXPECT_NE(error_of(file("{'descr': '>f8', 'fortran_order': False, 'shape': (1,), }", "12345678"))
                .find("type >f8"),
            std::string::npos);
  EXPECT_NE(
      error_of(file("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1, 1), }", "")).find("dimensions"),
      std::string::npos);
  EXPECT_NE(error_of(file("{'fortran_order': False, 'shape': (1, 1), }", "")).find("no descr"),
            std::string::npos);
  EXPECT_NE(
      error_of(file("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999, 9999999999), }", ""))
          .find("too large"),
      std::string::npos);
  EXPECT_NE(error_of(file("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999,), }", ""))
                .find("break off"),
            std::string::npos);
  EXPECT_THROW(se::read_npy<double>("no/such/file.npy"), std::runtime_error);
}

}  // namespace
