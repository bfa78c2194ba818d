//! The one table of kernel instances: instruction set x element type x tile x address mode.
//!
//! An entry point enables the instruction set's features and inlines a body generic over [`Simd`]. The table's
//! rows are function pointers, handed out only for an [`Isa`] that was detected.

use super::{TileFn, copy, dot, epilogue, products, rows, tile};
use crate::simd::{self, Float, Isa, IsaKind, Lanes4, Scalar, Simd};

/// Rows and vectors of the largest tiles.
const ROWS: usize = 14;
const VECTORS: usize = 6;

/// A menu of tiles by rows and vectors; what is `None` would not fit the registers.
pub(crate) type Menu<T> = [[Option<TileFn<T>>; VECTORS]; ROWS];

/// Everything that is compiled for one instruction set and element type.
pub struct Kernels<T: Float> {
    pub(crate) isa: &'static str,
    pub(crate) lanes: usize,
    /// Tiles with pixels in vectors.
    pub(crate) pv: Menu<T>,
    /// Tiles with channels in vectors.
    pub(crate) cv: Menu<T>,
    pub(crate) store: epilogue::StoreFn<T>,
    pub(crate) prefetch: epilogue::PrefetchFn<T>,
    pub(crate) interleave: epilogue::InterleaveFn<T>,
    pub(crate) copy_rows: copy::CopyRowsFn<T>,
    pub(crate) transpose8: unsafe fn(*const T, usize, *mut T, usize),
    pub(crate) rows: rows::RowsFn<T>,
    /// Vectors of a depthwise tile of four rows.
    pub(crate) depthwise_vectors: usize,
    pub(crate) dot: dot::DotFn<T>,
    pub(crate) products: products::ProductsFn<T>,
}

impl<T: Float> Kernels<T> {
    /// Vectors of the widest tile that has `rows` rows.
    pub(crate) fn vectors(menu: &Menu<T>, rows: usize) -> usize {
        menu[rows - 1].iter().rposition(Option::is_some).map_or(0, |i| i + 1)
    }

    /// Rows of the tallest tile that has `vectors` vectors.
    pub(crate) fn rows_of(menu: &Menu<T>, vectors: usize) -> usize {
        menu.iter().rposition(|row| row[vectors - 1].is_some()).map_or(0, |i| i + 1)
    }

    /// Runs a tile with pixels in vectors: `a` is a packed panel of `rows`, `b` the image.
    #[inline]
    pub(crate) fn run_pv(
        &self,
        rows: usize,
        vectors: usize,
        a: &[T],
        b: &[T],
        off: Offsets<'_>,
        c: &mut [T],
    ) {
        let (k, width) = (off.table.len(), vectors * self.lanes);
        assert!(a.len() >= k * rows && c.len() >= rows * width);
        assert!(k == 0 || b.len() >= off.largest as usize + width);
        let run = self.pv[rows - 1][vectors - 1].expect("a tile of the menu");
        // SAFETY: the ranges were checked; the table belongs to a detected instruction set.
        unsafe { run(k, a.as_ptr(), b.as_ptr(), off.table.as_ptr(), c.as_mut_ptr()) }
    }

    /// Runs a tile with channels in vectors: `a` is the image, `b` a packed panel of `vectors`.
    #[inline]
    pub(crate) fn run_cv(
        &self,
        rows: usize,
        vectors: usize,
        a: &[T],
        b: &[T],
        off: Offsets<'_>,
        c: &mut [T],
    ) {
        let (k, width) = (off.table.len(), vectors * self.lanes);
        assert!(b.len() >= k * width && c.len() >= rows * width);
        assert!(k == 0 || a.len() >= off.largest as usize + rows);
        let run = self.cv[rows - 1][vectors - 1].expect("a tile of the menu");
        // SAFETY: as for `run_pv`.
        unsafe { run(k, a.as_ptr(), b.as_ptr(), off.table.as_ptr(), c.as_mut_ptr()) }
    }

    /// Transposes the 8x8 block at the start of `from` into `to`.
    #[inline]
    pub(crate) fn transpose_block(&self, from: &[T], from_pitch: usize, to: &mut [T], to_pitch: usize) {
        assert!(from.len() >= 7 * from_pitch + 8 && to.len() >= 7 * to_pitch + 8);
        // SAFETY: eight rows of eight lie inside both slices.
        unsafe { (self.transpose8)(from.as_ptr(), from_pitch, to.as_mut_ptr(), to_pitch) }
    }

    /// Copies rows of `columns` elements, `step` (1 or 2) apart in the source, with zeros around them.
    #[inline]
    pub(crate) fn copy_rows(
        &self,
        from: &[T],
        from_pitch: usize,
        to: &mut [T],
        to_pitch: usize,
        shape: &copy::Shape,
    ) {
        let last = shape.rows.saturating_sub(1);
        let width = shape.left + shape.columns + shape.right;
        assert!(shape.rows == 0 || last * to_pitch + width <= to.len());
        assert!(shape.step == 1 || shape.step == 2);
        let span = (shape.columns.max(1) - 1) * shape.step + 1;
        assert!(shape.rows == 0 || shape.columns == 0 || last * from_pitch + span <= from.len());
        // SAFETY: the last row's end was checked on both sides.
        unsafe { (self.copy_rows)(from.as_ptr(), from_pitch, to.as_mut_ptr(), to_pitch, shape) }
    }

