// im2col and col2im on a GPU, with one thread per entry of the unrolled matrix, and conversions
// between images and rows of a matrix product.
//
// col[k, (n, p, q)] = x[n, c, p*stride + i - pad, q*stride + j - pad] for the tap k = (c, i, j), 0
// outside the image: one row per tap of all groups, one column per output pixel of all images.
// Products with it have the same columns: rows[o, (n, p, q)].
#pragma once

#include "core/conv.h"
#include "core/macros.h"

namespace alexnet {

// The part of a ConvProblem that the kernels need.
struct Unrolling {
  int in_c, in_h, in_w, out_c, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w;
  int images;  // of this chunk

  Unrolling(const ConvProblem& p, int images)
      : in_c(p.x.c),
        in_h(p.x.h),
        in_w(p.x.w),
        out_c(p.y.c),
        out_h(p.y.h),
        out_w(p.y.w),
        kernel_h(p.kernel_h),
        kernel_w(p.kernel_w),
        stride_h(p.stride_h),
        stride_w(p.stride_w),
        pad_h(p.pad_h),
        pad_w(p.pad_w),
        images(images) {}

  ANX_HD int pixels() const { return out_h * out_w; }
  ANX_HD int64_t columns() const { return int64_t(images) * pixels(); }
  ANX_HD int taps() const { return in_c * kernel_h * kernel_w; }

  // Shapes of the operands, for visit().
  Shape input() const { return {images, in_c, in_h, in_w}; }
  Shape output() const { return {images, out_c, out_h, out_w}; }
  Shape matrix(int rows) const { return {rows, images, pixels(), 1}; }
};

template <class T>
struct Im2col {
  static constexpr const char* name = "im2col";
  Unrolling u;
  const T* x;  // of the chunk's first image
  T* col;

  template <class F>
  void visit(F&& f) const {
    f(View<const T>{x, u.input()}), f(View<T>{col, u.matrix(u.taps())});
  }
  Grid grid() const { return {u.taps(), u.columns()}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index column) const {
    const Index k = row, area = u.kernel_h * u.kernel_w, c = k / area;
    const Index tap = k - c * area, i = tap / u.kernel_w, j = tap - i * u.kernel_w;
    const Index n = column / u.pixels(), pixel = column - n * u.pixels();
    const Index p = pixel / u.out_w, q = pixel - p * u.out_w;
    const Index r = p * u.stride_h + i - u.pad_h, s = q * u.stride_w + j - u.pad_w;
    const bool inside = r >= 0 && r < u.in_h && s >= 0 && s < u.in_w;
    const Index to = row * u.columns() + column;
    col[to] = inside ? x[((n * u.in_c + c) * u.in_h + r) * u.in_w + s] : T(0);
  }
};

// dx = col2im(dcol). Each pixel sums over the windows that cover it, in a fixed order, so that no
// two threads write to the same pixel.
template <class T>
struct Col2im {
  static constexpr const char* name = "col2im";
  using C = Compute<T>;
  Unrolling u;
  const C* dcol;
  T* dx;

  template <class F>
  void visit(F&& f) const {
    f(View<const C>{dcol, u.matrix(u.taps())}), f(View<T>{dx, u.input()});
  }
  Grid grid() const { return {int64_t(u.images) * u.in_c * u.in_h, u.in_w}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index col) const {
    const int r = int(row % u.in_h) + u.pad_h, s = int(col) + u.pad_w;
    const Index map = row / u.in_h;
    const Index n = map / u.in_c, c = map - n * u.in_c;
    const C* taps = dcol + Index(c * u.kernel_h * u.kernel_w * u.columns());
    C sum = 0;
    for (int i = r % u.stride_h; i < u.kernel_h; i += u.stride_h) {
      const int p = (r - i) / u.stride_h;
      if (i > r || p >= u.out_h) continue;
      for (int j = s % u.stride_w; j < u.kernel_w; j += u.stride_w) {
        const int q = (s - j) / u.stride_w;
        if (j > s || q >= u.out_w) continue;
        const Index from = (i * u.kernel_w + j) * u.columns() + n * u.pixels() + p * u.out_w + q;
        sum += taps[from];
      }
    }
    dx[row * u.in_w + col] = sum;
  }
};

// y[n, o, p] = rows[o, (n, p)] + b[o], or max(0, ...) of it with `relu`.
template <class T>
struct RowsToImages {
  static constexpr const char* name = "rows_to_images";
  using C = Compute<T>;
  Unrolling u;
  const C *rows, *b;  // b may be null
  bool relu;
  T* y;

  template <class F>
  void visit(F&& f) const {
    f(View<const C>{rows, u.matrix(u.out_c)}), f(View<const C>{b, {1, u.out_c, 1, 1}});
    f(View<T>{y, u.output()});
  }
  Grid grid() const { return {int64_t(u.images) * u.out_c, u.pixels()}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index pixel) const {
    const Index n = row / u.out_c, o = row - n * u.out_c;
    const Index from = o * u.columns() + n * u.pixels() + pixel;
    const C sum = rows[from] + (b ? b[o] : C(0));
    y[row * u.pixels() + pixel] = relu && sum <= 0 ? C(0) : sum;  // keeps NaN
  }
};

// rows[o, (n, p)] = dy[n, o, p]
template <class T>
struct ImagesToRows {
  static constexpr const char* name = "images_to_rows";
  Unrolling u;
  const T* dy;
  T* rows;

  template <class F>
  void visit(F&& f) const {
    f(View<const T>{dy, u.output()}), f(View<T>{rows, u.matrix(u.out_c)});
  }
  Grid grid() const { return {int64_t(u.images) * u.out_c, u.pixels()}; }

  template <class Index>
  ANX_HD void operator()(Index row, Index pixel) const {
    const Index n = row / u.out_c, o = row - n * u.out_c;
    const Index to = o * u.columns() + n * u.pixels() + pixel;
    rows[to] = dy[row * u.pixels() + pixel];
  }
};

}  // namespace alexnet
