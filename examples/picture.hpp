// SPDX-License-Identifier: MIT
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <string>

/// Writes each row of `images` (m x (height * width)) as one tile of a grey PGM picture with `columns` tiles
/// a line. Every tile is stretched to its own darkest and brightest value.
template <class Derived>
void write_pgm(const std::string& path, const Eigen::MatrixBase<Derived>& images, Eigen::Index height,
               Eigen::Index width, Eigen::Index columns) {
  using Eigen::Index;
  const Index lines = (images.rows() + columns - 1) / columns;
  Eigen::Matrix<unsigned char, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> picture(
      lines * (height + 1) + 1, columns * (width + 1) + 1);
  picture.setConstant(64);
  for (Index m = 0; m < images.rows(); ++m) {
    const auto low = images.row(m).minCoeff(),
               range = std::max(images.row(m).maxCoeff() - low, decltype(low)(1e-12));
    const Index top = m / columns * (height + 1) + 1, left = m % columns * (width + 1) + 1;
    for (Index i = 0; i < height; ++i)
      for (Index j = 0; j < width; ++j)
        picture(top + i, left + j) =
            static_cast<unsigned char>(255 * (images(m, i * width + j) - low) / range);
  }
  std::ofstream file(path, std::ios::binary);
  file << "P5\n" << picture.cols() << ' ' << picture.rows() << "\n255\n";
  file.write(reinterpret_cast<const char*>(picture.data()), picture.size());
  if (!file) throw std::runtime_error("cannot write " + path);
}