    /// How many instances the table holds.
    pub fn count(&self) -> usize {
        let tiles = |menu: &Menu<T>| menu.iter().flatten().flatten().count();
        tiles(&self.pv) + tiles(&self.cv) + 8
    }
}

/// Where the image's elements lie, one offset for each reduction index.
#[derive(Clone, Copy)]
pub(crate) struct Offsets<'a> {
    pub table: &'a [u32],
    /// The largest of them.
    pub largest: u32,
}

/// A floating-point type that has a table.
pub trait HasKernels: Float {
    /// The table for an instruction set.
    fn kernels(isa: Isa) -> &'static Kernels<Self>;
}

/// One row of a menu: the vector counts that exist.
macro_rules! row {
    ($entry:ident, $s:ty, $mr:literal, $cv:literal; $($nv:literal)*) => {{
        let mut row: [Option<TileFn<<$s as Simd>::T>>; VECTORS] = [None; VECTORS];
        $( row[$nv - 1] = Some($entry::<$s, $mr, $nv, $cv>); )*
        row
    }};
}

/// The entry points of one instruction set.
macro_rules! entries {
    ($module:ident, $(#[$features:meta])*) => {
        mod $module {
            use super::*;
            use crate::tile::epilogue::{Rows, Segment};
            use crate::tile::dot::DotTile;
            use crate::tile::products::ProductTile;
            use crate::tile::rows::RowTile;
            // SAFETY of every entry: reached only through a table that `HasKernels::kernels` hands out for a
            // detected `Isa`; the pointers are the caller's promise.
            $(#[$features])*
            pub(super) unsafe fn tile_entry<S: Simd, const MR: usize, const NV: usize, const CV: bool>(
                k: usize, a: *const S::T, b: *const S::T, off: *const u32, c: *mut S::T,
            ) {
                unsafe { tile::<S, MR, NV, CV>(k, a, b, off, c) }
            }
            $(#[$features])*
            pub(super) unsafe fn store<S: Simd>(rows: &Rows<S::T>, segments: &[Segment], y: *mut S::T) {
                unsafe { epilogue::store_rows::<S>(rows, segments, y) }
            }
            $(#[$features])*
            pub(super) unsafe fn prefetch<S: Simd>(rows: usize, pitch: usize, segments: &[Segment], y: *const S::T) {
                unsafe { epilogue::prefetch_rows::<S>(rows, pitch, segments, y) }
            }
            $(#[$features])*
            pub(super) unsafe fn interleave<S: Simd>(a: *const S::T, b: *const S::T, y: *mut S::T, n: usize, bias: S::T) {
                unsafe { epilogue::interleave::<S>(a, b, y, n, bias) }
            }
            $(#[$features])*
            pub(super) unsafe fn copy_rows<S: Simd>(
                from: *const S::T, from_pitch: usize, to: *mut S::T, to_pitch: usize, shape: &copy::Shape,
            ) {
                unsafe { copy::copy_rows::<S>(from, from_pitch, to, to_pitch, shape) }
            }
            $(#[$features])*
            pub(super) unsafe fn transpose8<S: Simd>(src: *const S::T, src_ld: usize, dst: *mut S::T, dst_ld: usize) {
                unsafe { S::transpose8(src, src_ld, dst, dst_ld) }
            }
            $(#[$features])*
            pub(super) unsafe fn rows<S: Simd, const NV: usize, const WIDE: usize>(t: &RowTile<S::T>) {
                unsafe { rows::row_tile::<S, NV, WIDE>(t) }
            }
            $(#[$features])*
            pub(super) unsafe fn dot<S: Simd>(t: &DotTile<S::T>) {
                unsafe { dot::dot::<S>(t) }
            }
            $(#[$features])*
            pub(super) unsafe fn products<S: Simd, const NB: usize>(t: &ProductTile<S::T>) {
                unsafe { products::products::<S, NB>(t) }
            }
        }
    };
}

/// One table. `wide` menus are for 32 registers, the others for 16.
macro_rules! table {
    ($name:ident, $module:ident, $isa:literal, $s:ty, $menu:ident) => {
        static $name: Kernels<<$s as Simd>::T> = Kernels {
            isa: $isa,
            lanes: <$s as Simd>::L,
            pv: $menu!($module, $s, false),
            cv: $menu!($module, $s, true),
            store: $module::store::<$s>,
            prefetch: $module::prefetch::<$s>,
            interleave: $module::interleave::<$s>,
            copy_rows: $module::copy_rows::<$s>,
            transpose8: $module::transpose8::<$s>,
    rows: $menu!(depthwise $module, $s),
            depthwise_vectors: $menu!(depthwise),
            dot: $module::dot::<$s>,
    products: $menu!(products $module, $s),
        };
    };
}

/// 32 registers: at most 28 accumulators. Pixels in vectors: 8 x 3, few rows 6 wide. Channels in vectors: 14 x 2, 6 x 4.
macro_rules! wide {
    (depthwise $module:ident, $s:ty) => { $module::rows::<$s, 2, 4> };
    (products $module:ident, $s:ty) => { $module::products::<$s, 4> };
    (depthwise) => { 2 };
    ($module:ident, $s:ty, false) => {{
        use $module::tile_entry as entry;
        let none: [Option<TileFn<<$s as Simd>::T>>; VECTORS] = [None; VECTORS];
        [
            row!(entry, $s, 1, false; 1 2 3 4 5 6), row!(entry, $s, 2, false; 1 2 3 4 5 6),
            row!(entry, $s, 3, false; 1 2 3 4 5 6), row!(entry, $s, 4, false; 1 2 3 4 5 6),
            row!(entry, $s, 5, false; 1 2 3), row!(entry, $s, 6, false; 1 2 3),
            row!(entry, $s, 7, false; 1 2 3), row!(entry, $s, 8, false; 1 2 3),
            none, none, none, none, none, none,
        ]
    }};
    ($module:ident, $s:ty, true) => {{
        use $module::tile_entry as entry;
        [
            row!(entry, $s, 1, true; 1 2 3 4), row!(entry, $s, 2, true; 1 2 3 4),
            row!(entry, $s, 3, true; 1 2 3 4), row!(entry, $s, 4, true; 1 2 3 4),
            row!(entry, $s, 5, true; 1 2 3 4), row!(entry, $s, 6, true; 1 2 3 4),
            row!(entry, $s, 7, true; 1 2 3), row!(entry, $s, 8, true; 1 2),
            row!(entry, $s, 9, true; 1 2), row!(entry, $s, 10, true; 1 2),
            row!(entry, $s, 11, true; 1 2), row!(entry, $s, 12, true; 1 2),
            row!(entry, $s, 13, true; 1 2), row!(entry, $s, 14, true; 1 2),
        ]
    }};
}

/// 16 registers: at most 12 accumulators.
macro_rules! narrow {
    (depthwise $module:ident, $s:ty) => { $module::rows::<$s, 1, 2> };
    (products $module:ident, $s:ty) => { $module::products::<$s, 2> };
    (depthwise) => { 1 };
    ($module:ident, $s:ty, $cv:literal) => {{
        use $module::tile_entry as entry;
        let none: [Option<TileFn<<$s as Simd>::T>>; VECTORS] = [None; VECTORS];
        [
            row!(entry, $s, 1, $cv; 1 2 3 4), row!(entry, $s, 2, $cv; 1 2 3 4),
            row!(entry, $s, 3, $cv; 1 2), row!(entry, $s, 4, $cv; 1 2),
            row!(entry, $s, 5, $cv; 1 2), row!(entry, $s, 6, $cv; 1 2),
            none, none, none, none, none, none, none, none,
        ]
    }};
}

entries!(baseline,);
#[cfg(target_arch = "x86_64")]
entries!(avx2, #[target_feature(enable = "avx2,fma")]);
#[cfg(target_arch = "x86_64")]
entries!(avx512, #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")]);

table!(SCALAR_F32, baseline, "scalar", Scalar<f32>, narrow);
table!(SCALAR_F64, baseline, "scalar", Scalar<f64>, narrow);
table!(PORTABLE_F32, baseline, "portable", Lanes4<f32>, wide);
table!(PORTABLE_F64, baseline, "portable", Lanes4<f64>, wide);
#[cfg(target_arch = "x86_64")]
table!(AVX2_F32, avx2, "avx2", simd::avx2::F32x8, narrow);
#[cfg(target_arch = "x86_64")]
table!(AVX2_F64, avx2, "avx2", simd::avx2::F64x4, narrow);
#[cfg(target_arch = "x86_64")]
table!(AVX512_F32, avx512, "avx512", simd::avx512::F32x16, wide);
#[cfg(target_arch = "x86_64")]
table!(AVX512_F64, avx512, "avx512", simd::avx512::F64x8, wide);
// NEON is part of aarch64's baseline, so its entries need no features of their own.
#[cfg(target_arch = "aarch64")]
table!(NEON_F32, baseline, "neon", simd::neon::F32x4, wide);
#[cfg(target_arch = "aarch64")]
table!(NEON_F64, baseline, "neon", simd::neon::F64x2, wide);

impl HasKernels for f32 {
    fn kernels(isa: Isa) -> &'static Kernels<f32> {
        match isa.kind() {
            IsaKind::Scalar => &SCALAR_F32,
            IsaKind::Portable => &PORTABLE_F32,
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => &NEON_F32,
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => &AVX2_F32,
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => &AVX512_F32,
        }
    }
}

impl HasKernels for f64 {
    fn kernels(isa: Isa) -> &'static Kernels<f64> {
        match isa.kind() {
            IsaKind::Scalar => &SCALAR_F64,
            IsaKind::Portable => &PORTABLE_F64,
            #[cfg(target_arch = "aarch64")]
            IsaKind::Neon => &NEON_F64,
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => &AVX2_F64,
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => &AVX512_F64,
        }
    }
}
