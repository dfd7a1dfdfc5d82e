// SPDX-License-Identifier: MIT
#include <sparse_experts/io/csv.hpp>

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace se = sparse_experts;

namespace {

std::string error_of(const std::string& text, const se::CsvOptions& options = se::CsvOptions()) {
  std::istringstream stream(text);
  try {
    se::read_csv<double>(stream, options, "data.csv");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no exception";
}

TEST(Csv, ReadsNumbersTargetsAndHeaders) {
  std::istringstream stream("\xEF\xBB\xBFlabel,a,b\r\n1,2.5,-3e2\r\n\r\n-2, +0.125 ,7\n");
  const auto data = se::read_csv<float>(stream, {.header = true, .target_column = 0});
  ASSERT_EQ(data.X.rows(), 2);
  ASSERT_EQ(data.X.cols(), 2);
  EXPECT_EQ(data.X(0, 0), 2.5f);
  EXPECT_EQ(data.X(0, 1), -300.0f);
  EXPECT_EQ(data.X(1, 0), 0.125f);
  EXPECT_EQ(data.X(1, 1), 7.0f);
  EXPECT_EQ(data.labels(), (se::LabelVector(2) << 1, -2).finished());
}

TEST(Csv, TargetMayBeInTheMiddleOrMissing) {
  const std::string text = "1;2;3\n4;5;6";
  std::istringstream middle(text), none(text);
  const auto data = se::read_csv<double>(middle, {.delimiter = ';', .target_column = 1});
  EXPECT_EQ(data.X, (se::RowMatrix<double>(2, 2) << 1, 3, 4, 6).finished());
  EXPECT_EQ(data.y, (se::Vector<double>(2) << 2, 5).finished());
  const auto plain = se::read_csv<double>(none, {.delimiter = ';'});
  EXPECT_EQ(plain.X.cols(), 3);
  EXPECT_EQ(plain.y.size(), 0);
}

TEST(Csv, RunsOfBlanksCanSeparate) {
  std::istringstream stream("  1   2\t3  \n4 5 6\n");
  const auto data = se::read_csv<double>(stream, {.delimiter = ' '});
  EXPECT_EQ(data.X, (se::RowMatrix<double>(2, 3) << 1, 2, 3, 4, 5, 6).finished());
}

TEST(Csv, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("1,2\n\n3,x\n"),
            "sparse_experts: data.csv, line 3: field 2 is \"x\", expected a number");
  EXPECT_EQ(error_of("1,2\n3\n"),
            "sparse_experts: data.csv, line 2: 1 fields, expected 2 as in the first line");
  EXPECT_NE(error_of("1,\n").find("line 1: field 2 is \"\""), std::string::npos);
  EXPECT_NE(error_of("1,nan\n").find("expected a finite number"), std::string::npos);
  EXPECT_NE(error_of("1,1e999\n").find("expected a finite number"), std::string::npos);
  EXPECT_NE(error_of("1,2 3\n").find("expected a number"), std::string::npos);
  EXPECT_NE(error_of("").find("has no data"), std::string::npos);
  EXPECT_NE(error_of("1,2\n", {.target_column = 2}).find("column 2"), std::string::npos);
  EXPECT_NE(error_of("1\n", {.target_column = 0}).find("column 0"), std::string::npos);
  EXPECT_NE(error_of("\x1F\x8B\x08").find("gzip"), std::string::npos);
  EXPECT_EQ(error_of("1,1e-999\n"), "no exception");
  EXPECT_THROW(se::read_csv<double>("no/such/file.csv"), std::runtime_error);
}

TEST(Csv, LabelsMustBeIntegers) {
  std::istringstream stream("1.5,0\n");
  const auto data = se::read_csv<double>(stream, {.target_column = 0});
  EXPECT_THROW(data.labels(), std::runtime_error);
}

TEST(Csv, TheDigitsAreComplete) {
  const auto data = se::read_csv<float>(SPARSE_EXPERTS_EXAMPLE_DATA "/digits.csv", {.target_column = 0});
  EXPECT_EQ(data.X.rows(), 1797);
  EXPECT_EQ(data.X.cols(), 64);
  EXPECT_EQ(data.X.minCoeff(), 0.0f);
  EXPECT_EQ(data.X.maxCoeff(), 16.0f);
  EXPECT_EQ(data.X.sum(), 561718.0f);
  EXPECT_EQ((data.labels().array() == 3).count(), 183);
}

}  // namespace
