//! The vectorised body on AVX-512: a block is one register.

use std::arch::x86_64::{
    __m512i, _mm512_cmpeq_epi8_mask, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_storeu_si512,
};

use super::simd::{self, Block};
use super::{Progress, Stop, Work, unframe};

/// Whether this processor has what is enabled here.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
}

/// Frames until a reason to stop is met.
#[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2")]
pub(super) fn frame(work: &Work<'_>, output: &mut [u8], progress: &mut Progress) -> Stop {
    if work.strip_cr {
        // SAFETY: this function enables what `Whole` needs.
        unsafe { simd::frame::<Whole, true>(work, output, progress) }
    } else {
        // SAFETY: the same.
        unsafe { simd::frame::<Whole, false>(work, output, progress) }
    }
}

/// Walks from value to value.
#[target_feature(enable = "avx512f,avx512bw,bmi1,bmi2")]
pub(super) fn values(job: &unframe::Job<'_>, output: &mut [u8], progress: &mut unframe::Progress) {
    // SAFETY: this function enables what `Whole` needs.
    unsafe { unframe::simd::values::<Whole>(job, output, progress) }
}

#[derive(Clone, Copy)]
struct Whole(__m512i);

impl Block for Whole {
    type Needle = __m512i;

    #[inline(always)]
    unsafe fn needle(delimiter: u8) -> __m512i {
        // SAFETY: the caller vouches for AVX-512.
        unsafe { _mm512_set1_epi8(delimiter as i8) }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller vouches for AVX-512 and for 64 bytes.
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn matches(self, needle: __m512i) -> u64 {
        // SAFETY: the caller vouches for AVX-512.
        unsafe { _mm512_cmpeq_epi8_mask(self.0, needle) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the caller vouches for AVX-512 and for 64 bytes.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) };
    }
}
