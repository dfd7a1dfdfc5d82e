// SPDX-License-Identifier: MIT
#include <sparse_experts/io/libsvm.hpp>

#include <gtest/gtest.h>

#include <sstream>
#include <string>

namespace se = sparse_experts;

namespace {

std::string error_of(const std::string& text, const se::LibsvmOptions& options = se::LibsvmOptions()) {
  std::istringstream stream(text);
  try {
    se::read_libsvm<double>(stream, options, "data.svm");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no exception";
}

TEST(Libsvm, ReadsSparseRows) {
  std::istringstream stream("+1 1:0.5 3:-2 # a comment\n\n-1\n# only a comment\n+1 2:1e-1\t4:0 \r\n");
  const auto data = se::read_libsvm<double>(stream);
  EXPECT_EQ(data.X.rows(), 3);
  EXPECT_EQ(data.X.cols(), 4);
  EXPECT_EQ(data.X.nonZeros(), 3);  // a stored 0 is dropped, its column counts
  EXPECT_EQ(data.X.coeff(0, 0), 0.5);
  EXPECT_EQ(data.X.coeff(0, 2), -2);
  EXPECT_EQ(data.X.coeff(2, 1), 0.1);
  EXPECT_EQ(data.labels(), (se::LabelVector(3) << 1, -1, 1).finished());
}

TEST(Libsvm, WidthAndBaseCanBeGiven) {
  std::istringstream stream("2.5 0:1 2:3\n");
  const auto data = se::read_libsvm<float>(stream, {.n_features = 10, .zero_based = true});
  EXPECT_EQ(data.X.cols(), 10);
  EXPECT_EQ(data.X.coeff(0, 0), 1.0f);
  EXPECT_EQ(data.y[0], 2.5f);
}

TEST(Libsvm, ErrorsNameTheLine) {
  EXPECT_EQ(error_of("1 1:1\n1 3:1 2:1\n"),
            "sparse_experts: data.svm, line 2: index 2 follows 3, expected ascending indices");
  EXPECT_NE(error_of("1 1:1\nx 1:1\n").find("line 2: the target is \"x\""), std::string::npos);
  EXPECT_NE(error_of("1 1\n").find("expected index:value"), std::string::npos);
  EXPECT_NE(error_of("1 0:1\n").find("out of range"), std::string::npos);
  EXPECT_NE(error_of("1 a:1\n").find("the index is \"a\""), std::string::npos);
  EXPECT_NE(error_of("1 1:\n").find("the value is \"\""), std::string::npos);
  EXPECT_NE(error_of("1 1:inf\n").find("finite"), std::string::npos);
  EXPECT_NE(error_of("1 5:1\n", {.n_features = 4}).find("exceeds n_features = 4"), std::string::npos);
  EXPECT_NE(error_of("1 1:1 1:2\n").find("follows"), std::string::npos);
  EXPECT_NE(error_of("1 99999999999999999999:1\n").find("expected an integer"), std::string::npos);
  EXPECT_NE(error_of("\n\n").find("has no data"), std::string::npos);
  EXPECT_THROW(se::read_libsvm<double>("no/such/file.svm"), std::runtime_error);
}

}  // namespace
