//! The process's heap: mimalloc, asked without an alignment where that gives the same.
//!
//! Asked for an alignment, mimalloc takes the next free block where one is at hand and lies right, and else goes a longer way, with
//! a larger block for most sizes. Unasked it aligns to [`ALIGN`] (`MI_MAX_ALIGN_SIZE`), or, where the size is less, to any power
//! of two up to the size, which is what nearly everything needs.

#![expect(
    unsafe_code,
    reason = "an allocator is an unsafe trait, and mimalloc has a C interface"
)]

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// What mimalloc aligns to unasked, in bytes.
const ALIGN: usize = 16;

/// See the module. For `#[global_allocator]`.
#[derive(Debug, Clone, Copy)]
pub struct Heap;

/// Whether memory of `size` bytes is aligned to `align` unasked.
#[inline]
fn is_aligned(size: usize, align: usize) -> bool {
    align <= ALIGN && align <= size
}

// SAFETY: mimalloc gives memory that nobody else has, of at least the size that was asked for, or null; it is aligned as asked
// for, or unasked as the module says. `mi_free` and `mi_realloc` take memory of either way. Nothing here panics.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size and any alignment that is a power of two will do, and a layout's is.
        let start = unsafe {
            match is_aligned(size, align) {
                true => mi_malloc(size),
                false => mi_malloc_aligned(size, align),
            }
        };
        start.cast()
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as in `alloc`.
        let start = unsafe {
            match is_aligned(size, align) {
                true => mi_zalloc(size),
                false => mi_zalloc_aligned(size, align),
            }
        };
        start.cast()
    }

    #[inline]
    unsafe fn dealloc(&self, start: *mut u8, _: Layout) {
        // SAFETY: the caller has it from here, and gives it up.
        unsafe { mi_free(start.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: the caller has it from here, and gives it up unless null comes back.
        let start = unsafe {
            match is_aligned(size, align) {
                true => mi_realloc(start.cast(), size),
                false => mi_realloc_aligned(start.cast(), size, align),
            }
        };
        start.cast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes around those of mimalloc's classes, and of pages.
    const SIZES: [usize; 11] = [1, 7, 8, 9, 16, 24, 100, 1025, 5000, 70_000, 3 << 20];
    const ALIGNS: [usize; 8] = [1, 2, 4, 8, 16, 32, 128, 4096];

    fn is_right(start: *mut u8, align: usize) -> bool {
        !start.is_null() && start.addr().is_multiple_of(align)
    }

    /// Several of each, so that blocks behind a page's first are looked at too.
    #[test]
    fn memory_is_aligned_and_keeps_its_bytes_when_it_grows_and_shrinks() {
        for (size, align) in SIZES
            .iter()
            .flat_map(|size| ALIGNS.map(|align| (*size, align)))
        {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            let mut held = Vec::new();
            for byte in 1..=5 {
                // SAFETY: the sizes are not zero; each piece is written within its size and freed once with its layout.
                unsafe {
                    let start = Heap.alloc(layout);
                    assert!(is_right(start, align), "{size} bytes at {align}");
                    start.write_bytes(byte, size);
                    held.push((byte, start));
                }
            }
            for (byte, start) in held {
                for new in [size * 2 + 1, size, size.div_ceil(3)] {
                    // SAFETY: as above; what is compared was written or copied.
                    unsafe {
                        let new_layout = Layout::from_size_align(new, align).expect("a layout");
                        let copy = Heap.alloc(layout);
                        std::ptr::copy_nonoverlapping(start, copy, size);
                        let moved = Heap.realloc(copy, layout, new);
                        assert!(is_right(moved, align), "{size} to {new} bytes at {align}");
                        let kept = std::slice::from_raw_parts(moved, new.min(size));
                        assert!(kept.iter().all(|it| *it == byte));
                        Heap.dealloc(moved, new_layout);
                    }
                }
                // SAFETY: it was allocated with this layout.
                unsafe { Heap.dealloc(start, layout) };
            }
        }
    }

    #[test]
    fn zeroed_memory_is_zero_where_other_bytes_were() {
        for (size, align) in SIZES
            .iter()
            .flat_map(|size| ALIGNS.map(|align| (*size, align)))
        {
            let layout = Layout::from_size_align(size, align).expect("a layout");
            // SAFETY: the size is not zero; the memory is used within it and freed once.
            unsafe {
                let start = Heap.alloc(layout);
                start.write_bytes(0xff, size);
                Heap.dealloc(start, layout);
                let start = Heap.alloc_zeroed(layout);
                assert!(is_right(start, align), "{size} bytes at {align}");
                assert!(
                    std::slice::from_raw_parts(start, size)
                        .iter()
                        .all(|it| *it == 0)
                );
                Heap.dealloc(start, layout);
            }
        }
    }
}
