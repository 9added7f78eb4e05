//! The vectorised body on AVX2: a block is two registers of 32 bytes.

use std::arch::x86_64::{
    __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_set1_epi8,
    _mm256_storeu_si256,
};

use super::simd::{self, Block};
use super::{Progress, Stop, Work, unframe};

/// Whether this processor has what is enabled here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
}

/// Frames until a reason to stop is met.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn frame(work: &Work<'_>, output: &mut [u8], progress: &mut Progress) -> Stop {
    if work.strip_cr {
        // SAFETY: this function enables what `Halves` needs.
        unsafe { simd::frame::<Halves, true>(work, output, progress) }
    } else {
        // SAFETY: the same.
        unsafe { simd::frame::<Halves, false>(work, output, progress) }
    }
}

/// Walks from value to value.
#[target_feature(enable = "avx2,bmi1,bmi2")]
pub(super) fn values(job: &unframe::Job<'_>, output: &mut [u8], progress: &mut unframe::Progress) {
    // SAFETY: this function enables what `Halves` needs.
    unsafe { unframe::simd::values::<Halves>(job, output, progress) }
}

#[derive(Clone, Copy)]
struct Halves(__m256i, __m256i);

impl Block for Halves {
    type Needle = __m256i;

    #[inline(always)]
    unsafe fn needle(delimiter: u8) -> __m256i {
        // SAFETY: the caller vouches for AVX2.
        unsafe { _mm256_set1_epi8(delimiter as i8) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for AVX2 and for 64 bytes.
        let low = unsafe { _mm256_loadu_si256(from.cast()) };
        // SAFETY: the same.
        let high = unsafe { _mm256_loadu_si256(from.wrapping_add(32).cast()) };
        Self(low, high)
    }

    #[inline(always)]
    unsafe fn matches(self, needle: __m256i) -> u64 {
        // SAFETY: the caller vouches for AVX2.
        let low = unsafe { matches_half(self.0, needle) };
        // SAFETY: the same.
        let high = unsafe { matches_half(self.1, needle) };
        u64::from(low) | (u64::from(high) << 32)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for AVX2 and for 64 bytes.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) };
        // SAFETY: the same.
        unsafe { _mm256_storeu_si256(to.wrapping_add(32).cast(), self.1) };
    }
}

/// One bit a byte.
///
/// # Safety
///
/// The processor has AVX2.
#[inline(always)]
unsafe fn matches_half(half: __m256i, needle: __m256i) -> u32 {
    // SAFETY: the caller vouches for AVX2.
    let equal = unsafe { _mm256_cmpeq_epi8(half, needle) };
    // SAFETY: the same.
    unsafe { _mm256_movemask_epi8(equal) as u32 }
}
